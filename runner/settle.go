package runner

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/internal/invoke"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// settleCalls gets decisions about calls that hold the run up, and pauses the run
// if nobody makes any.
func (e *engine) settleCalls(ctx context.Context, calls []loop.Call) error {
	moved := false
	for _, c := range calls {
		bodies, err := e.settleCall(ctx, c)
		if err != nil {
			return err
		}
		if len(bodies) == 0 {
			continue
		}
		if err := e.commit(true, bodies...); err != nil {
			return err
		}
		moved = true
		if err := e.deliver(); err != nil {
			return err
		}
	}
	if moved || e.state.Paused() {
		return nil
	}
	refs := make([]event.CallRef, len(calls))
	for i, c := range calls {
		refs[i] = c.Ref
	}
	return e.commit(true, event.RunPaused{Run: e.state.Run, Calls: refs})
}

// settleCall decides about one call, as far as it can be decided now: by the tool
// itself, or by the Runner's Decide.
func (e *engine) settleCall(ctx context.Context, c loop.Call) ([]event.Body, error) {
	if c.Status == loop.Started {
		if bodies := e.reconcile(ctx, c); bodies != nil {
			return bodies, nil
		}
	}
	if e.runner.Decide == nil || e.put[c.Ref] {
		return nil, nil
	}
	e.put[c.Ref] = true // once in a run is enough
	pending := e.pendingOf([]loop.Call{c})[0]
	in, err := outside(ctx, e, "Decide", func(ctx context.Context, _ here) (Input, error) { return e.runner.Decide(ctx, pending) })
	if err != nil {
		return nil, fmt.Errorf("turn %d: call %s: Decide: %w", e.state.Turn, c.Ref, err)
	}
	if in == nil {
		return nil, nil
	}
	d, ok := in.(decision)
	if !ok {
		return nil, &DecisionError{Call: c.Ref, Reason: fmt.Sprintf("Decide returned %T, which is none", in)}
	}
	if d.call != c.Ref {
		return nil, &DecisionError{Call: d.call, Reason: fmt.Sprintf("Decide was asked about call %s", c.Ref)}
	}
	return e.decided([]decision{d})
}

// reconcile settles a call in doubt by what its tool says: that it may be run
// again, or what the outside world knows. Nil: it says nothing.
func (e *engine) reconcile(ctx context.Context, c loop.Call) []event.Body {
	t, ok := e.tools[c.Call.Name]
	if !ok {
		return nil
	}
	r, err := e.askTool(ctx, t, c)
	switch {
	case err == nil && r.happened:
		return e.settleDoubt(c, event.Happened, "tool", r.parts)
	case err == nil:
		return e.settleDoubt(c, event.RunAgain, "tool", nil)
	case t.Idempotent():
		return e.settleDoubt(c, event.RunAgain, "idempotent", nil)
	}
	return nil
}

// A reconciled is what a tool knows of a call: its result, if it happened.
type reconciled struct {
	parts    llm.Parts
	happened bool
}

// askTool asks the tool's Reconcile, under the time that a call has.
func (e *engine) askTool(ctx context.Context, t tool.Tool, c loop.Call) (reconciled, error) {
	ctx, cancel := e.toolContext(ctx, t)
	defer cancel()
	info := e.callValue(c)
	info.Deadline, _ = ctx.Deadline()
	r, err := invoke.Ask(ctx, func() (r reconciled, err error) {
		if err := e.holds(); err != nil {
			return r, err
		}
		r.parts, r.happened, err = t.Reconcile(ctx, info, json.RawMessage(c.Arguments))
		return r, err
	})
	switch {
	case err != nil && ctx.Err() != nil:
		e.logger.Warn("Reconcile did not return in time", "call", c.Ref, "tool", c.Call.Name)
	case err != nil:
		e.logger.Info("the tool does not tell of a call in doubt", "call", c.Ref, "tool", c.Call.Name, "error", e.redact(err))
	}
	return r, err
}
