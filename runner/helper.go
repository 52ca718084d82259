package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/internal/invoke"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// The call of a helper is a job whose work is a second engine. That engine has a state below
// the state of the outer run, and records through the recorder of the outermost run. It runs
// on the goroutine of the job, and never outlives the job.

// addHelpers adds the tools of the agent's helpers to its tools.
func (e *engine) addHelpers() error {
	e.agent.Helpers = slices.Clone(e.agent.Helpers)
	e.helpers = make(map[string]*agent.Helper, len(e.agent.Helpers))
	for i := range e.agent.Helpers {
		h := &e.agent.Helpers[i]
		t, err := h.Tool()
		if err != nil {
			return fmt.Errorf("runner: agent %q: %w", e.agent.DisplayName(), err)
		}
		e.agent.Tools = append(e.agent.Tools, t)
		e.helpers[t.Name()] = h
	}
	return nil
}

// checkAgents returns an error for agents that the runner cannot run, before the first request
// of the outermost run: the first agent, all that its hand-offs reach, and helpers with their
// limits. done are agents that were checked, because helpers can share agents.
func (e *engine) checkAgents(first *agent.Agent, done *[]*agent.Agent) error {
	for _, a := range first.Reachable() {
		if slices.Contains(*done, a) {
			continue
		}
		if err := e.runner.checkAside(a); err != nil {
			return err
		}
		if len(a.Helpers) == 0 {
			continue
		}
		*done = append(*done, a)
		for i := range a.Helpers {
			h := &a.Helpers[i]
			if err := cmp.Or(checkLimits(h.Limits, &e.runner), e.checkAgents(h.Agent, done)); err != nil {
				return fmt.Errorf("agent %q: helper %d: %w", a.DisplayName(), i, err)
			}
		}
	}
	return nil
}

// nested returns the engine for the run of a helper, whose call has started.
func (e *engine) nested(ref event.CallRef, h *agent.Helper, t tool.Tool) *engine {
	r := e.runner
	r.MaxTurns = cmp.Or(h.MaxTurns, r.MaxTurns)
	r.Limits, r.Limits.Repeats = h.Limits, cmp.Or(h.Limits.Repeats, r.Limits.Repeats)
	r.RunTimeout = cmp.Or(t.Timeout(), -1) // the context has the time of the outer run
	r.BeforeTurn, r.StopWhen = nil, nil    // they are about the conversation of the outer run
	n := newEngine(&r, e.session, e.stream)
	n.outer, n.collector, n.base, n.drain, n.step = e, e.collector, e.base, e.drain, e.step
	n.redactor, n.recorder.redactor, n.invoker.redactor = e.redactor, e.redactor, e.redactor
	n.recorder.nest(e.recorder, ref)
	n.logger, n.recorder.logger, n.invoker.logger = e.logger, e.logger, e.logger
	return n
}

// help runs the helper's agent until its run has ended or is paused.
func (e *engine) help(ctx context.Context, x *execution) error {
	ctx = x.around.begin(x.tool.WithSlot(ctx))
	ctx, err := e.runner.nest(ctx)
	if err != nil {
		return err
	}
	s := e.recorder.snapshot()
	if s.Ended() { // the process died before the result of the call
		return nil
	}
	e.began = s.Run > 0 // so an error from here on ends the run
	var in input
	if s.Run == 0 {
		if in.messages, err = x.taskOf(ctx); err != nil {
			return err
		}
	}
	if err = e.prepareRun(ctx, x.helper().Agent, &in); err != nil {
		return err
	}
	ctx, cancel := e.withRunTimeout(ctx)
	defer cancel()
	defer e.scheduler.close()
	e.recorder.ctx = ctx
	return e.run(ctx, &in)
}

// help does the work of a helper's call, on a goroutine of its own.
func (x *execution) help(ctx context.Context) {
	n := x.engine.nested(x.call.Ref, x.helper(), x.tool)
	err := errUnwound // unless help returns: a model or instructions can call runtime.Goexit
	defer func() {
		if recover() != nil {
			n.logger.Error("helper panicked", "call", x.call.Ref, "tool", x.call.Call.Name, "stack", string(debug.Stack()))
		}
		reason := n.endHelp(x, err)
		if s := n.recorder.snapshot(); err == nil && s.Paused() {
			err = ErrPaused
		}
		n.whole.fail(err)
		x.around.fail(err) // unless the call has a result
		x.engine.scheduler.end(x, reason)
	}()
	err = n.help(ctx, x)
}

