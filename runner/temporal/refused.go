package temporal

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.temporal.io/sdk/temporal"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/step"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/temporal/internal/flow"
)

// refused returns the error of an input that the workflow did not accept.
func (s *Session) refused(ctx context.Context, err error, a *agent.Agent, in []runner.Input) error {
	app, ok := errors.AsType[*temporal.ApplicationError](err)
	if !ok {
		return s.failed(err)
	}
	switch app.Type() {
	case flow.BusyType:
		return fmt.Errorf("temporal: %w", &journal.BusyError{Session: s.name})
	case flow.EndingType:
		return fmt.Errorf("temporal: session %q ends after its run and its Archive; an input after that begins a new conversation: %w", s.name, &journal.BusyError{Session: s.name})
	case flow.FullType:
		return fmt.Errorf("temporal: session %q: %s", s.name, app.Message())
	case flow.UnfitType:
		var q flow.Question
		if app.Details(&q) != nil { // no details
			return fmt.Errorf("temporal: %s", app.Message())
		}
		unfit := &runner.DecisionError{Call: event.CallRef(q.Call), Reason: app.Message()}
		if state, err := s.State(ctx); err == nil {
			i := slices.IndexFunc(state.Decisions, func(d runner.Decision) bool {
				return d.Call == unfit.Call && d.Question == q.Seq
			})
			if i >= 0 {
				unfit.Decided = &state.Decisions[i]
				unfit.Known = s.isKnown(ctx, unfit.Call, a, in)
			}
		}
		return unfit
	}
	return s.failed(err)
}

// isKnown reports whether a refused decision is recorded already, as package runner sees it: it
// gets the input with a copy of the events, and an agent and a model that can do nothing.
func (s *Session) isKnown(ctx context.Context, call event.CallRef, a *agent.Agent, in []runner.Input) bool {
	var events []event.Event
	for e, err := range s.client.Read(ctx, s.name, 0) {
		if err != nil {
			return false
		}
		events = append(events, e)
	}
	nothing := llm.ModelFunc(func(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) {
		return nil, errors.ErrUnsupported
	})
	r := runner.Runner{Journal: step.NewEvents(events), Model: nothing}
	_, err := r.Session(s.name).Run(step.With(ctx, &step.Step{}), &agent.Agent{Name: a.DisplayName()}, in...)
	unfit, ok := errors.AsType[*runner.DecisionError](err)
	return ok && unfit.Call == call && unfit.Known
}
