package openai

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// A timeoutError is the cause when a time limit of Config ends a request.
type timeoutError struct {
	name  string // the field of Config
	after time.Duration
}

func (b *timeoutError) Error() string { return fmt.Sprintf("%s of %v is over", b.name, b.after) }

// limit returns a time limit of Config with its default; 0 means no limit.
func limit(d, def time.Duration) time.Duration {
	switch {
	case d < 0:
		return 0
	case d == 0:
		return def
	}
	return d
}

// A timeLimits applies the time limits of Config to one request. The context ends
// with the caller's context, or with a *timeoutError as the cause.
type timeLimits struct {
	ctx    context.Context // for the HTTP request, whose lifetime this is
	cancel context.CancelCauseFunc
	first  time.Duration
	stall  time.Duration
	idle   *time.Timer // timer for the next byte
	total  *time.Timer
	rest   *time.Timer
}

func newTimeLimits(ctx context.Context, c Config) *timeLimits {
	w := &timeLimits{stall: limit(c.StallTimeout, DefaultStallTimeout)}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.total = w.after("Timeout", limit(c.Timeout, DefaultTimeout))
	w.first = limit(c.FirstByteTimeout, DefaultFirstByteTimeout)
	return w
}

// startFirstByte starts the wait for the first byte.
func (w *timeLimits) startFirstByte() { w.idle = w.after("FirstByteTimeout", w.first) }

func (w *timeLimits) after(name string, d time.Duration) *time.Timer {
	if d == 0 {
		return nil
	}
	return time.AfterFunc(d, func() { w.cancel(&timeoutError{name, d}) })
}

// stop ends all timers and the context.
func (w *timeLimits) stop() {
	stopTimer(w.total)
	stopTimer(w.idle)
	stopTimer(w.rest)
	w.cancel(nil)
}

func stopTimer(t *time.Timer) {
	if t != nil {
		t.Stop()
	}
}

// exceeded returns the bound of Config that ended the request, or nil.
func (w *timeLimits) exceeded() *timeoutError {
	b, _ := errors.AsType[*timeoutError](context.Cause(w.ctx))
	if b != nil && b.name == "" {
		return nil
	}
	return b
}

// limitRest limits the remaining reading to d.
func (w *timeLimits) limitRest(d time.Duration) {
	stopTimer(w.rest)
	w.rest = w.after("", d)
}

// reader applies the limits to a body: the first byte has a limit from the start of
// the request, and each later read has a limit.
func (w *timeLimits) reader(body io.Reader) io.Reader { return &timedReader{limits: w, body: body} }

type timedReader struct {
	limits  *timeLimits
	body    io.Reader
	started bool
}

func (r *timedReader) Read(p []byte) (int, error) {
	if r.started {
		r.limits.idle = r.limits.after("StallTimeout", r.limits.stall)
	}
	n, err := r.body.Read(p)
	if n > 0 {
		r.started = true
	}
	if r.started {
		stopTimer(r.limits.idle)
	}
	return n, err
}

// errTooLarge reports a body beyond MaxResponseBytes.
var errTooLarge = errors.New("the answer is larger than MaxResponseBytes")

// sizedReader fails with errTooLarge beyond n bytes.
type sizedReader struct {
	r io.Reader
	n int64
}

func (c *sizedReader) Read(p []byte) (int, error) {
	if c.n == 0 { // which may be the end
		n, err := c.r.Read(make([]byte, 1))
		c.n -= int64(n)
		if n == 0 {
			return 0, err
		}
	}
	if c.n < 0 {
		return 0, errTooLarge
	}
	n, err := c.r.Read(p[:min(int64(len(p)), c.n)])
	c.n -= int64(n)
	return n, err
}
