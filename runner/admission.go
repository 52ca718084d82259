package runner

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// An admission is the outcome of the checks before a call runs.
type admission struct {
	job           job
	repairs       []string
	needsApproval bool
	err           error // the call cannot run
}

// admit checks the calls. It returns the jobs that may run, and the events of all calls:
// the starts of the jobs, the questions about calls that need approval, and the ends of
// calls that cannot run. The caller records the events in one append, before the first
// job begins.
func (e *engine) admit(ctx context.Context, calls []loop.Call) ([]execution, []event.Body) {
	jobs := make([]execution, 0, len(calls))        // never grows, because a task must not be copied
	bodies := slices.Grow(e.bodies[:0], len(calls)) // no record keeps them
	e.bodies = bodies
	checked, handed := e.checkCalls(ctx, calls), e.handedTo()
	for i := range checked {
		a := &checked[i]
		c, args := a.job.call, a.job.call.Call.Arguments
		if string(a.job.args) != args {
			args = string(a.job.args)
		}
		switch {
		case a.err != nil || e.isBuiltin(c):
			bodies = append(bodies, e.refusal(c, a.err))
		case e.handoffs[c.Call.Name] != nil:
			bodies = append(bodies, e.handoffResult(*c, handed))
			handed = cmp.Or(handed, e.handoffs[c.Call.Name].Agent.DisplayName())
		case a.needsApproval && !e.askApproval(c, a, args, &bodies):
		default:
			if a.job.tool.External() && c.Nested == nil && e.helpers[c.Call.Name] == nil {
				bodies = append(bodies, started(c, a, args, false), e.deferral(*c, a.job.tool, ""))
				continue
			}
			jobs = jobs[:len(jobs)+1]
			x := &jobs[len(jobs)-1]
			x.job, x.engine = a.job, e
			if x.helper() != nil {
				e.markAsked(c.Ref)
			}
			if c.Nested != nil { // the call has started, and its run goes on
				continue
			}
			bodies = append(bodies, started(c, a, args, x.helper() != nil))
		}
	}
	return jobs, bodies
}

// askApproval adds the question about a call, and the standing answer, if there is one.
// askApproval reports whether the call may start.
func (e *engine) askApproval(c *loop.Call, a *admission, args string, bodies *[]event.Body) (starts bool) {
	fingerprint := a.job.tool.Fingerprint()
	*bodies = append(*bodies, event.ApprovalAsked{
		Call: c.Ref, ID: c.Call.ID, Name: c.Call.Name, Repairs: a.repairs, Fingerprint: fingerprint,
		Arguments: args, Hash: event.HashArguments(args), Until: approvalUntil(a.job.tool),
	})
	if e.runner.MayAnswer != nil { // is asked about one recorded question after the other; see decideStanding
		return false
	}
	b, ok := e.standing(c, fingerprint, args)
	if !ok {
		return false
	}
	*bodies = append(*bodies, b)
	if !b.Approved {
		*bodies = append(*bodies, e.denied(*c, b.Reason))
	}
	return b.Approved
}

func started(c *loop.Call, a *admission, args string, helper bool) event.ToolCallStarted {
	return event.ToolCallStarted{Call: c.Ref, ID: c.Call.ID, Name: c.Call.Name, Arguments: args, Repairs: a.repairs, Helper: helper}
}

// approvalUntil returns the end of the time for an approval that is asked for now.
func approvalUntil(t tool.Tool) (until time.Time) {
	if d, _ := t.ApprovalWithin(); d > 0 {
		until = time.Now().UTC().Round(0).Add(d)
	}
	return until
}

// checkCalls checks the calls, and asks their approval policies at the same time, so a
// policy that hangs delays no other policy.
func (e *engine) checkCalls(ctx context.Context, calls []loop.Call) []admission {
	all := slices.Grow(e.checked[:0], len(calls))[:len(calls)] // nobody has those of the turn before
	clear(all)
	e.checked = all
	var policies *errgroup.Group // nil without a policy
	for i := range calls {
		a, c := &all[i], &calls[i]
		a.job.call = c
		a.job.tool, a.job.args, a.repairs, a.err = e.checkCall(ctx, c)
		switch {
		case c.Nested != nil: // it was checked before its start
			continue
		case a.err != nil:
			continue
		case (c.Status == loop.Cleared || c.Replaced()) && string(a.job.args) == c.Arguments:
			a.repairs = c.Repairs() // the text of the model was repaired, not the cleared arguments
		}
		switch {
		case hasChanged(c, a.job):
			a.needsApproval = true
		case !c.Decided && a.job.tool.AsksApproval():
			if policies == nil {
				policies = new(errgroup.Group)
			}
			policies.Go(func() error {
				a.needsApproval = e.invoker.needsApproval(ctx, a.job.tool, *c, a.job.args)
				return nil
			})
		}
	}
	if policies != nil {
		_ = policies.Wait() // no policy returns an error: an error means yes
	}
	return all
}

// checkCall finds the tool of a call and checks the arguments: the model's text, or the
// arguments that somebody decided about.
func (e *engine) checkCall(ctx context.Context, c *loop.Call) (tool.Tool, json.RawMessage, []string, error) {
	t, args, repairs, err := e.readCall(ctx, c)
	if err != nil && c.MayHaveRun {
		// "Rejected" would tell the model that nothing happened. The earlier attempt may have
		// had its effect.
		err = tool.Fail(tool.OutcomeUnknown, "", err)
	}
	return t, args, repairs, err
}

func (e *engine) readCall(ctx context.Context, c *loop.Call) (tool.Tool, json.RawMessage, []string, error) {
	t, ok := e.offer.tools[c.Call.Name]
	if c.Nested != nil {
		if e.helpers[c.Call.Name] == nil {
			return t, nil, nil, tool.Fail(tool.OutcomeUnknown, "", fmt.Errorf("the agent %q has no helper %q any more", e.agent.DisplayName(), c.Call.Name))
		}
		return t, json.RawMessage(c.Arguments), c.Repairs(), nil
	}
	if !ok && e.offer.catalog.has(c.Call.Name) {
		return t, nil, nil, errNotFound(c.Call.Name)
	}
	if !ok || c.Withheld {
		return t, nil, nil, tool.Unknown(c.Call.Name, e.offeredNames(c)...)
	}
	written := c.Call.Arguments
	if c.Status == loop.Cleared || c.Replaced() {
		written = c.Arguments
	}
	args, repairs, err := e.invoker.parse(ctx, t, written)
	return t, args, repairs, err
}

// hasChanged reports whether the tool or the arguments of a cleared call changed since
// the decision. A cleared call runs unchanged, or needs a new approval.
func hasChanged(c *loop.Call, j job) bool {
	return c.Status == loop.Cleared &&
		(string(j.args) != c.Arguments || c.Fingerprint != "" && c.Fingerprint != j.tool.Fingerprint())
}

// isBuiltin reports whether the call is for a hosted tool of the type
// "builtin_function", as at Kimi: the provider runs the tool when the provider
// gets the arguments back as the result. No function of the program is meant.
func (e *engine) isBuiltin(c *loop.Call) bool {
	if _, ours := e.offer.tools[c.Call.Name]; ours {
		return false
	}
	return slices.ContainsFunc(e.settings().HostedTools, func(raw json.RawMessage) bool {
		var t struct {
			Type     string
			Function struct{ Name string }
		}
		return json.Unmarshal(raw, &t) == nil && t.Type == "builtin_function" && t.Function.Name == c.Call.Name
	})
}
