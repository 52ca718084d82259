package tool

import (
	"context"
)

// holding marks a context as that of a call that has a slot of a tool.
type holding struct{ slots chan struct{} }

func nothing() {}

// TryAcquire takes one of the slots that [Concurrency] gave the tool, if one is
// free, and returns the function that gives it back, to be called once. A tool
// without such a bound has always a free slot, and so has a call of the tool
// inside a call of itself (see [Tool.Holding]), which would wait for itself
// otherwise.
func (t Tool) TryAcquire(ctx context.Context) (release func(), ok bool) {
	if !t.slotted(ctx) {
		return nothing, true
	}
	select {
	case t.spec.slots <- struct{}{}:
		return t.release, true
	default:
		return nothing, false
	}
}

// Acquire is TryAcquire that waits for a slot. Its error is the cause of ctx.
func (t Tool) Acquire(ctx context.Context) (release func(), err error) {
	if !t.slotted(ctx) {
		return nothing, nil
	}
	select {
	case t.spec.slots <- struct{}{}:
		return t.release, nil
	case <-ctx.Done():
		return nothing, context.Cause(ctx)
	}
}

// Holding returns the context of a call that has a slot, for [Tool.Call].
func (t Tool) Holding(ctx context.Context) context.Context {
	if !t.slotted(ctx) {
		return ctx
	}
	return context.WithValue(ctx, holding{t.spec.slots}, true)
}

func (t Tool) slotted(ctx context.Context) bool {
	return t.Bounded() && ctx.Value(holding{t.spec.slots}) == nil
}

func (t Tool) release() { <-t.spec.slots }
