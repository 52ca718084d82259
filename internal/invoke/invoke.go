// Package invoke calls the functions of tools, for the runner and for servers that offer
// tools to other programs. The caller continues even if the function panics or hangs.
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

// Grace is the time for a function to return after the end of its context.
const Grace = 5 * time.Second

// A Call describes one call of a tool's function.
type Call struct {
	Tool     tool.Tool
	Args     json.RawMessage // result of Tool.Parse
	Info     tool.Call       // visible to the function; Do sets the Deadline
	Timeout  time.Duration   // zero and below mean no limit
	Progress func(done, total float64, message string)
	// May, if not nil, runs directly before the function. An error of May prevents the
	// call and becomes the error of the Outcome.
	May func() error
}

// An Outcome is the result of a call: parts, or an error.
type Outcome struct {
	Parts llm.Parts
	Err   *tool.Error // nil for a successful call
	Left  bool        // the function still runs
}

var (
	errGoexit = errors.New("the tool's function called runtime.Goexit")
	errLate   = errors.New("the tool's function did not return after its context ended")
)

// Do calls the function under its deadline and waits for the function, after the end of
// its context for at most Grace. If the function fails after its deadline while ctx has
// not ended, the error is a [tool.TimedOut]. A function that does not return is left, with an
// unknown outcome.
func (c Call) Do(ctx context.Context) Outcome {
	own, cancel := Within(ctx, c.Timeout)
	defer cancel()
	o := await(own, c.start(own))
	if o.Err != nil && own.Err() != nil && ctx.Err() == nil {
		late := tool.Fail(tool.TimedOut, c.Timeout.String(), cmp.Or(o.Err.Err, context.DeadlineExceeded))
		late.Stack = o.Err.Stack // of a function that panicked because of the timeout
		o.Err = late
	}
	return o
}

// Within returns a context with the time limit d. Zero and below mean no limit.
func Within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d > 0 {
		return context.WithTimeout(ctx, d)
	}
	return context.WithCancel(ctx)
}

// start calls the function on a new goroutine, because the caller must be able to leave a
// function that ignores its context.
func (c Call) start(ctx context.Context) <-chan Outcome {
	c.Info.Deadline, _ = ctx.Deadline()
	ctx = tool.WithCall(ctx, c.Info, c.Progress)
	done := make(chan Outcome, 1)
	go func() { // await waits for this goroutine, unless the function ignores its context
		var o Outcome
		returned := false
		defer func() {
			if !returned {
				o = Outcome{Err: tool.Fail(tool.Failed, "The tool ended without a result.", errGoexit)}
			}
			done <- o
		}()
		if c.May != nil {
			if err := c.May(); err != nil {
				o, returned = Outcome{Err: tool.Fail(tool.NotRun, "", err)}, true
				return
			}
		}
		parts, err := c.Tool.Call(ctx, c.Args)
		o, returned = Outcome{Parts: parts}, true
		if err != nil {
			o.Err = Error(err)
		}
	}()
	return done
}

// await waits for the outcome, at most Grace after the end of ctx.
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

// Error converts an error to a tool's error. An error that is not a [*tool.Error] becomes
// a failure with the same text.
func Error(err error) *tool.Error {
	if e, ok := errors.AsType[*tool.Error](err); ok {
		return e
	}
	return tool.Fail(tool.Failed, err.Error(), err)
}

// Ask returns the result of f, and waits for f only until the end of ctx. At the end of
// ctx, or if f calls runtime.Goexit, Ask returns an error and the zero value. Ask leaves a
// function behind that ignores ctx.
func Ask[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	done := make(chan answer, 1)
	go func() { // Ask waits for this goroutine, unless f ignores ctx
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
