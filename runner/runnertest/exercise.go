package runnertest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest/internal/sample"
	"github.com/seed-916e8f6a/toolloop/tool"
)

const (
	exerciseSeed    = 1
	exerciseTimeout = 30 * time.Second
)

// Exercise is a smoke test of an agent in one line. An [Exerciser] in place of
// the agent's model calls each tool once, all tools at the same time, and then
// answers. Calls that wait for approval are approved, and calls whose results
// come later ([tool.Later]) fail. Exercise returns the run, for tests that look
// closer.
//
// Exercise fails t if
//
//   - the run ends in an error, also by a tool's [tool.Abort];
//   - no arguments are found for the schema of a tool, or the tool refuses all
//     arguments that fit its schema (Exercise still calls the remaining tools);
//   - a tool was not called;
//   - a tool's function panics, or takes longer than its timeout (30 seconds
//     where the tool has no timeout).
//
// Exercise only logs an error that a tool returns, and a [tool.Retry]: the
// arguments are made up, so an order of that number need not exist. Exercise
// also logs the first arguments of each tool that fit the schema shown to a
// model but were refused, and tries different arguments: a real model would have
// to guess, too.
func Exercise(t testing.TB, a *agent.Agent) *runner.Result {
	t.Helper()
	logged, unfit := map[string]bool{}, map[string]bool{}
	e := &exerciser{seed: exerciseSeed, check: func(name, arguments string) error {
		err := accepts(a, name, arguments)
		if err != nil && !logged[name] {
			logged[name] = true
			t.Logf("runnertest: %s refuses arguments that fit the schema which the model is shown: %s: %v", name, arguments, err)
		}
		return err
	}, unfit: func(name string, err error) {
		if !unfit[name] {
			unfit[name] = true
			t.Errorf("runnertest: %s was not called: %v", name, err)
		}
	}}
	r := runner.Runner{Model: e.model(), ToolTimeout: exerciseTimeout, Decide: approve}
	result, err := exercise(t.Context(), r, a)
	finish, _ := errors.AsType[*runner.FinishError](err)
	unfitOnly := finish != nil && finish.Reason == "no_call" && len(unfit) > 0 // the required tool cannot be called
	if err != nil && !unfitOnly {
		t.Errorf("runnertest: the run failed: %v", err)
	}
	report(t, a, result, unfit)
	return result
}

// exercise runs the agent to its end.
func exercise(ctx context.Context, r runner.Runner, a *agent.Agent) (*runner.Result, error) {
	session := r.Session("exercise")
	result, err := session.Run(ctx, a, runner.Say(llm.User("Call each of your tools once, and then answer.")))
	for errors.Is(err, runner.ErrPaused) {
		var in []runner.Input
		for _, p := range result.Pending {
			if p.Late {
				in = append(in, p.Fail("nobody hands in the results of an exercise"))
			}
		}
		if len(in) == 0 {
			break
		}
		if result, err = session.Run(ctx, a, in...); result != nil {
			result.Events, result.Earlier = slices.Concat(result.Earlier, result.Events), nil
		}
	}
	return result, err
}

func approve(_ context.Context, p runner.Pending) (runner.Input, error) { return p.Approve(), nil }

// accepts asks the tool itself whether it accepts arguments.
func accepts(a *agent.Agent, name, arguments string) error {
	for _, t := range a.Tools {
		if t.Name() == name {
			return sample.Accept(t, arguments)
		}
	}
	return nil
}

func report(t testing.TB, a *agent.Agent, result *runner.Result, unfit map[string]bool) {
	t.Helper()
	called := map[string]bool{}
	for _, c := range traceOf(result).calls {
		called[c.request.Name] = true
		reportCall(t, c)
	}
	if a == nil {
		return
	}
	for _, own := range a.Tools {
		if !called[own.Name()] && !unfit[own.Name()] {
			t.Errorf("runnertest: %s was not called", own.Name())
		}
	}
}

func reportCall(t testing.TB, c *tracedCall) {
	t.Helper()
	if c.finished == nil {
		t.Errorf("runnertest: %s has no result: %s", c.request.Name, c.request.Arguments)
		return
	}
	failure, why := tool.Failure(c.finished.Failure), c.finished.Result.Text()
	if c.finished.Error != "" {
		why = c.finished.Error
	}
	switch {
	case failure == "":
	case failure == tool.Failed, failure == tool.InvalidArguments && c.started != nil:
		t.Logf("runnertest: %s returned an error for made-up arguments: %s: %s", c.request.Name, c.request.Arguments, why)
	default:
		t.Errorf("runnertest: %s: %s: %s: %s", c.request.Name, failure, c.request.Arguments, why)
	}
}
