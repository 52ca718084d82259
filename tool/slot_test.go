package tool_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestSlots: as many as Concurrency says, each given back once.
func TestSlots(t *testing.T) {
	t.Parallel()
	x := tool.Must(tool.New("x", "", nothing, tool.Concurrency(2)))
	first, ok := x.TryAcquire(t.Context())
	require.True(t, ok)
	second, err := x.Acquire(t.Context())
	require.NoError(t, err)
	_, ok = x.TryAcquire(t.Context())
	require.False(t, ok)

	cause := errors.New("closing time")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	release, err := x.Acquire(ctx)
	require.Equal(t, cause, err)
	release() // of a failure: does nothing
	_, ok = x.TryAcquire(t.Context())
	require.False(t, ok)

	first()
	third, ok := x.TryAcquire(t.Context())
	require.True(t, ok)
	third()
	second()
}

// TestSlotsOfOthers: copies and renamed copies of a tool share slots; separate tools do
// not.
func TestSlotsOfOthers(t *testing.T) {
	t.Parallel()
	x := tool.Must(tool.New("x", "", nothing, tool.Concurrency(1)))
	set := tool.Set{Prefix: "a_", List: func(context.Context) ([]tool.Tool, error) { return []tool.Tool{x}, nil }}
	renamed, err := set.Tools(t.Context())
	require.NoError(t, err)
	copied := x
	release, ok := renamed[0].TryAcquire(t.Context())
	require.True(t, ok)
	for _, same := range []tool.Tool{x, copied, renamed[0]} {
		_, ok := same.TryAcquire(t.Context())
		require.False(t, ok)
		inside, ok := same.TryAcquire(renamed[0].WithSlot(t.Context()))
		require.True(t, ok)
		inside()
	}
	_, ok = tool.Must(tool.New("x", "", nothing, tool.Concurrency(1))).TryAcquire(t.Context())
	require.True(t, ok)
	release()
	_, ok = x.TryAcquire(t.Context())
	require.True(t, ok)
}

// TestSlotsWithoutABound: a slot is always free, and the context does not change.
func TestSlotsWithoutABound(t *testing.T) {
	t.Parallel()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, x := range []tool.Tool{{}, tool.Must(tool.New("x", "", nothing))} {
		for range 100 {
			release, ok := x.TryAcquire(ended)
			require.True(t, ok)
			release()
			_, err := x.Acquire(ended)
			require.NoError(t, err)
		}
		require.Equal(t, t.Context(), x.WithSlot(t.Context()))
	}
}

// TestSlotsInside: a call of the tool inside a call of itself, at any depth and
// with others between, needs no slot; one beside it does.
func TestSlotsInside(t *testing.T) {
	t.Parallel()
	x := tool.Must(tool.New("x", "", nothing, tool.Concurrency(1)))
	y := tool.Must(tool.New("y", "", nothing, tool.Concurrency(1)))
	free, ok := x.TryAcquire(t.Context())
	require.True(t, ok)
	inX := x.WithSlot(t.Context())
	require.Equal(t, inX, x.WithSlot(inX), "once is enough")
	freeY, ok := y.TryAcquire(inX)
	require.True(t, ok)
	inY := y.WithSlot(inX)
	_, ok = y.TryAcquire(inX)
	require.False(t, ok, "y is taken, and inX holds only x")
	for _, ctx := range []context.Context{inX, inY} {
		release, err := x.Acquire(ctx)
		require.NoError(t, err)
		release()
	}
	_, ok = x.TryAcquire(t.Context())
	require.False(t, ok, "what is inside gave back nothing that was not its own")
	free()
	freeY()
}

// TestSlotsAreBounded: however many wait, no more run than may.
func TestSlotsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x := tool.Must(tool.New("x", "", nothing, tool.Concurrency(3)))
		var running, most atomic.Int32
		start := time.Now()
		done := make(chan struct{})
		for range 30 {
			go func() {
				release, err := x.Acquire(t.Context())
				if err != nil {
					t.Error(err)
				}
				if n := running.Add(1); n > most.Load() {
					most.Store(n)
				}
				time.Sleep(time.Second) // synctest: exact in a bubble
				running.Add(-1)
				release()
				done <- struct{}{}
			}()
		}
		for range 30 {
			<-done
		}
		require.Equal(t, int32(3), most.Load())
		require.Equal(t, 10*time.Second, time.Since(start))
	})
}

// TestProgress: reports go to the progress function of the call, and nowhere outside of
// a call.
func TestProgress(t *testing.T) {
	t.Parallel()
	type report struct {
		Done, Total float64
		Message     string
	}
	var got []report
	nan := 0.0
	nan /= nan
	reports := func(ctx context.Context, _ struct{}) (string, error) {
		c := tool.CallFrom(ctx)
		c.Progress(1, 2, "half")
		c.Progress(nan, 1/(nan-nan), "")
		c.Progress(-1, 1e300, "")
		return "", nil
	}
	x := tool.Must(tool.New("x", "", reports))
	for _, ctx := range []context.Context{
		t.Context(), tool.WithCall(t.Context(), tool.Call{}, nil),
		tool.WithCall(t.Context(), tool.Call{}, func(done, total float64, message string) { got = append(got, report{done, total, message}) }),
	} {
		require.Empty(t, got)
		_, err := x.Call(ctx, json.RawMessage(`{}`))
		require.NoError(t, err)
	}
	require.Equal(t, []report{{1, 2, "half"}, {0, 0, ""}, {-1, 1e300, ""}}, got)
	tool.Call{}.Progress(1, 1, "")
}
