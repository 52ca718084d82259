// Package invoke calls the functions of tools, for the runner and for servers that offer
// tools to other programs. The caller continues even if the function panics or hangs.
package invoke

import (
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
}

// An Outcome is the result of a call: parts, or an error.
type Outcome struct {
	Parts llm.Parts
	Err   *tool.Error // nil for a successful call
	Left  bool        // the function still runs
}

// Do calls the function under its deadline and waits for the function; see [Group.Go].
func (c Call) Do(ctx context.Context) Outcome {
	g := NewGroup(ctx)
	defer g.Close()
	w := &single{call: c, done: make(chan Outcome, 1)}
	g.Go(&w.task, w, c.Timeout)
	return <-w.done
}

// single is the only call of a group.
type single struct {
	task Task
	call Call
	done chan Outcome
}

func (w *single) Call(ctx context.Context) (llm.Parts, error) { return w.call.run(ctx) }

func (w *single) End(o Outcome) { w.done <- o }

// run calls the function.
func (c *Call) run(ctx context.Context) (llm.Parts, error) {
	info := c.Info
	info.Deadline, _ = ctx.Deadline()
	return c.Tool.Call(tool.WithCall(ctx, info, c.Progress), c.Args)
}

// Within returns a context with the time limit d. Zero and below mean no limit.
func Within(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d > 0 {
		return context.WithTimeout(ctx, d)
	}
	return context.WithCancel(ctx)
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
