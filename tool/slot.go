package tool

import (
	"context"
)

// slotKey is the context key of a call that has a slot of a tool.
type slotKey struct{ slots chan struct{} }

func noRelease() {}

// TryAcquire takes one of the slots of [Concurrency] without waiting. If ok is true, the
// caller must call release exactly once. A tool without Concurrency always has a free
// slot. A call of the tool inside a call of the same tool (see [Tool.Holding]) gets no
// slot of its own, because the inner call would wait for the outer call.
func (t Tool) TryAcquire(ctx context.Context) (release func(), ok bool) {
	if !t.slotted(ctx) {
		return noRelease, true
	}
	select {
	case t.spec.slots <- struct{}{}:
		return t.release, true
	default:
		return noRelease, false
	}
}

// Acquire is like [Tool.TryAcquire], but waits for a slot. If ctx ends first, the error
// is the cause of ctx.
func (t Tool) Acquire(ctx context.Context) (release func(), err error) {
	if !t.slotted(ctx) {
		return noRelease, nil
	}
	select {
	case t.spec.slots <- struct{}{}:
		return t.release, nil
	case <-ctx.Done():
		return noRelease, context.Cause(ctx)
	}
}

// Holding returns the context of a call that has a slot, for [Tool.Call].
func (t Tool) Holding(ctx context.Context) context.Context {
	if !t.slotted(ctx) {
		return ctx
	}
	return context.WithValue(ctx, slotKey{t.spec.slots}, true)
}

func (t Tool) slotted(ctx context.Context) bool {
	return t.Bounded() && ctx.Value(slotKey{t.spec.slots}) == nil
}

func (t Tool) release() { <-t.spec.slots }
