package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A task is a workload for a peer to do.
type task struct {
	workload              // embedded: a task is a workload with a server
	baseURL  string       // of the server, with "/v1" at the end
	client   *http.Client // for all requests
	call     func(city, unit string) (string, error)
}

// A run holds the conversation once and returns the final text. A run is safe for
// concurrent use.
type run func(ctx context.Context) (text string, err error)

// A peer is a way to write the loop. prepare builds client, tool and agent once for all
// runs. The error errNoForm says that the peer has no way to do the workload.
type peer struct {
	name    string
	prepare func(task) (run, error)
}

// figures are the costs of a run.
type figures struct {
	Peer, Workload string
	Round, Runs    int
	CPU, Wall      float64 // seconds
	Allocs, Bytes  float64
	RSS            float64 // bytes beyond those before the first run; 0 where unknown
	Wrong          string  // what is wrong with the runs; "" for nothing
	NoForm         bool
}

// check counts what a tool was called with.
type check struct{ calls, sum atomic.Int64 }

func (c *check) call(city, unit string) (string, error) {
	numbers, ok := strings.CutPrefix(city, "Oslo-")
	turn, i, _ := strings.Cut(numbers, "-")
	t, err := strconv.Atoi(turn)
	n, err2 := strconv.Atoi(i)
	if !ok || err != nil || err2 != nil || unit != "celsius" {
		return "", fmt.Errorf("wrong arguments %q, %q", city, unit)
	}
	c.calls.Add(1)
	c.sum.Add(int64(t)*1000 + int64(n))
	return toolResult, nil
}

// verify compares the calls of so many runs with the script.
func (c *check) verify(w workload, runs int) error {
	var sum int64
	for t := range w.turns {
		for i := range w.calls {
			sum += int64(t)*1000 + int64(i)
		}
	}
	if calls := int64(w.turns * w.calls * runs); c.calls.Load() != calls || c.sum.Load() != sum*int64(runs) {
		return fmt.Errorf("%d calls with the sum %d, not %d with %d", c.calls.Load(), c.sum.Load(), calls, sum*int64(runs))
	}
	return nil
}

// measure does a workload with a peer and returns the costs of a run. A workload of runs
// one after the other ends after the time of budget.
func measure(p peer, w workload, address string, budget time.Duration) figures {
	f := figures{Peer: p.name, Workload: w.name}
	calls := &check{}
	do, err := p.prepare(task{w, "http://" + address + "/" + w.name + "/v1", client(), calls.call})
	if errors.Is(err, errNoForm) {
		f.NoForm = true
		return f
	}
	one := func() error {
		text, err := do(context.Background())
		if err == nil && text != w.finalText() {
			err = fmt.Errorf("the final text has %d bytes: %.40q", len(text), text)
		}
		return err
	}
	for i := 0; i < w.warm && err == nil; i++ {
		err = one()
	}
	if err == nil {
		err = f.take(w, address, budget, calls, one)
	}
	if err != nil {
		f.Wrong = err.Error()
	}
	return f
}

// take runs the workload and reads the meters before and after.
func (f *figures) take(w workload, address string, budget time.Duration, calls *check, one func() error) error {
	calls.calls.Store(0)
	calls.sum.Store(0)
	asked, err := requests(address)
	if err != nil {
		return err
	}
	runtime.GC()
	var before, after runtime.MemStats
	rss := status("VmRSS:")
	runtime.ReadMemStats(&before)
	cpu, began := cpuSeconds(), time.Now()
	if f.Runs, err = repeat(w, budget, one); err != nil {
		return err
	}
	f.Wall, f.CPU = time.Since(began).Seconds(), cpuSeconds()-cpu
	runtime.ReadMemStats(&after)
	runs := float64(f.Runs)
	f.Wall, f.CPU = f.Wall/runs, f.CPU/runs
	f.Allocs, f.Bytes = float64(after.Mallocs-before.Mallocs)/runs, float64(after.TotalAlloc-before.TotalAlloc)/runs
	if peak := status("VmHWM:"); w.atOnce && peak > rss {
		f.RSS = (peak - rss) / runs
	}
	now, err := requests(address)
	if want := f.Runs * (w.turns + 1); err == nil && !w.memory && now-asked != want {
		err = fmt.Errorf("%d requests, not %d", now-asked, want)
	}
	if err != nil {
		return err
	}
	return calls.verify(w, f.Runs)
}

// repeat returns the number of runs.
func repeat(w workload, budget time.Duration, one func() error) (int, error) {
	if !w.atOnce {
		began := time.Now()
		for i := range w.runs {
			if err := one(); err != nil {
				return 0, err
			}
			if i >= 2 && time.Since(began) > budget {
				return i + 1, nil
			}
		}
		return w.runs, nil
	}
	errs := make(chan error, w.runs)
	var all sync.WaitGroup
	for range w.runs {
		all.Go(func() {
			if err := one(); err != nil {
				errs <- err
			}
		})
	}
	all.Wait()
	close(errs)
	return w.runs, <-errs
}

// client returns a client for many requests at once. Each peer uses the same.
func client() *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext:         (&net.Dialer{}).DialContext,
		MaxIdleConns:        2000,
		MaxIdleConnsPerHost: 2000,
		IdleConnTimeout:     time.Minute,
		DisableCompression:  true,
	}}
}

func requests(address string) (int, error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+address+countPath, nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(b))
}

// status returns a size of this process in bytes, or 0 where the system does not tell.
func status(name string) float64 {
	b, err := os.ReadFile("/proc/self/status")
	_, rest, ok := strings.Cut(string(b), name)
	if err != nil || !ok {
		return 0
	}
	kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	return kb * 1024
}