// taskOf returns the messages that the helper's agent reads.
func (x *execution) taskOf(ctx context.Context) ([]llm.Message, error) {
	e := x.engine
	within, cancel := invoke.Within(ctx, orDefault(e.runner.ToolTimeout, defaultToolTimeout))
	defer cancel()
	parts, err := invoke.Ask(within, func() (llm.Parts, error) {
		return x.tool.Call(tool.WithCall(within, e.invoker.info(*x.call), nil), x.args)
	})
	if err != nil {
		return nil, notBegun(ctx, within, err)
	}
	task := llm.Message{Role: llm.RoleUser, Parts: parts}
	if x.helper().Sees == nil {
		return []llm.Message{task}, nil
	}
	s := e.recorder.snapshot()
	history := s.Messages
	for len(history) > 0 && history[len(history)-1].Role != llm.RoleAssistant {
		history = history[:len(history)-1]
	}
	// Without the answer that makes the call. Functions such as slices.DeleteFunc work in place.
	history = slices.Clone(history[:max(0, len(history)-1)])
	seen, err := safely(within, e.logger, "Sees", func(context.Context) ([]llm.Message, error) { return x.helper().Sees(history), nil })
	if err != nil {
		return nil, notBegun(ctx, within, err)
	}
	return append(slices.Clip(seen), task), nil
}

// notBegun returns the failure of a helper without a task. The outer model need not know what
// broke down in the program.
func notBegun(ctx, within context.Context, err error) error {
	if _, ok := errors.AsType[*tool.Error](err); ok || tool.IsAbort(err) || ctx.Err() != nil {
		return err
	}
	why := "the program could not make its task"
	if within.Err() != nil {
		why += " in time"
	}
	return &tool.Error{Failure: tool.NotRun, Message: "The helper did not begin: " + why + ".", Err: err}
}

// A programError ends every run, because code of the program failed and not the helper.
type programError struct{ error }

func (e programError) Unwrap() error { return e.error }

// endHelp records the end of the helper's run and the result of its call, if the run has
// ended. A paused run, or a run that ends only because the outer run ends, stays as it is:
// the outer run, or a later run, continues the helper's run. The error ends the outer run.
func (e *engine) endHelp(x *execution, err error) error {
	defer e.settle(nil, 0) // a request without an answer costs nothing
	s := e.recorder.snapshot()
	if err != nil && !s.Ended() {
		_, program := errors.AsType[programError](err)
		refused := e.recorder.failed()
		switch {
		case refused == nil && (errors.Is(err, ErrDrained) || e.outer.stopReason(e.outer.ctx) != nil):
			e.noteDown(err)
			e.retreat(&s)
			return nil
		case refused != nil, program, tool.IsAbort(err), isTooDeep(err):
			e.retreat(&s)
			return fmt.Errorf("turn %d: tool %s: %w", x.call.Turn, x.call.Call.Name, err)
		}
		_ = e.fail(err) // records err
		s = e.recorder.snapshot()
	}
	if s.Paused() {
		e.logger.Info("helper paused", "calls", len(s.Undecided()))
		return nil
	}
	return x.record(x.answer(&s, err))
}

// retreat takes the starts of calls back whose functions did not begin.
func (e *engine) retreat(s *loop.State) {
	if e.session == "" { // nobody goes on with the run
		return
	}
	var bodies []event.Body
	for _, c := range s.Open() {
		bodies = append(bodies, e.endUnbegun(c)...)
	}
	e.recorder.recordLate(append(bodies, e.rest(s.Turn, s.Prepared())...))
}

