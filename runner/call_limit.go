package runner

import (
	"context"
	"sync"

	"golang.org/x/sync/semaphore"
)

const defaultCalls = 16

// A CallLimit bounds the tool calls that run at the same time, over all runs whose
// Runner points to the CallLimit. The zero CallLimit allows 16 calls. A CallLimit must
// not be copied.
//
// A nested run (a run inside a tool call) takes no slots of the CallLimit of its outer
// run, because the nested run would wait for the slot of its own outer call. Such a nested
// run has its own limit: at most 16 of its calls run at the same time. A function that was
// left behind holds no slot.
type CallLimit struct {
	once  sync.Once
	slots *semaphore.Weighted // nil: no limit
}

// NewCallLimit returns a CallLimit of n calls. Zero means 16, -1 means no limit.
func NewCallLimit(n int) *CallLimit {
	l := new(CallLimit)
	l.once.Do(func() { l.set(n) })
	return l
}

func (l *CallLimit) set(n int) {
	if n = orDefault(n, defaultCalls); n > 0 {
		l.slots = semaphore.NewWeighted(int64(n))
	}
}

// acquire waits for a slot, in the order of the callers.
func (l *CallLimit) acquire(ctx context.Context) error {
	l.once.Do(func() { l.set(0) })
	if l.slots == nil {
		return ctx.Err()
	}
	return l.slots.Acquire(ctx, 1)
}

// tryAcquire takes a slot if a slot is free and no caller of acquire waits.
func (l *CallLimit) tryAcquire() bool {
	l.once.Do(func() { l.set(0) })
	return l.slots == nil || l.slots.TryAcquire(1)
}

func (l *CallLimit) release() {
	if l.slots != nil {
		l.slots.Release(1)
	}
}

type slotKey struct{ limit *CallLimit }

// A slotContext marks a context as that of calls with a slot of limit.
type slotContext struct {
	context.Context // embedded: only Value differs
	limit           *CallLimit
}

// Value implements [context.Context].
func (c *slotContext) Value(key any) any {
	if k, ok := key.(slotKey); ok && k.limit == c.limit {
		return true
	}
	return c.Context.Value(key)
}

// hasSlot reports whether ctx is the context of a call with a slot of l.
func (l *CallLimit) hasSlot(ctx context.Context) bool { return ctx.Value(slotKey{l}) != nil }
