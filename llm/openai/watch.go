package openai

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// A bound is the cause when a time limit of Config ends a request.
type bound struct {
	name  string // the field of Config
	after time.Duration
}

func (b *bound) Error() string { return fmt.Sprintf("%s of %v is over", b.name, b.after) }

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

// A watch applies the time limits to one request. Its context ends with the
// caller's context, or with a *bound as the cause.
type watch struct {
	ctx    context.Context // for the HTTP request, whose lifetime this is
	cancel context.CancelCauseFunc
	first  time.Duration
	stall  time.Duration
	silent *time.Timer // timer for the next byte
	total  *time.Timer
	hurry  *time.Timer
}

func newWatch(ctx context.Context, c Config) *watch {
	w := &watch{stall: limit(c.StallTimeout, DefaultStallTimeout)}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	w.total = w.after("Timeout", limit(c.Timeout, DefaultTimeout))
	w.first = limit(c.FirstByteTimeout, DefaultFirstByteTimeout)
	return w
}

// send starts the wait for the first byte.
func (w *watch) send() { w.silent = w.after("FirstByteTimeout", w.first) }

func (w *watch) after(name string, d time.Duration) *time.Timer {
	if d == 0 {
		return nil
	}
	return time.AfterFunc(d, func() { w.cancel(&bound{name, d}) })
}

// stop ends the watch and its context.
func (w *watch) stop() {
	stopTimer(w.total)
	stopTimer(w.silent)
	stopTimer(w.hurry)
	w.cancel(nil)
}

func stopTimer(t *time.Timer) {
	if t != nil {
		t.Stop()
	}
}

// over returns the bound of Config that ended the request, or nil.
func (w *watch) over() *bound {
	b, _ := errors.AsType[*bound](context.Cause(w.ctx))
	if b != nil && b.name == "" {
		return nil
	}
	return b
}

// leave limits the remaining reading to d.
func (w *watch) leave(d time.Duration) {
	stopTimer(w.hurry)
	w.hurry = w.after("", d)
}

// reader applies the watch to a body: the first byte has a limit from the start
// of the request, later bytes a limit per read.
func (w *watch) reader(body io.Reader) io.Reader { return &watched{watch: w, body: body} }

type watched struct {
	*watch
	body io.Reader
	some bool
}

func (r *watched) Read(p []byte) (int, error) {
	if r.some {
		r.silent = r.after("StallTimeout", r.stall)
	}
	n, err := r.body.Read(p)
	if n > 0 {
		r.some = true
	}
	if r.some {
		stopTimer(r.silent)
	}
	return n, err
}

// errTooLarge reports a body beyond MaxResponseBytes.
var errTooLarge = errors.New("the answer is larger than MaxResponseBytes")

// capped fails with errTooLarge beyond n bytes.
type capped struct {
	r io.Reader
	n int64
}

func (c *capped) Read(p []byte) (int, error) {
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
