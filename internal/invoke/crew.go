package invoke

import (
	"context"
	"sync"
)

// A run whose model has a goroutine of its own begins a goroutine for each request and for
// the calls of each turn, and each new goroutine needs a larger stack. A crew lets one
// goroutine wait between them: the model's goroutine calls the functions of the next turn, and
// the last of these goroutines asks the model again. So a waiting run has as many goroutines
// as without a crew, and a goroutine never outlives its run.

// A crew is the goroutines of a [Group]. The zero crew lets none wait.
type crew struct {
	mu     sync.Mutex
	keeps  bool                  // one goroutine may wait
	closed bool                  // none may wait any more
	waits  bool                  // a goroutine receives from next, or is about to
	next   chan func(fresh bool) // nil until a goroutine waits
}

func (c *crew) keep() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keeps = true
}

// start calls f on a goroutine of the crew. fresh means that the goroutine is new.
func (c *crew) start(f func(fresh bool)) {
	c.mu.Lock()
	waits := c.waits
	c.waits = false
	c.mu.Unlock()
	if waits {
		c.next <- f
		return
	}
	go c.live(f) // as long as f, and then until close
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
	stays := c.keeps && !c.closed && !c.waits
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
// on the goroutines of a [Group]. The zero Caller is ready. A Caller is for one goroutine.
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
	g.crew.start(func(fresh bool) { run(own, fresh, f, done) })
	r := serve(ctx, &callerQueue{context: own}, done)
	if r.Left {
		c.done = nil // the function may end later
	}
	return r
}
