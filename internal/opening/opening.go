// Package opening bounds the opening of sessions. [Bound] limits the time for which a store
// may make no progress: a large session may take long, but a store that hangs may not.
// [Decode] limits how many sessions are decoded at the same time.
//
// The engine (package runner) calls Bound. Stores call Progress and Decode while they read
// a session.
package opening

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
)

type key struct{}

// bound is a time that progress extends.
type bound struct {
	began time.Time
	last  atomic.Int64 // the time from began to the last progress, in nanoseconds
}

// Bound returns a context that ends when nobody has called [Progress] for d. The cause is
// then a [context.DeadlineExceeded]. The caller calls stop.
func Bound(ctx context.Context, d time.Duration) (bounded context.Context, stop func()) {
	b := &bound{began: time.Now()}
	ctx, cancel := context.WithCancelCause(context.WithValue(ctx, key{}, b))
	timer := time.NewTimer(d)
	go func() { // ends with ctx, and stop ends ctx
		defer timer.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
			left := d - (time.Since(b.began) - time.Duration(b.last.Load()))
			if left <= 0 {
				cancel(fmt.Errorf("the store did nothing for %v: %w", d, context.DeadlineExceeded))
				return
			}
			timer.Reset(left)
		}
	}()
	return ctx, func() { cancel(nil) }
}

// Progress notes that the store has returned data, or that some data was decoded. Progress
// does nothing if ctx does not come from [Bound].
func Progress(ctx context.Context) {
	if b, ok := ctx.Value(key{}).(*bound); ok {
		b.last.Store(int64(time.Since(b.began)))
	}
}

// cores is a semaphore with a slot for each processor.
var cores = make(chan struct{}, runtime.GOMAXPROCS(0))

// Decode runs f in one of as many slots as there are processors. Callers get their slots in
// the order of their calls, so no session waits for ever. f decodes data and must not wait.
func Decode(f func()) {
	cores <- struct{}{}
	defer func() { <-cores }()
	f()
}
