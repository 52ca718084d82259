package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/internal/invoke"
	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// RunFor is [Run] with a final answer of the Go type T: the agent runs with the Output
// agent.OutputOf[T](), whatever its own Output is. For checks of the answer, a session or
// a stream, set [agent.Agent.Output] and read the Result with [Output]. Beside an error,
// the value is the zero T; the Result is never nil.
func RunFor[T any](ctx context.Context, a *agent.Agent, messages ...llm.Message) (T, *Result, error) {
	var b *agent.Agent // stays nil with a, and Run reports it
	if a != nil {
		c := *a
		c.Output = agent.OutputOf[T]()
		b = &c
	}
	result, err := Run(ctx, b, messages...)
	if err != nil {
		return *new(T), result, err
	}
	v, err := Output[T](result)
	return v, result, err
}

// Output returns the final answer of a run as a value of type T, usually the type of the
// agent's [agent.OutputOf]. Output fails if the run has no final answer, if the agent has
// no Output, or if the answer does not decode into T.
func Output[T any](r *Result) (v T, err error) {
	switch {
	case r == nil || len(r.Output) == 0:
		return v, errors.New("runner: the result has no output: the run did not finish, or the agent that answered has no Output")
	default:
		if err = rawjson.Decode(r.Output, &v); err != nil {
			err = fmt.Errorf("runner: the output is not a %T: %w", v, err)
		}
		return v, err
	}
}

// Partial returns the value of an [event.PartialOutput] as far as the model has written
// it: members are missing or cut short, and no check has seen the value. ok is false for
// other events, and for a value that does not decode into T yet. If T decodes itself, the
// value may be cut short in a string or a number of its own form.
func Partial[T any](e event.Event) (v T, ok bool) {
	b, ok := e.Body.(event.PartialOutput)
	ok = ok && rawjson.Decode(b.Value, &v) == nil
	return v, ok
}

// An OutputError says that the model's last answer still did not have the form of the
// agent's Output. Result.Text has the answer.
type OutputError struct {
	// Problem is the message that the model would get: the problems of the answer, or the
	// reason of a check.
	Problem string
	// Refused means that a check refused the answer.
	Refused bool
}

// Error returns the problem.
func (e *OutputError) Error() string {
	problem, _, _ := strings.Cut(e.Problem, "\nReply again with") // that sentence is for the model
	return "no answer in the wanted form: " + problem
}

// checkOutput validates the final answer. The types of the answer and the checks are code
// of the program, so they have the time of a tool call.
func (e *engine) checkOutput(ctx context.Context, s loop.State, a loop.Check) (event.Body, error) {
	type read struct {
		value   json.RawMessage
		repairs []string
	}
	ended := event.RunFinished{Run: s.Run, Turns: s.Turn, Usage: s.Usage}
	if e.agent.Output.Any() { // the agent has changed since the answer
		return ended, nil
	}
	limit := orDefault(e.runner.ToolTimeout, defaultToolTimeout)
	within, cancel := invoke.Within(ctx, limit)
	defer cancel()
	r, err := safely(within, e.logger, "the check of the output", func(ctx context.Context) (r read, err error) {
		r.value, r.repairs, err = e.agent.Output.Read(ctx, a.Text)
		return r, err
	})
	switch cause := causeOf(ctx); {
	case cause != nil:
		return nil, cause
	case err == nil:
		ended.Output, ended.Repairs = r.value, r.repairs
		return ended, nil
	case within.Err() != nil:
		return nil, fmt.Errorf("turn %d: output: the check did not end within %v (ToolTimeout)", a.Turn, limit)
	case tool.IsAbort(err):
		return nil, fmt.Errorf("turn %d: output: %w", a.Turn, err)
	}
	rejected := event.OutputRejected{Turn: a.Turn, Reason: event.MisfitOutput}
	problem, ok := err.(*tool.Error) //nolint:errorlint // a wrapped Error belongs to a call of the check
	switch {
	case ok && problem.Stack != nil:
		e.logger.Error("the check of the output panicked", "stack", string(problem.Stack))
		return nil, fmt.Errorf("turn %d: output: %w", a.Turn, err)
	case ok && problem.Failure == tool.Denied:
		rejected.Reason = event.RefusedOutput
	case !ok || problem.Failure != tool.InvalidJSON && problem.Failure != tool.InvalidArguments:
		return nil, fmt.Errorf("turn %d: output: %w", a.Turn, err)
	}
	rejected.Message = llm.User(e.redactor.whole(problem.Message))
	e.logger.Info("output rejected", "turn", a.Turn, "reason", rejected.Reason)
	return rejected, nil
}

// outputFormat returns the form that the model is asked for.
func (e *engine) outputFormat() *llm.OutputFormat {
	if e.agent.Output == nil {
		return nil
	}
	return &e.agent.Output.Format
}

// misfits returns the number of answers in a wrong form that go back to the model.
func misfits(a *agent.Agent) int {
	if a.Output.Any() {
		return 0
	}
	return orDefault(a.Output.Retries, defaultRetries)
}

const defaultRetries = 2

// withPartials returns a function that shows a delta, and after a delta of text the answer
// so far.
func (e *engine) withPartials(show func(event.Body)) func(event.Body) {
	p := newPartial()
	return func(b event.Body) {
		show(b)
		switch b := b.(type) {
		case event.TextDelta:
			if snapshot := p.add(b.Text); snapshot != nil {
				if v := e.agent.Output.Partial(snapshot); v != nil {
					show(event.PartialOutput{Value: v})
				}
			}
		case event.Restarted:
			p = newPartial()
		}
	}
}
