package invoke

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A call costs at most one goroutine and one context. The goroutine of the function also
// receives the outcome, so no second goroutine waits for the function. A timer, a context of
// package context and a registration at the parent context would cost more than a short
// function does, for each call. A Group therefore has one timer and one registration for all
// its calls, and its own kind of context; see taskContext.
//
// A goroutine whose function has returned calls the next function that waits for its
// goroutine. While functions wait, one goroutine is always on its way, and starts the next one
// before it calls a function. So a function never waits for another one to return, and
// four short functions need two goroutines, of which one gets a large stack.

// Work is a call of a tool's function.
type Work interface {
	// Call calls the function.
	Call(ctx context.Context) (llm.Parts, error)
	// End receives the outcome, once: on the goroutine of Call, or on another goroutine
	// if the function was left behind.
	End(Outcome)
}

// A Task is the part of a call that belongs to a [Group]. Work can have its Task as a
// field, so that both are one allocation. A Task must not be copied or used twice.
type Task struct {
	work    Work
	timeout time.Duration
	context taskContext

	// The group's lock guards these fields.
	leave   time.Time // zero until the context ends
	at      int32     // position in Group.running; small, because an execution has a Task
	settled bool      // End was called, or is about to be
}

// A Group calls functions at the same time under one context. A Group is safe for
// concurrent use. The zero Group needs [Group.Begin].
type Group struct {
	ctx        context.Context
	unregister func() bool // nil: the caller watches ctx

	mu      sync.Mutex
	running []*Task
	waiting []*Task // for a goroutine, of running; from position first on
	first   int
	coming  bool // work was started, and has not looked for a task yet
	timer   *time.Timer
	wakes   time.Time // time of timer; zero if timer does not run
	over    bool      // ctx ended

	crew   crew
	worker func(fresh bool) // work
}

// NewGroup returns a Group. The caller must call Close after the end of all tasks.
func NewGroup(ctx context.Context) *Group {
	g := new(Group)
	g.Begin(ctx)
	g.Watch()
	return g
}

// Begin sets the context of a new Group. Then the caller calls Watch, or watches the context
// itself and calls End at its end. Tasks may begin afterwards.
func (g *Group) Begin(ctx context.Context) { g.ctx, g.worker = ctx, g.work }

// Keep lets one goroutine of the group wait for more work, until Close.
func (g *Group) Keep() { g.crew.keep() }

// Watch makes the end of the context end the tasks. A caller that waits for the tasks in any
// case needs no Watch, which costs four allocations.
func (g *Group) Watch() { g.unregister = context.AfterFunc(g.ctx, g.End) }

