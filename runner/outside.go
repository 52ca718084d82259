package runner

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/invoke"
)

// here runs a function on the goroutine of the run's caller; see [invoke.Apart].
type here = func(func())

// outside calls f, a function of the program, on its own goroutine. If f ignores the
// end of ctx, outside leaves it behind and returns the cause of ctx. A panic or
// runtime.Goexit of f continues on the caller's goroutine. what names f in the log.
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

// redactBound is the time of Redact for one text, before [invoke.Grace].
const redactBound = 5 * time.Second

// A redactor calls the program's Redact, which has no context. The zero value works.
type redactor struct {
	hung atomic.Int32 // abandoned calls that did not return yet
}

// change returns the redacted text, and false if Redact panicked or did not return.
// While an abandoned call is running, change does not call Redact again: the next call
// is likely to hang, too.
func (r *redactor) change(redact func(string) string, s string) (string, bool) {
	if r.hung.Load() > 0 {
		return "", false
	}
	ctx, cancel := context.WithTimeout(context.Background(), redactBound)
	defer cancel()
	got := invoke.Apart(ctx, func(context.Context, here) (string, error) { return redact(s), nil })
	if got.Left {
		r.hung.Add(1)
		go func() { // it ends when Redact returns
			<-got.Late
			r.hung.Add(-1)
		}()
	}
	return got.Value, !got.Left && !got.Exited && got.Stack == nil
}
