package tool

import (
	"context"
)

// slotKey is the context key of a call that has a slot of a tool.
type slotKey struct{ slots chan struct{} }

func noRelease() {}

// TryAcquire takes one of the slots of [Concurrency] without waiting. If ok is true, the
// caller must call release exactly once. A tool without Concurrency always has a free
// slot. A call of the tool inside a call of the same tool (see [Tool.WithSlot]) takes no
// slot, because the inner call would wait for the slot of the outer call.
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

// WithSlot returns a copy of ctx that says that a call of the tool has a slot. Pass the
// result to [Tool.Call] after [Tool.Acquire] or [Tool.TryAcquire], so that a nested call
// of the same tool does not wait for a second slot. For a tool without Concurrency,
// WithSlot returns ctx.
func (t Tool) WithSlot(ctx context.Context) context.Context {
	if !t.slotted(ctx) {
		return ctx
	}
	return context.WithValue(ctx, slotKey{t.spec.slots}, true)
}

func (t Tool) slotted(ctx context.Context) bool {
	return t.Bounded() && ctx.Value(slotKey{t.spec.slots}) == nil
}

func (t Tool) release() { <-t.spec.slots }