// Close releases the timer, the registration and the waiting goroutine of the group.
func (g *Group) Close() {
	g.crew.close()
	if g.unregister != nil {
		g.unregister()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.timer != nil {
		g.timer.Stop()
	}
}

// Go calls w.Call on another goroutine. The context of the call ends with the function,
// with the context of the group, or after the timeout; zero and below mean no timeout. A
// function that does not return within [Grace] after the end of its context is left
// behind, with an unknown outcome. If the function fails after the timeout while the
// group's context has not ended, the error is a [tool.TimedOut].
func (g *Group) Go(t *Task, w Work, timeout time.Duration) {
	t.work, t.timeout, t.context.parent = w, timeout, g.ctx
	if timeout > 0 {
		ends := time.Now().Add(timeout)
		if outer, bounded := g.ctx.Deadline(); !bounded || ends.Before(outer) {
			t.context.deadline = ends
		}
	}
	g.mu.Lock()
	t.at = int32(len(g.running))
	g.running = append(g.running, t)
	g.waiting = append(g.waiting, t)
	g.wakeBy(t.context.deadline)
	over, another := g.over, g.needsAnother()
	g.mu.Unlock()
	if over {
		g.End()
	}
	if another {
		g.crew.start(g.worker, false) // End tells the caller; a function that ignores its context is left behind
	}
}

// needsAnother reports whether the caller must start work. The caller has the lock.
func (g *Group) needsAnother() bool {
	if g.coming || g.first == len(g.waiting) {
		return false
	}
	g.coming = true
	return true
}

// work calls the functions that wait, until none waits.
func (g *Group) work(fresh bool) {
	t := g.take(true)
	if fresh && t != nil { // nil: others were faster
		growStack()
	}
	for ; t != nil; t = g.take(false) {
		g.run(t)
	}
}

// take returns the first task that waits, or nil. begins means that work has just started.
func (g *Group) take(begins bool) *Task {
	g.mu.Lock()
	if begins {
		g.coming = false
	}
	if g.first == len(g.waiting) {
		g.waiting, g.first = g.waiting[:0], 0
		g.mu.Unlock()
		return nil
	}
	t := g.waiting[g.first]
	g.waiting[g.first] = nil
	g.first++
	another := g.needsAnother()
	g.mu.Unlock()
	if another {
		g.crew.start(g.worker, false)
	}
	return t
}

func (g *Group) run(t *Task) {
	var o Outcome
	returned := false
	defer func() { // also if the function calls runtime.Goexit
		if !returned {
			o.Err = tool.Fail(tool.Failed, "The tool ended without a result.", errGoexit)
		}
		g.settle(t, o)
	}()
	parts, err := t.work.Call(&t.context)
	o.Parts, returned = parts, true
	if err != nil {
		o.Parts, o.Err = nil, Error(err)
	}
}

// settle ends a task whose function ended, unless the function was left behind before.
func (g *Group) settle(t *Task, o Outcome) {
	g.mu.Lock()
	first := !t.settled
	if first {
		g.remove(t)
	}
	g.mu.Unlock()
	ended := t.context.Err()
	t.context.end(context.Canceled)
	if first {
		t.work.End(g.outcome(t, o, ended))
	}
}

// outcome returns the outcome of a task. ended is the error of its context, or nil.
func (g *Group) outcome(t *Task, o Outcome, ended error) Outcome {
	if o.Err != nil && o.Err.Failure != tool.Deferred && ended != nil && g.ctx.Err() == nil {
		late := tool.Fail(tool.TimedOut, t.timeout.String(), cmp.Or(o.Err.Err, context.DeadlineExceeded))
		late.Stack = o.Err.Stack // of a function that panicked because of the timeout
		o.Err = late
	}
	return o
}

// remove marks a task as settled. The caller has the lock.
func (g *Group) remove(t *Task) {
	t.settled = true
	last := len(g.running) - 1
	g.running[t.at] = g.running[last]
	g.running[t.at].at = t.at
	g.running[last] = nil
	g.running = g.running[:last]
}

// wakeBy sets the timer to a time, if it would otherwise run out later. The timer may run
// out too early, because the end of a task does not change it. The caller has the lock.
func (g *Group) wakeBy(at time.Time) {
	switch {
	case at.IsZero() || !g.wakes.IsZero() && !at.Before(g.wakes):
		return
	case g.timer == nil:
		g.timer = time.AfterFunc(time.Until(at), g.tick)
	default:
		g.timer.Reset(time.Until(at))
	}
	g.wakes = at
}

// End ends the contexts of all tasks, because the context of the group ended. It may be called
// again.
func (g *Group) End() {
	g.mu.Lock()
	g.over = true
	tasks := append([]*Task(nil), g.running...)
	for _, t := range tasks {
		g.expire(t)
	}
	g.mu.Unlock()
	for _, t := range tasks {
		t.context.end(g.ctx.Err())
	}
}

// expire begins the time of grace of a task. The caller has the lock, and ends the context
// of the task without the lock.
func (g *Group) expire(t *Task) {
	if t.leave.IsZero() {
		t.leave = time.Now().Add(Grace)
		g.wakeBy(t.leave)
	}
}

// tick ends the contexts of late tasks, and leaves the functions behind whose time of grace
// is over.
func (g *Group) tick() {
	now := time.Now()
	var late, left []*Task
	g.mu.Lock()
	g.wakes = time.Time{}
	for i := len(g.running) - 1; i >= 0; i-- { // from the end, because remove moves the last task
		switch t := g.running[i]; {
		case !t.leave.IsZero() && !now.Before(t.leave):
			g.remove(t)
			left = append(left, t)
		case !t.leave.IsZero():
			g.wakeBy(t.leave)
		case !t.context.deadline.IsZero() && !now.Before(t.context.deadline):
			g.expire(t)
			late = append(late, t)
		default:
			g.wakeBy(t.context.deadline)
		}
	}
	g.mu.Unlock()
	for _, t := range late {
		t.context.end(context.DeadlineExceeded)
	}
	for _, t := range left {
		o := Outcome{Err: tool.Fail(tool.OutcomeUnknown, "", errLate), Left: true}
		t.work.End(g.outcome(t, o, t.context.Err()))
	}
}

var (
	errGoexit = errors.New("the tool's function called runtime.Goexit")
	errLate   = errors.New("the tool's function did not return after its context ended")
)
