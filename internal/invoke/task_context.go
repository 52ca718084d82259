package invoke

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"
)

// A taskContext is the context of a call, or of a function of a [Caller]. It costs nothing
// beside its memory: the channel of Done is made when the function asks for the channel, and
// the group or the Caller ends the context. Contexts that are made from a taskContext use its AfterFunc, which package
// context looks for, and so need no goroutine.
//
// Err asks the parent first, because the group learns of the parent's end a moment later. Done
// is closed at that moment.
type taskContext struct {
	parent   context.Context
	deadline time.Time // zero: that of the parent

	mu    sync.Mutex
	err   error            // guarded by mu
	done  chan struct{}    // guarded by mu: nil until Done is called
	after map[*func()]bool // guarded by mu: functions of AfterFunc
}

func (c *taskContext) Deadline() (time.Time, bool) {
	if c.deadline.IsZero() {
		return c.parent.Deadline()
	}
	return c.deadline, true
}

func (c *taskContext) Value(key any) any { return c.parent.Value(key) }

func (c *taskContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	return c.parent.Err()
}

func (c *taskContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.err != nil {
			close(c.done)
		}
	}
	return c.done
}

// AfterFunc calls f after the end of the context. Package context calls AfterFunc while it
// holds a lock that f needs, so f never runs on the goroutine of AfterFunc.
func (c *taskContext) AfterFunc(f func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		go f() // f ends the context of a child, and waits for nothing
		return func() bool { return false }
	}
	if c.after == nil {
		c.after = map[*func()]bool{}
	}
	c.after[&f] = true
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		waits := c.after[&f]
		delete(c.after, &f)
		return waits
	}
}

// String makes fmt print the context without its fields, which other goroutines change.
func (c *taskContext) String() string { return fmt.Sprint(c.parent) + ".Call" }

// end ends the context. The first error counts, and before err that of the parent.
func (c *taskContext) end(err error) {
	err = cmp.Or(c.parent.Err(), err)
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	after := c.after
	c.after = nil
	if c.done != nil {
		close(c.done)
	}
	c.mu.Unlock()
	for f := range after {
		(*f)()
	}
}
