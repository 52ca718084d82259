package opening_test

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/opening"
)

func TestBound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		opening.Progress(t.Context()) // outside of a bound it does nothing
		ctx, stop := opening.Bound(t.Context(), 30*time.Second)
		defer stop()
		for range 10 {
			time.Sleep(29 * time.Second) // synctest: exact in a bubble
			require.NoError(t, ctx.Err())
			opening.Progress(ctx)
		}
		began := time.Now()
		<-ctx.Done()
		require.Equal(t, 30*time.Second, time.Since(began))
		require.ErrorIs(t, context.Cause(ctx), context.DeadlineExceeded)
		require.EqualError(t, context.Cause(ctx), "the store did nothing for 30s: context deadline exceeded")

		ctx, stop = opening.Bound(t.Context(), 30*time.Second)
		stop()
		require.Equal(t, context.Canceled, context.Cause(ctx))
	})
}

// TestDecode: at most as many decode at once as there are processors.
func TestDecode(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int64
	var group sync.WaitGroup
	for range 100 {
		group.Go(func() {
			opening.Decode(func() {
				n := now.Add(1)
				for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
				}
				runtime.Gosched()
				now.Add(-1)
			})
		})
	}
	group.Wait()
	require.LessOrEqual(t, most.Load(), int64(runtime.GOMAXPROCS(0)))
	require.Positive(t, most.Load())
}
