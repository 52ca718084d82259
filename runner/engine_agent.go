package runner

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
)

// prepareRun checks the agent and the input. It copies the slices and maps of the agent,
// because the caller may change them during the run.
func (e *engine) prepareRun(ctx context.Context, a *agent.Agent, in *input) error {
	if err := e.setAgent(a); err != nil {
		return err
	}
	var err error
	if in.said == nil && !in.answers {
		in.messages, err = checkInput(in.messages)
	} else {
		err = in.check()
	}
	if err != nil {
		return err
	}
	if in.once != nil {
		if err := e.sayOnce(ctx, in); err != nil || e.past != nil {
			return err
		}
	}
	if len(in.late) > 0 {
		if err := e.dropKnown(ctx, in); err != nil || e.past != nil {
			return err
		}
	}
	if s := e.recorder.snapshot(); len(in.messages)+len(in.decisions)+len(in.late) == 0 && !s.Running() && !s.Waiting() {
		if len(in.revocations) == 0 {
			return ErrNoInput
		}
		in.idle = true
		return nil
	}
	if err := cmp.Or(checkBounds(&e.runner), checkLimits(e.runner.Limits, &e.runner)); err != nil {
		return err
	}
	if e.outer == nil {
		if err := e.checkAgents(e.first, new([]*agent.Agent)); err != nil {
			return err
		}
	}
	if e.runner.Compact != nil {
		if err := e.runner.Compact.Validate(); err != nil {
			return fmt.Errorf("runner: %w", err)
		}
	}
	l := e.runner.Limits
	e.limits = loop.Limits{
		ToolCalls: l.ToolCalls, Input: l.InputTokens, Output: l.OutputTokens, Tokens: l.Tokens, Request: l.RequestTokens, Cost: l.Cost, Work: l.WorkTime,
		Compact: e.runner.compactFrom(),
		Repeats: orDefault(l.Repeats, defaultRepeats), Polling: func(name string) bool { return e.offer != nil && e.offer.tools[name].Polling() },
		Turns:         orDefault(e.runner.MaxTurns, defaultMaxTurns),
		InvalidRounds: orDefault(e.runner.MaxInvalidRounds, defaultMaxInvalidRounds),
		Unusable:      1,
	}
	e.limitAgent()
	if e.outer != nil {
		e.limits.Outer, e.scheduler.limit = &e.outer.limits, e.outer.scheduler.limit
		return nil
	}
	e.scheduler.limit = e.runner.Calls
	if e.scheduler.limit == nil || e.scheduler.limit.hasSlot(ctx) {
		// The calls of a nested run must not wait for the slot that the outer call holds.
		e.scheduler.limit = new(CallLimit)
	}
	return nil
}

// isSerial reports whether the calls of an answer run one after the other.
func isSerial(s *llm.Settings) bool { return s.ParallelToolCalls != nil && !*s.ParallelToolCalls }

// setAgent checks the agent of the caller, and sets the agent that has the conversation.
func (e *engine) setAgent(first *agent.Agent) error {
	if err := first.Validate(); err != nil {
		return fmt.Errorf("runner: %w", err)
	}
	e.first = first
	a, err := e.present(first)
	if err != nil { // also of a helper: its run waits for a program that has the agent
		return programError{fmt.Errorf("runner: %w", err)}
	}
	return e.become(a)
}

// become sets the agent.
func (e *engine) become(a *agent.Agent) error {
	e.agent = *a
	e.agent.Settings = cloneSettings(a.Settings)
	e.model = e.runner.Model
	if e.model == nil {
		e.model = a.Model
	}
	if e.model == nil {
		e.model = e.first.Model
	}
	if e.model == nil && e.outer != nil {
		e.model = e.outer.model
	}
	if e.model == nil {
		return fmt.Errorf("runner: agent %q has no Model, and neither has the Runner", a.DisplayName())
	}
	e.agent.Tools, e.agent.Toolsets = slices.Clone(a.Tools), slices.Clone(a.Toolsets)
	e.agent.Checks = slices.Clone(a.Checks)
	e.helpers, e.handoffs, e.offer, e.changed, e.reported = nil, nil, nil, nil, nil
	e.memo = new(llm.Memo)
	if len(a.Helpers) > 0 {
		if err := e.addHelpers(); err != nil {
			return err
		}
	}
	if len(a.Handoffs) > 0 {
		return e.addHandoffs()
	}
	return nil
}

// limitAgent sets the limits that depend on the agent.
func (e *engine) limitAgent() {
	l := &e.limits
	l.Misfits, l.Serial, l.Checks, l.Handoffs = misfits(&e.agent), isSerial(&e.agent.Settings), checksOf(&e.agent), e.mostHandoffs()
	e.weigh()
}
