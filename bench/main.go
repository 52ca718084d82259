// Bench compares toolloop with hand-written loops and with other libraries. Every peer
// holds the same scripted conversations with the same scripted server, side by side, and
// every run is checked: the final text, the arguments, the number of calls and requests.
//
//	go run ./bench                       # every workload and peer, about ten minutes
//	go run ./bench -short                # one short round
//	go run ./bench -w W2,W5 -p floor,toolloop -rounds 5
//	go run ./bench -w W2 -p toolloop -profiles /tmp
//
// The server and each measurement are processes of their own, so that the processor time
// and the memory of a peer are its own.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"slices"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/tied"
)

// peers stand in the order of the table. The ratios are to the first.
var peers = []peer{floor, floorValidate, limit, toolloop, openaiGo, goOpenAI, eino}

var errNoForm = errors.New("this peer has no such form")

type options struct {
	rounds          int
	budget          time.Duration
	workloads       []workload
	peers           []peer
	short           bool
	svg, readme     string
	profiles        string
	serving         bool // this process is the server
	server, measure string
}

func main() {
	o, err := parse(os.Args[1:])
	if err == nil {
		err = o.run(context.Background())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse(args []string) (o options, err error) {
	f := flag.NewFlagSet("bench", flag.ExitOnError)
	f.IntVar(&o.rounds, "rounds", 3, "`number` of rounds; the table shows medians")
	f.DurationVar(&o.budget, "budget", 1500*time.Millisecond, "`time` after which a measurement of runs one after the other ends")
	names := f.String("w", "", "`workloads`, by comma; empty means all")
	chosen := f.String("p", "", "`peers`, by comma; empty means all. The first of the table is always measured")
	f.BoolVar(&o.short, "short", false, "one round of 300 ms for each measurement")
	f.StringVar(&o.svg, "svg", "bench.svg", "`file` for the bars; empty writes none")
	f.StringVar(&o.readme, "readme", "", "`file` whose table is replaced; empty changes none")
	f.StringVar(&o.profiles, "profiles", "", "`directory` for a CPU and an allocation profile of each measurement; empty writes none")
	f.BoolVar(&o.serving, "serve", false, "be the server (used by bench itself)")
	f.StringVar(&o.server, "server", "", "`address` of the server (used by bench itself)")
	f.StringVar(&o.measure, "measure", "", "`peer` to measure in this process (used by bench itself)")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if o.short {
		o.rounds, o.budget = 1, 300*time.Millisecond
	}
	if o.workloads, err = choose(workloads, *names, func(w workload) string { return w.name }); err != nil {
		return o, err
	}
	if *chosen != "" && o.measure == "" {
		*chosen += "," + peers[0].name
	}
	o.peers, err = choose(peers, *chosen, func(p peer) string { return p.name })
	return o, err
}

// choose returns the elements of all whose names stand in list.
func choose[T any](all []T, list string, name func(T) string) (some []T, err error) {
	if list == "" {
		return all, nil
	}
	names := strings.Split(list, ",")
	for _, element := range all {
		if slices.Contains(names, name(element)) {
			some = append(some, element)
		}
		names = slices.DeleteFunc(names, func(s string) bool { return s == name(element) })
	}
	if len(names) > 0 {
		return nil, fmt.Errorf("nothing is named %s", strings.Join(names, ", "))
	}
	return some, nil
}

func (o options) run(ctx context.Context) error {
	switch {
	case o.serving:
		return o.serve(ctx)
	case o.measure != "":
		return o.measureHere()
	}
	server, address, err := o.startServer(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = server.Process.Kill(); _ = server.Wait() }()
	var all []figures
	for round := range o.rounds {
		for _, w := range o.workloads {
			for _, p := range o.peers {
				f, err := o.measureApart(ctx, address, p, w)
				if err != nil {
					return err
				}
				f.Round = round
				all = append(all, f)
			}
		}
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, o.rounds)
	}
	return o.publish(report{o.workloads, o.peers, all, o.setting(time.Now())})
}

// serve is the server's process. The first line of the output is the server's address.
func (o options) serve(ctx context.Context) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	serve(l, workloads)
	fmt.Println(l.Addr())
	select {}
}

func (o options) startServer(ctx context.Context) (*exec.Cmd, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	cmd := exec.CommandContext(ctx, self, "-serve")
	tied.Tie(cmd)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	return cmd, strings.TrimSpace(address), err
}

// measureApart measures in a process of its own.
func (o options) measureApart(ctx context.Context, address string, p peer, w workload) (f figures, err error) {
	self, err := os.Executable()
	if err != nil {
		return f, err
	}
	cmd := exec.CommandContext(ctx, self, "-server", address, "-measure", p.name, "-w", w.name, "-budget", o.budget.String(), "-profiles", o.profiles)
	tied.Tie(cmd)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &f)
	}
	if err != nil {
		return f, fmt.Errorf("%s, %s: %w", w.name, p.name, err)
	}
	return f, nil
}

func (o options) measureHere() error {
	some, err := choose(peers, o.measure, func(p peer) string { return p.name })
	if err != nil {
		return err
	}
	p, w := some[0], o.workloads[0]
	stop, err := o.profile(p.name + "." + w.name)
	if err != nil {
		return err
	}
	f := measure(p, w, o.server, o.budget)
	if err := stop(); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(f)
}

// profile begins to write profiles with a name. The rate of the allocation profile is
// one sample for each 4 KB.
func (o options) profile(name string) (stop func() error, err error) {
	if o.profiles == "" {
		return func() error { return nil }, nil
	}
	runtime.MemProfileRate = 1 << 12
	cpu, err := os.Create(o.profiles + "/" + name + ".cpu")
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(cpu); err != nil {
		return nil, err
	}
	return func() error {
		pprof.StopCPUProfile()
		allocs, err := os.Create(o.profiles + "/" + name + ".allocs")
		if err != nil {
			return err
		}
		return errors.Join(cpu.Close(), pprof.Lookup("allocs").WriteTo(allocs, 0), allocs.Close())
	}, nil
}
