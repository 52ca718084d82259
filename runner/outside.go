package runner

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/invoke"
)

// here does something on the goroutine of the run's caller; see [invoke.Apart].
type here = func(func())

// outside calls a function of the program's, which what names, so that the run ends
// when its context does: a function that then does not return in a few seconds is left
// behind. A panic of it, and a runtime.Goexit, go on on the caller's goroutine.
func outside[T any](ctx context.Context, e *engine, what string, f func(context.Context, here) (T, error)) (T, error) {
	r := invoke.Apart(ctx, f)
	if r.Left {
		e.logger.Warn(what + " left behind: it ignores its context")
		return r.Value, causeOf(ctx)
	}
	if r.Stack != nil {
		e.logger.Error(what+" panicked", "stack", string(r.Stack))
	}
	r.Resume()
	return r.Value, r.Err
}

// redactBound is how long the caller's Redact may take for one text before it is given
// a few seconds more, as a tool is.
const redactBound = 5 * time.Second

// A redactor calls the caller's Redact, which knows no context. The zero redactor is
// ready.
type redactor struct {
	hung atomic.Int32 // calls that were left behind and have not returned
}

// change returns what Redact makes of a text; false: it panicked, or did not return. As
// long as one call is left behind no other is made, for it is likely to end so, too.
func (r *redactor) change(redact func(string) string, s string) (string, bool) {
	if r.hung.Load() > 0 {
		return "", false
	}
	ctx, cancel := context.WithTimeout(context.Background(), redactBound)
	defer cancel()
	got := invoke.Apart(ctx, func(context.Context, here) (string, error) { return redact(s), nil })
	if got.Left {
		r.hung.Add(1)
		go func() { // as long as Redact hangs
			<-got.Late
			r.hung.Add(-1)
		}()
	}
	return got.Value, !got.Left && !got.Exited && got.Stack == nil
}
