package runner_test

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
)

// TestWaiting holds the memory of a run that waits for its model after three turns: heap
// and stacks, the caller's goroutine and the history included. 10,000 such runs must leave
// room for their connections in 700 MB.
func TestWaiting(t *testing.T) {
	if raced {
		t.Skip("the race detector needs memory, too")
	}
	const runs, most = 2000, 33 << 10 // it differs by half a kilobyte between executions
	a := inMemory(3, 2, 0)
	answers := a.Model
	arrived, release := make(chan struct{}), make(chan struct{})
	a.Model = llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		if len(req.Messages) == 1+3*3 {
			arrived <- struct{}{}
			<-release
		}
		return answers.Generate(ctx, req, sink)
	})
	used := func() uint64 {
		runtime.GC()
		runtime.GC() // the first leaves what has a finalizer
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse
	}
	before := used()
	var all sync.WaitGroup
	for range runs {
		all.Go(func() {
			if _, err := runner.Run(t.Context(), a, llm.User("Oslo?")); err != nil {
				t.Error(err)
			}
		})
	}
	for range runs {
		<-arrived
	}
	each := (used() - before) / runs
	close(release)
	all.Wait()
	t.Logf("a waiting run holds %d bytes", each)
	require.Less(t, each, uint64(most))
}

// TestGoroutinesAgain: the requests to a model of the program do not have a new goroutine each.
// Whether a goroutine waits in time for the next request is left to chance.
func TestGoroutinesAgain(t *testing.T) {
	const turns = 100
	a := inMemory(turns, 1, 0)
	answers, seen := a.Model, map[string]bool{}
	a.Model = llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		buf := make([]byte, 64)
		seen[strings.Fields(string(buf[:runtime.Stack(buf, false)]))[1]] = true
		return answers.Generate(ctx, req, sink)
	})
	_, err := runner.Runner{MaxTurns: turns + 1}.Run(t.Context(), a, llm.User("Oslo?"))
	require.NoError(t, err)
	require.Less(t, len(seen), turns)
	t.Logf("%d goroutines for %d requests", len(seen), turns+1)
}