// answer returns the outcome of the helper's call. After a crash it must be the same, so it
// depends only on the state, if the run began.
func (x *execution) answer(s *loop.State, err error) invoke.Outcome {
	e := x.engine
	switch {
	case !s.Ended():
		return invoke.Outcome{Err: invoke.Error(err)}
	case s.Failure != "":
		failure := &tool.Error{Failure: tool.Failed, Message: "The helper did not finish: " + s.Failure}
		if names := unknownCalls(s); names != "" {
			failure.Failure = tool.OutcomeUnknown
			failure.Message += ". " + names
		}
		return invoke.Outcome{Err: failure}
	}
	text := s.Text
	if len(s.Value) > 0 {
		text = string(s.Value)
	}
	if x.tool.IsZero() {
		return invoke.Outcome{Parts: llm.Parts{llm.Text{Text: text}}}
	}
	parts, err := x.tool.Result(tool.WithCall(e.ctx, e.invoker.info(*x.call), nil), text)
	if err != nil {
		return invoke.Outcome{Err: invoke.Error(err)}
	}
	return invoke.Outcome{Parts: parts}
}

// askAgain asks the tools and Decide again about the calls of a paused run, first in the
// runs of helpers.
func (e *engine) askAgain(ctx context.Context, s *loop.State) error {
	if _, err := e.askHelpers(ctx, s); err != nil {
		return err
	}
	now := e.recorder.snapshot()
	if !now.Paused() {
		return nil
	}
	var own []loop.Call
	for _, c := range now.Open() {
		if c.Waits() {
			own = append(own, c)
		}
	}
	return e.decideCalls(ctx, own)
}

// askHelpers lets the paused runs of helpers ask their tools and Decide, once in each process.
// A helper that the agent has no more stays paused, like a call whose tool is gone.
func (e *engine) askHelpers(ctx context.Context, s *loop.State) (asked bool, err error) {
	var paused []loop.Call
	for _, c := range s.Open() {
		if c.Nested != nil && c.Nested.Paused() && !e.asked[c.Ref] && e.helpers[c.Call.Name] != nil {
			paused = append(paused, c)
		}
	}
	if len(paused) == 0 {
		return false, nil
	}
	if err := e.start(ctx, paused); err != nil {
		return true, err
	}
	return true, e.stopReason(ctx) // the outer run may be paused, and then nobody else looks
}

// markAsked notes that this process asked about a call, or about the calls of a helper.
func (e *engine) markAsked(ref event.CallRef) {
	if e.asked == nil {
		e.asked = map[event.CallRef]bool{}
	}
	e.asked[ref] = true
}

// toolOf returns the tool of an open call, which can be a call of a helper.
func (e *engine) toolOf(ctx context.Context, c loop.Call) (tool.Tool, bool) {
	n, err := e.below(c.Ref.Path())
	if err != nil || n != e && n.listTools(ctx) != nil {
		return tool.Tool{}, false
	}
	t, ok := n.offer.tools[c.Call.Name]
	return t, ok
}

// below returns an engine for the run of a helper, without its tools. An error says that the
// agents of this process cannot go on with the run.
func (e *engine) below(path event.CallRef) (*engine, error) {
	if path == e.recorder.path {
		return e, nil
	}
	outer, err := e.below(path.Path())
	if err != nil {
		return nil, err
	}
	s := outer.recorder.snapshot()
	i := slices.IndexFunc(s.Calls, func(c loop.Call) bool { return c.Ref == path })
	if i < 0 { // not for a path of an open call
		return nil, fmt.Errorf("there is no call %s", path)
	}
	name := s.Calls[i].Call.Name
	h := outer.helpers[name]
	if h == nil {
		return nil, fmt.Errorf("the agent %q has no helper %q any more", outer.agent.DisplayName(), name)
	}
	n := outer.nested(path, h, tool.Tool{})
	return n, n.setAgent(h.Agent)
}

// helperAnswer returns the result of a helper whose run has ended, for a call that a message
// closes: the process died between the two.
func (e *engine) helperAnswer(c loop.Call) (event.Body, bool) {
	if c.Nested == nil || !c.Nested.Ended() {
		return nil, false
	}
	var t tool.Tool // zero if the agent has no such helper any more
	if h := e.helpers[c.Call.Name]; h != nil {
		t, _ = h.Tool() // addHelpers has made it without an error
	}
	x := &execution{job: job{call: &c, tool: t}, engine: e}
	body := e.redactor.outcome(c, x.answer(c.Nested, nil))
	e.putAside(&body, t)
	return body, true
}
