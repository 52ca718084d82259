// Package opening bounds what it takes to open a session: the time that a store may
// stand still, and how many sessions are decoded at the same time.
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
	last atomic.Pointer[time.Time] // of the last progress
}

// Bound returns a context that ends when nothing was heard of [Progress] for d. The
// cause is then a [context.DeadlineExceeded]. The caller calls stop.
func Bound(ctx context.Context, d time.Duration) (bounded context.Context, stop func()) {
	b := new(bound)
	b.progress()
	ctx, cancel := context.WithCancelCause(context.WithValue(ctx, key{}, b))
	timer := time.NewTimer(d)
	go func() { // until ctx ends, which stop sees to
		defer timer.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
			left := d - time.Since(*b.last.Load())
			if left <= 0 {
				cancel(fmt.Errorf("the store did nothing for %v: %w", d, context.DeadlineExceeded))
				return
			}
			timer.Reset(left)
		}
	}()
	return ctx, func() { cancel(nil) }
}

func (b *bound) progress() {
	now := time.Now()
	b.last.Store(&now)
}

// Progress says that the store gave something, or that the processor did something
// with it. Outside of a [Bound] it does nothing.
func Progress(ctx context.Context) {
	if b, ok := ctx.Value(key{}).(*bound); ok {
		b.progress()
	}
}

// cores has a place for each goroutine that may decode.
var cores = make(chan struct{}, runtime.GOMAXPROCS(0))

// Decode runs f, which decodes something and waits for nothing, while no more others
// do so than there are processors. They come in the order of asking.
func Decode(f func()) {
	cores <- struct{}{}
	defer func() { <-cores }()
	f()
}
