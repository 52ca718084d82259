package runner_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// idle is how many sessions are paused, and how much of the heap they may hold, in
// bytes, and as many may be gone.
const (
	idle      = 10_000
	idleBytes = 1 << 20
)

// TestIdle: a paused session is what its journal keeps of it, and nothing else: no
// goroutine, no memory, no file that is open. It is not parallel, as it counts for
// the whole process.
func TestIdle(t *testing.T) {
	if raced || testing.Short() {
		t.Skip("it takes its time, and the race detector has a heap of its own")
	}
	x := new(till)
	a := newAgent(x.refund(over100))
	model := llm.ModelFunc(func(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) {
		call := llm.ToolCall{ID: "call", Name: "refund", Arguments: `{"order":"W2","cents":20000}`}
		return &llm.Response{Message: llm.Assistant("", call), Finish: llm.Finish{Reason: llm.FinishToolCalls}}, nil
	})
	for _, name := range []string{"memory", "files"} {
		var kept journal.Journal = new(journal.Memory)
		if name == "files" {
			kept = journal.Dir{Path: t.TempDir()}
		}
		r := runner.Runner{Model: model, Journal: kept}
		pause(t, r, a, "first", 100) // what is made once is made now
		if name == "memory" {
			r.Journal = new(journal.Memory) // what it keeps goes with it
		}
		goroutines, heap := usage()
		pause(t, r, a, "desk", idle)
		pending, err := r.Session("desk 7").Pending(t.Context())
		require.NoError(t, err)
		require.Len(t, pending, 1)
		if name == "memory" {
			r.Journal = nil
		}
		after, heapAfter := usage()
		t.Logf("%d sessions are paused in %s: %d goroutines more, %d bytes more", idle, name, after-goroutines, heapAfter-heap)
		require.Equal(t, goroutines, after, name)
		require.InDelta(t, heap, heapAfter, idleBytes, name)
		runtime.KeepAlive(kept)
	}
	require.Empty(t, x.all())
}

// pause runs n sessions until they wait.
func pause(t *testing.T, r runner.Runner, a *agent.Agent, name string, n int) {
	t.Helper()
	var group errgroup.Group
	group.SetLimit(64) // they wait for the disk
	for i := range n {
		group.Go(func() error {
			_, err := r.Session(fmt.Sprintf("%s %d", name, i)).Run(t.Context(), a, runner.Say(llm.User("Refund it.")))
			if !errors.Is(err, runner.ErrPaused) {
				return fmt.Errorf("session %d: %w", i, err)
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
}

// usage is that of the process, garbage not counted.
func usage() (goroutines int, heap int64) {
	runtime.GC() // what has a finalizer goes with the second
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return runtime.NumGoroutine(), int64(m.HeapAlloc)
}
