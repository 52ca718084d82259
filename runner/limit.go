package runner

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

const defaultCalls = 16

// A Limit bounds the tool calls that run at the same time, over all runs whose
// Runner points to it. The zero Limit allows 16. It must not be copied.
//
// A run inside a tool call does not wait for the slot that this call holds: for
// its own calls the default bound of a run holds instead. A function that was
// left behind does not hold a slot any more.
type Limit struct {
	once  sync.Once
	slots *semaphore.Weighted // nil: no limit
}

// NewLimit returns a Limit of n calls. Zero: 16. -1: no limit.
func NewLimit(n int) *Limit {
	l := new(Limit)
	l.once.Do(func() { l.set(n) })
	return l
}

func (l *Limit) set(n int) {
	if n = orDefault(n, defaultCalls); n > 0 {
		l.slots = semaphore.NewWeighted(int64(n))
	}
}

// acquire waits for a slot, in the order of the callers.
func (l *Limit) acquire(ctx context.Context) error {
	l.once.Do(func() { l.set(0) })
	if l.slots == nil {
		return ctx.Err()
	}
	return l.slots.Acquire(ctx, 1)
}

// tryAcquire takes a slot if one is free and nobody waits for it.
func (l *Limit) tryAcquire() bool {
	l.once.Do(func() { l.set(0) })
	return l.slots == nil || l.slots.TryAcquire(1)
}

func (l *Limit) release() {
	if l.slots != nil {
		l.slots.Release(1)
	}
}

type holding struct{ limit *Limit }

// holds marks ctx as that of a call that has a slot of l.
func (l *Limit) holds(ctx context.Context) context.Context {
	return context.WithValue(ctx, holding{l}, true)
}

// within reports whether ctx is that of such a call.
func (l *Limit) within(ctx context.Context) bool { return ctx.Value(holding{l}) != nil }
