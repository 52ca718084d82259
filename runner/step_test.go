package runner_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/internal/scenario"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/step"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
)

// A stepped session is run by steps: no step has anything but the events in common with
// another one.
type stepped struct {
	runner runner.Runner
	agent  *agent.Agent
	events []event.Event
}

// run runs the agent as an engine in other processes does.
func (s *stepped) run(ctx context.Context, in ...runner.Input) (*runner.Result, error) {
	from := int64(len(s.events))
	_, err := s.do(ctx, &step.Step{}, in...)
	for {
		if errors.Is(err, runner.ErrDrained) {
			_, err = s.do(ctx, &step.Step{})
			continue
		}
		handed, ok := errors.AsType[*jobs](err)
		if !ok {
			break
		}
		err = s.calls(ctx, handed.all)
	}
	result, lookErr := s.session(nil).Run(step.With(context.Background(), &step.Step{Look: true, From: from}), s.agent)
	return result, cmp.Or(err, lookErr)
}

// jobs is the error of a step that handed jobs out.
type jobs struct{ all []step.Job }

func (j *jobs) Error() string { return "jobs" }

func (s *stepped) session(log **step.Events) *runner.Session {
	r, e := s.runner, step.NewEvents(s.events)
	r.Journal = e
	if log != nil {
		*log = e
	}
	return r.Session("desk")
}

// do does one step of the machine, and takes its events over.
func (s *stepped) do(ctx context.Context, st *step.Step, in ...runner.Input) (*runner.Result, error) {
	var log *step.Events
	result, err := s.session(&log).Run(step.With(ctx, st), s.agent, in...)
	s.events = append(s.events, log.Added()...)
	if st.HandedOut() {
		return result, &jobs{st.Jobs()}
	}
	return result, err
}

// calls runs jobs, each by a step of its own, and then goes on.
func (s *stepped) calls(ctx context.Context, all []step.Job) error {
	before := slices.Clip(slices.Clone(s.events)) // each call appends to events of its own
	var mu sync.Mutex
	var fatal error
	var wg sync.WaitGroup
	for _, j := range all {
		wg.Go(func() {
			one := stepped{runner: s.runner, agent: s.agent, events: before}
			_, err := one.do(ctx, &step.Step{Call: j.Call})
			mu.Lock()
			defer mu.Unlock()
			s.events = append(s.events, one.events[len(before):]...)
			if fatal == nil {
				fatal = err
			}
		})
	}
	wg.Wait()
	if fatal != nil {
		ctx = context.WithoutCancel(ctx)
	}
	_, err := s.do(ctx, &step.Step{Fatal: fatal})
	return err
}

// TestSteps: for every scenario, a run by steps is the same as a run of this engine.
func TestSteps(t *testing.T) {
	t.Parallel()
	for _, s := range scenario.All() {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			var want, got string
			var wantErr, gotErr error
			synctest.Test(t, func(t *testing.T) {
				want, wantErr = inSession(t, s, func(r runner.Runner, a *agent.Agent) func(context.Context, ...runner.Input) (*runner.Result, error) {
					session := r.Session("desk")
					return func(ctx context.Context, in ...runner.Input) (*runner.Result, error) {
						return session.Run(ctx, a, in...)
					}
				})
			})
			synctest.Test(t, func(t *testing.T) {
				got, gotErr = inSession(t, s, func(r runner.Runner, a *agent.Agent) func(context.Context, ...runner.Input) (*runner.Result, error) {
					return (&stepped{runner: r, agent: a}).run
				})
			})
			require.Equal(t, fmt.Sprint(wantErr), fmt.Sprint(gotErr))
			require.Equal(t, want, got)
		})
	}
}

var errHungUp = errors.New("the customer hung up")

// inSession runs a scenario in a session, and returns the transcript.
func inSession(t *testing.T, s scenario.Scenario, begin func(runner.Runner, *agent.Agent) func(context.Context, ...runner.Input) (*runner.Result, error)) (string, error) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	if s.HangUp > 0 {
		time.AfterFunc(s.HangUp, func() { cancel(errHungUp) })
	}
	desk := scenario.Desk()
	if s.Agent != nil {
		s.Agent(desk)
	}
	r := s.Runner
	r.Logger = slog.New(slog.DiscardHandler)
	r.Model = scenario.Seats()[0].Model(t, llmtest.Script(t, s.Steps...))
	run := begin(r, desk)
	text := ""
	in := []runner.Input{runner.Say(llm.User("Where is my order?"))}
	for {
		result, err := run(ctx, in...)
		text += runnertest.Transcript(result)
		if !errors.Is(err, runner.ErrPaused) {
			return text, err
		}
		in = nil
		for _, p := range result.Pending {
			in = append(in, s.HandIn(p))
		}
	}
}
