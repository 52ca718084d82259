// Command temporal is an order desk on Temporal, whose workers are killed again and again.
// It starts a server, three workers and twenty conversations, kills a worker every three seconds,
// approves large refunds, and shows that each refund was paid once.
//
// The server is the command "temporal" on the PATH. Without the command,
// the program prints how to install the command.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/examples/temporal/internal/bank"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/temporal"
)

const install = `the program needs a Temporal server; install it (2 to 7 minutes), and put it on the PATH:

    go install github.com/temporalio/cli/cmd/temporal@v1.5.1`

func main() {
	conversations := flag.Int("n", 20, "the number of conversations")
	work := flag.String("worker", "", "the address of a server: be a worker (the program uses this itself)")
	bankAt := flag.String("bank", "", "the directory of the bank, for a worker")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if *work != "" {
		err = runWorker(ctx, *work, bank.Bank(*bankAt))
	} else {
		err = run(ctx, os.Stdout, *conversations)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has run
	}
}

// runWorker is a worker process: the agent, its model, and the connection.
func runWorker(ctx context.Context, address string, b bank.Bank) error {
	c, err := client.Dial(client.Options{HostPort: address, Logger: silent{}})
	if err != nil {
		return err
	}
	defer c.Close()
	return temporal.Worker{
		Temporal: c, Agents: []*agent.Agent{desk(b)}, Runner: runner.Runner{Model: clerk()},
		// A killed worker holds workflows for so long.
		Options: worker.Options{StickyScheduleToStartTimeout: time.Second},
	}.Run(ctx)
}

// run is the program.
func run(ctx context.Context, out io.Writer, conversations int) error {
	dir, err := os.MkdirTemp("", "toolloop-temporal")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := bank.Bank(filepath.Join(dir, "bank"))
	if err := os.Mkdir(string(b), 0o700); err != nil {
		return err
	}
	address, stopServer, err := startServer(ctx)
	if err != nil {
		return err
	}
	defer stopServer()
	c, err := connect(ctx, address)
	if err != nil {
		return err
	}
	defer c.Close()

	crew, err := hire(address, b)
	if err != nil {
		return err
	}
	defer crew.stop()
	say := talker(out)
	var running sync.WaitGroup
	errs := make([]error, conversations)
	for i := range conversations {
		running.Go(func() {
			session := temporal.Client{Temporal: c, Heartbeat: 3 * time.Second}.Session(fmt.Sprintf("order-%d", i))
			errs[i] = converse(ctx, say, session, i, b)
		})
	}
	done := make(chan struct{})
	go func() { running.Wait(); close(done) }()
	kills, err := crew.killUntil(done, say)
	if err := errors.Join(append(errs, err)...); err != nil {
		return err
	}
	paid, tries, err := b.Count()
	if err != nil {
		return err
	}
	say("%d conversations, %d workers killed: %d refunds paid once each, in %d attempts", conversations, kills, paid, tries)
	return nil
}

// converse has a conversation about an order, and approves refunds.
func converse(ctx context.Context, say func(string, ...any), s *temporal.Session, i int, b bank.Bank) error {
	question := fmt.Sprintf("Order W%d arrived broken. It cost %d dollars.", i, 40+20*i)
	in := []runner.Input{runner.Once("complaint", llm.User(question))}
	for {
		result, err := s.Run(ctx, desk(b), in...)
		if !errors.Is(err, runner.ErrPaused) {
			if err == nil {
				say("W%d: %s", i, result.Text)
			}
			return err
		}
		in = nil
		for _, p := range result.Pending {
			if p.InDoubt { // its workers were killed five times, and the bank knows its key
				in = append(in, p.RunAgain())
				continue
			}
			say("W%d: %s %s: approved by ada", i, p.ToolCall.Name, p.ToolCall.Arguments)
			in = append(in, runner.By("ada", p.Approve()))
		}
	}
}

// talker returns a function that prints a line, for several goroutines.
func talker(out io.Writer) func(string, ...any) {
	var mu sync.Mutex
	return func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(out, format+"\n", args...)
	}
}

// startServer starts a server for this program alone, without a memory.
func startServer(ctx context.Context) (address string, stop func(), err error) {
	program := os.Getenv("TOOLLOOP_TEMPORAL")
	if program == "" {
		if program, err = exec.LookPath("temporal"); err != nil {
			return "", nil, errors.New(install)
		}
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	address = l.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	if err := l.Close(); err != nil {
		return "", nil, err
	}
	cmd := exec.CommandContext(ctx, program, "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", port,
		"--log-level", "error", "--dynamic-config-value", "system.enableActivityEagerExecution=true")
	tie(cmd)
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	return address, func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }, nil
}

// connect waits until the server answers.
func connect(ctx context.Context, address string) (client.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	for {
		c, err := client.DialContext(ctx, client.Options{HostPort: address, Logger: silent{}})
		if err == nil {
			return c, nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil, fmt.Errorf("the server does not answer: %w", err)
		}
	}
}

// silent drops the log of Temporal's SDK, a loud log about killed workers.
type silent struct{}

func (silent) Debug(string, ...any) {}
func (silent) Info(string, ...any)  {}
func (silent) Warn(string, ...any)  {}
func (silent) Error(string, ...any) {}
