package openai

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
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

// A timeLimits applies the time limits of Config to one request. The request ends with the
// caller's context, or with a *timeoutError as the cause. The context for net/http and
// for dialing is made when needed, because of its four allocations.
//
// One timer serves all limits, because a timer for each read of a stream would cost
// allocations and the lock of the runtime's timers. The timer rings at the earliest time at
// which a limit may be over, and again later if no limit is over.
type timeLimits struct {
	caller context.Context // of the request, whose lifetime this is
	first  time.Duration
	stall  time.Duration

	mu      sync.Mutex
	ctx     context.Context         // ends with the request; nil: not made
	cancel  context.CancelCauseFunc // of ctx
	over    *timeoutError           // ended the request; nil: none
	ends    func()                  // is called if a limit ends the request; nil: nothing is
	ring    func()                  // is check; made once
	timer   *time.Timer             // nil before the first limit
	rings   time.Time               // when the timer rings; zero: not set
	limits  [3]timeLimit            // by totalLimit, idleLimit and restLimit
	stopped bool
	quiet   bool // after stop: check does not run, and will not
}

// A timeLimit is over at a time; zero means no limit.
type timeLimit struct {
	over  time.Time
	name  string
	after time.Duration
}

const (
	totalLimit = iota
	idleLimit  // for the next byte
	restLimit
)

// start begins the limits of a request.
func (w *timeLimits) start(ctx context.Context, c *Config) {
	w.caller = ctx
	w.first = limit(c.FirstByteTimeout, DefaultFirstByteTimeout)
	w.stall = limit(c.StallTimeout, DefaultStallTimeout)
	w.set(totalLimit, "Timeout", limit(c.Timeout, DefaultTimeout))
}

// context returns a context that ends with the request.
func (w *timeLimits) context() context.Context {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ctx == nil {
		w.ctx, w.cancel = context.WithCancelCause(w.caller)
		if w.over != nil {
			w.cancel(w.over)
		}
	}
	return w.ctx
}

// ended returns why the request has ended, or nil.
func (w *timeLimits) ended() error {
	if w.caller.Err() != nil {
		return context.Cause(w.caller)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over != nil {
		return w.over
	}
	return nil
}

// onEnd makes f what is called if a limit ends the request, or has ended it. When onEnd(nil)
// has returned, nothing is called.
func (w *timeLimits) onEnd(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ends = f; f != nil && w.over != nil {
		f()
	}
}

// startFirstByte starts the wait for the first byte.
func (w *timeLimits) startFirstByte() { w.set(idleLimit, "FirstByteTimeout", w.first) }

// set begins or replaces a limit; 0 means no limit.
func (w *timeLimits) set(which int, name string, d time.Duration) {
	if d == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return
	}
	l := timeLimit{time.Now().Add(d), name, d}
	w.limits[which] = l
	if w.rings.IsZero() || l.over.Before(w.rings) {
		w.ringAt(l.over, d)
	}
}

// clear removes a limit. The timer stays: a set timer costs less than a change of it.
func (w *timeLimits) clear(which int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.limits[which] = timeLimit{}
}

// ringAt sets the timer.
func (w *timeLimits) ringAt(at time.Time, in time.Duration) {
	if w.rings = at; w.timer == nil {
		w.timer = time.AfterFunc(in, w.ring)
	} else {
		w.timer.Reset(in)
	}
}

// check ends the request if a limit is over, and sets the timer to the next limit
// otherwise.
func (w *timeLimits) check() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return
	}
	now := time.Now()
	var next time.Time
	for _, l := range w.limits {
		switch {
		case l.over.IsZero():
		case !now.Before(l.over):
			w.end(&timeoutError{l.name, l.after})
			return
		case next.IsZero() || l.over.Before(next):
			next = l.over
		}
	}
	if w.rings = next; !next.IsZero() {
		w.ringAt(next, next.Sub(now))
	}
}

// end ends the request. w.mu is locked.
func (w *timeLimits) end(over *timeoutError) {
	w.over = over
	if w.cancel != nil {
		w.cancel(over)
	}
	if w.ends != nil {
		w.ends()
	}
}

// stop ends the timer and the context.
func (w *timeLimits) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	w.quiet = w.timer == nil || w.timer.Stop()
	if w.cancel != nil {
		w.cancel(nil)
	}
}

// exceeded returns the bound of Config that ended the request, or nil.
func (w *timeLimits) exceeded() *timeoutError {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.over != nil && w.over.name == "" {
		return nil
	}
	return w.over
}

// limitRest limits the remaining reading to d.
func (w *timeLimits) limitRest(d time.Duration) { w.set(restLimit, "", d) }

// A timedReader applies the limits to a body: the first byte has a limit from the start of
// the request, and each later read has a limit.
type timedReader struct {
	limits  *timeLimits
	body    io.Reader
	started bool
}

func (r *timedReader) Read(p []byte) (int, error) {
	if r.started {
		r.limits.set(idleLimit, "StallTimeout", r.limits.stall)
	}
	n, err := r.body.Read(p)
	if n > 0 {
		r.started = true
	}
	if r.started {
		r.limits.clear(idleLimit)
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
