package runner

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
)

// Limits bound what a run may spend; see [agent.Limits], which helpers have, too.
type Limits = agent.Limits

const defaultRepeats = 5

// checkLimits returns an error for limits that a runner cannot hold.
func checkLimits(l Limits, r *Runner) error {
	for _, bound := range []struct {
		name  string
		value float64
	}{
		{"ToolCalls", float64(l.ToolCalls)}, {"InputTokens", float64(l.InputTokens)}, {"OutputTokens", float64(l.OutputTokens)},
		{"Tokens", float64(l.Tokens)}, {"RequestTokens", float64(l.RequestTokens)}, {"Cost", l.Cost}, {"WorkTime", float64(l.WorkTime)},
	} {
		if bound.value < 0 || math.IsNaN(bound.value) {
			return fmt.Errorf("runner: Limits.%s is %v; 0 means no limit", bound.name, bound.value)
		}
	}
	switch {
	case l.Repeats < -1 || l.Repeats == 1:
		return fmt.Errorf("runner: Limits.Repeats is %d; the smallest number is 2, and -1 means no limit", l.Repeats)
	case l.Handoffs < -1:
		return fmt.Errorf("runner: Limits.Handoffs is %d; -1 means no limit", l.Handoffs)
	case l.Cost > 0 && r.Cost == nil:
		return errors.New("runner: Limits.Cost needs Runner.Cost")
	case r.Budget == nil:
		return nil
	case r.Budget.Tokens < 0 || !(r.Budget.Cost >= 0) || r.Budget.Tokens == 0 && r.Budget.Cost == 0:
		return fmt.Errorf("runner: the Budget has %d Tokens and a Cost of %v; one of them must be positive", r.Budget.Tokens, r.Budget.Cost)
	case r.Budget.Cost > 0 && r.Cost == nil:
		return errors.New("runner: Budget.Cost needs Runner.Cost")
	}
	return nil
}

// checkBounds returns an error for a bound of a runner that is neither positive, nor 0, nor -1.
func checkBounds(r *Runner) error {
	for _, bound := range [...]struct {
		name  string
		value int
	}{{"MaxTurns", r.MaxTurns}, {"MaxInvalidRounds", r.MaxInvalidRounds}, {"MaxDepth", r.MaxDepth}} {
		if bound.value < -1 {
			return fmt.Errorf("runner: %s is %d; -1 means no limit", bound.name, bound.value)
		}
	}
	for _, bound := range [...]struct {
		name  string
		value time.Duration
	}{{"ToolTimeout", r.ToolTimeout}, {"RunTimeout", r.RunTimeout}} {
		if bound.value < -1 {
			return fmt.Errorf("runner: %s is %v; -1 means no limit", bound.name, bound.value)
		}
	}
	return nil
}

// LastAnswer is a function for [Runner.AtLimit]: at each limit, the run gets one last turn.
func LastAnswer(context.Context, *LimitError) (answer bool, err error) { return true, nil }

// stopAtLimit records a limit. The run fails, or gets one last turn.
func (e *engine) stopAtLimit(ctx context.Context, a loop.StopAtLimit) error {
	e.limits.Outside = nil
	reached := event.LimitReached{Limit: a.Limit, Max: a.Max, Cost: a.Cost}
	limit := &LimitError{Limit: a.Limit, Max: a.Max, Cost: a.Cost}
	// A budget that is used up must not pay a turn of each further run.
	if e.runner.AtLimit != nil && !a.Outer && (a.Limit != budget || e.recorder.snapshot().Turn > 0) {
		answer, err := safely(ctx, e.logger, "AtLimit", func(ctx context.Context) (bool, error) { return e.runner.AtLimit(ctx, limit) })
		if err != nil {
			return err
		}
		if answer {
			m := llm.User("A limit of this run is reached. No tool can be called any more. Answer now, with what you know, and say what is missing.")
			reached.Message = &m
		}
	}
	return e.recorder.record(true, reached)
}

// nudge tells the model about its repeated calls.
func (e *engine) nudge(turn int) error {
	e.logger.Warn("calls repeat", "turn", turn)
	return e.recorder.record(true, event.StallDetected{Turn: turn, Message: llm.User(
		"You repeat the same tool calls and get the same results. Do not make them again: do something else, or answer with what you know and say what is missing.")})
}

// pay pays an answer from the Budget, and returns the cost of the answer by the function of
// the program.
func (e *engine) pay(ctx context.Context, r *llm.Response) (cost float64, err error) {
	defer func() { e.settle(&r.Usage, cost) }()
	return e.costOf(ctx, r)
}

// costOf returns the cost of an answer by the function of the program.
func (e *engine) costOf(ctx context.Context, r *llm.Response) (cost float64, err error) {
	if e.runner.Cost == nil {
		return 0, nil
	}
	cost, err = safely(ctx, e.logger, "Cost", func(context.Context) (float64, error) { return e.runner.Cost(r.Model, r.Usage), nil })
	switch {
	case err != nil:
		return 0, err
	case cost < 0 || math.IsNaN(cost) || math.IsInf(cost, 0):
		return 0, fmt.Errorf("runner: Cost returned %v", cost)
	}
	return cost, nil
}

// weigh estimates the tokens of the instructions and of the tools, for the limits that
// need them. Before the first listing, only the agent's own tools are known.
func (e *engine) weigh() {
	if e.limits.Request == 0 && e.limits.Compact == 0 && e.runner.Budget == nil {
		return
	}
	n := len(e.agent.Instructions)
	if e.offer != nil {
		for _, d := range e.offer.defs {
			n += len(d.Name) + len(d.Description) + len(d.Schema)
		}
	} else {
		for _, t := range e.agent.Tools {
			d := t.Def()
			n += len(d.Name) + len(d.Description) + len(d.Schema)
		}
	}
	e.limits.Overhead = int64(n / loop.BytesPerToken)
}
