package invoke

import (
	"context"
	"sync"
)

// A crew is the goroutines of a [Group]. The zero crew lets none wait for work.
//
// A run whose model has a goroutine of its own would begin a goroutine for each request and for
// the calls of each turn, and each new goroutine needs a larger stack. So a goroutine that has
// nothing to do waits: usually the goroutine of the model calls the first function of the next
// turn, and one of the goroutines of a turn asks the model. A run that waits for its model has
// as many goroutines as without a crew. While it waits for something else, such as a slow call,
// an approval policy or a helper, it can have one more. No goroutine outlives its run, unless its
// function does.
type crew struct {
	mu     sync.Mutex
	keeps  bool                  // one goroutine may wait
	asks   int                   // running functions of a Caller; no goroutine may wait beside them
	closed bool                  // no goroutine may wait any more
	waits  bool                  // a goroutine receives from next, or is about to
	next   chan func(fresh bool) // nil until a goroutine waits
}

func (c *crew) keep() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keeps = true
}

// start calls f on a goroutine of the crew. fresh means that the goroutine is new. asks means
// that f calls the function of a Caller, and then answered.
func (c *crew) start(f func(fresh bool), asks bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if asks {
		c.asks++
	}
	if c.waits {
		c.waits = false
		c.next <- f // has room, and under the lock close cannot come first
		return
	}
	go c.live(f) // as long as f, and then until close
}

func (c *crew) answered() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asks--
}

func (c *crew) live(f func(fresh bool)) {
	for fresh := true; f != nil; fresh = false {
		f(fresh)
		f = c.wait()
	}
}

// wait returns the next function, or nil if the goroutine must end.
func (c *crew) wait() func(fresh bool) {
	c.mu.Lock()
	stays := c.keeps && !c.closed && !c.waits && c.asks == 0
	if stays {
		c.waits = true
		if c.next == nil {
			c.next = make(chan func(fresh bool), 1)
		}
	}
	c.mu.Unlock()
	if !stays {
		return nil
	}
	return <-c.next
}

// close ends the goroutine that waits. A function that still runs ends its goroutine itself.
func (c *crew) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.waits {
		c.waits = false
		close(c.next)
	}
}

// A Caller calls functions of one kind, such as the requests to a model, one after the other
// on the goroutines of a [Group]. The zero Caller is ready. Only one goroutine at a time may use a
// Caller.
type Caller[T any] struct {
	done chan Return[T] // nil before the first call, and after a function that was left behind
}

// Alone is the function [Alone] on a goroutine of the group.
func (c *Caller[T]) Alone(ctx context.Context, g *Group, f func(context.Context) (T, error)) Return[T] {
	own := &taskContext{parent: ctx}
	defer own.end(context.Canceled)
	if c.done == nil {
		c.done = make(chan Return[T], 1)
	}
	done := c.done
	g.crew.start(func(fresh bool) {
		defer g.crew.answered() // also if f calls runtime.Goexit
		run(own, fresh, f, done)
	}, true)
	r := serve(ctx, &callerQueue{}, done, own)
	if r.Left {
		c.done = nil // the function may end later
	}
	return r
}
