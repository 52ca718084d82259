// Package invoke calls the functions of tools for whoever runs them: the runner, and a
// server that offers them to others. Whatever a function does, its caller goes on.
package invoke

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// Grace is how long a function may go on after its context ended.
const Grace = 5 * time.Second

// A Call is what a function is called with.
type Call struct {
	Tool     tool.Tool
	Args     json.RawMessage // as Tool.Parse returned them
	Info     tool.Call       // what the function may know; its Deadline is set here
	Timeout  time.Duration   // not above 0: none
	Progress func(done, total float64, message string)
	// May, if not nil, is asked right before the function is called; an error keeps it
	// from being called, and is the outcome's.
	May func() error
}

// An Outcome is what came of a call: parts, or an error.
type Outcome struct {
	Parts llm.Parts
	Err   *tool.Error // nil: none
	Left  bool        // the function still runs
}

var (
	errGoexit = errors.New("the tool's function called runtime.Goexit")
	errLate   = errors.New("the tool's function did not return after its context ended")
)

// Do calls the function under its deadline and waits for it, after the end of its
// context for no longer than Grace. An error that came when the time was over, and ctx
// was not, is a [tool.TimedOut]; a function that does not return is left behind, and
// its outcome unknown.
func (c Call) Do(ctx context.Context) Outcome {
	own, cancel := Within(ctx, c.Timeout)
	defer cancel()
	o := await(own, c.start(own))
	if o.Err != nil && own.Err() != nil && ctx.Err() == nil {
		late := tool.Fail(tool.TimedOut, c.Timeout.String(), cmp.Or(o.Err.Err, context.DeadlineExceeded))
		late.Stack = o.Err.Stack // of a function that broke down over it
		o.Err = late
	}
	return o
}

// Within bounds the time of what is done with the context that it returns; not above
// 0: it does not.
func Within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d > 0 {
		return context.WithTimeout(ctx, d)
	}
	return context.WithCancel(ctx)
}

// start calls the function on a goroutine of its own, so that one that ignores its
// context can be left behind.
func (c Call) start(ctx context.Context) <-chan Outcome {
	c.Info.Deadline, _ = ctx.Deadline()
	ctx = tool.WithCall(ctx, c.Info, c.Progress)
	done := make(chan Outcome, 1)
	go func() { // await waits for it as long as it keeps to its context
		o := Outcome{Err: tool.Fail(tool.Failed, "The tool ended without a result.", errGoexit)}
		defer func() { done <- o }()
		if c.May != nil {
			if err := c.May(); err != nil {
				o = Outcome{Err: tool.Fail(tool.NotRun, "", err)}
				return
			}
		}
		parts, err := c.Tool.Call(ctx, c.Args)
		o = Outcome{Parts: parts}
		if err != nil {
			o.Err = Error(err)
		}
	}()
	return done
}

// await waits for the outcome, until some time after ctx ended.
func await(ctx context.Context, done <-chan Outcome) Outcome {
	select {
	case o := <-done:
		return o
	case <-ctx.Done():
	}
	timer := time.NewTimer(Grace)
	defer timer.Stop()
	select {
	case o := <-done:
		return o
	case <-timer.C:
		return Outcome{Err: tool.Fail(tool.OutcomeUnknown, "", errLate), Left: true}
	}
}

// Error is an error as a tool's: one that is none is a failure with its text.
func Error(err error) *tool.Error {
	if e, ok := errors.AsType[*tool.Error](err); ok {
		return e
	}
	return tool.Fail(tool.Failed, err.Error(), err)
}

// Ask returns what f returns. It waits for f no longer than ctx lasts: then, or if f
// calls runtime.Goexit, it returns an error, and the zero value. An f that ignores ctx
// is left behind.
func Ask[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	done := make(chan answer, 1)
	go func() { // Ask waits for it as long as it keeps to ctx
		a := answer{err: errGoexit}
		defer func() { done <- a }()
		a.value, a.err = f()
	}()
	select {
	case a := <-done:
		return a.value, a.err
	case <-ctx.Done():
		return *new(T), context.Cause(ctx)
	}
}
