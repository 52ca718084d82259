package runner

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/invoke"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A decision is the Input that decides about a Pending.
type decision struct {
	call    event.CallRef
	hash    string
	key     string
	seq     int64
	inDoubt bool
	person  string // see By
	words   string // see By

	approval approval        // about a call that waits for approval
	reason   string          // with deny
	always   event.Reach     // see ApproveAlways; "": no
	args     json.RawMessage // with edit

	doubt event.Doubt // about a call in doubt
	parts llm.Parts   // with event.Happened
}

func (decision) input() {}

// An approval is the decision about a call that waits for approval.
type approval string

const (
	approve approval = "approve"
	deny    approval = "deny"
	edit    approval = "edit"
)

// decide gets decisions, first in the runs of helpers that paused in another process.
func (e *engine) decide(ctx context.Context, calls []loop.Call) error {
	if len(e.helpers) > 0 {
		s := e.recorder.snapshot()
		if asked, err := e.askHelpers(ctx, &s); asked || err != nil {
			return err
		}
	}
	return e.decideCalls(ctx, calls)
}

// decideCalls gets decisions about calls that hold the run up, and pauses the run if
// there is none. Each decision is recorded before the next question: a crash between two
// questions must not lose a decision.
func (e *engine) decideCalls(ctx context.Context, calls []loop.Call) error {
	decided := false
	for _, c := range calls {
		now, err := e.decideNext(ctx, c)
		if err != nil {
			return err
		}
		if !now {
			continue
		}
		decided = true
		if err := e.recorder.deliver(); err != nil {
			return err
		}
	}
	s := e.recorder.snapshot()
	if decided || s.Paused() {
		return nil
	}
	return e.recorder.record(true, paused(&s))
}

// decideNext gets and records a decision about one call. Helpers run at the same time, so
// their questions to the program wait for each other: a policy that sums approved amounts
// must see each decision before the next question.
func (e *engine) decideNext(ctx context.Context, c loop.Call) (decided bool, err error) {
	if turn := e.recorder.root.deciding; turn != nil {
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
		case <-ctx.Done():
			return false, causeOf(ctx)
		}
	}
	if e.hasUnseen(&c) {
		e.step.Stop()
		return false, errUnseen
	}
	bodies, err := e.decideCall(ctx, c)
	if err != nil {
		return false, programError{err}
	}
	return len(bodies) > 0, e.recorder.recordWith(nil, bodies)
}

// decideCall returns the events of a decision about one call: the tool decides about a
// call in doubt if it can, and Runner.Decide about every other call, but not about a call
// whose result comes later. A call whose time is over ends. No events mean that the call
// stays undecided.
func (e *engine) decideCall(ctx context.Context, c loop.Call) ([]event.Event, error) {
	switch {
	case isOver(c):
		return e.endOverdue(ctx, c)
	case c.Status == loop.Late:
		return nil, nil
	case c.Status == loop.Started:
		if bodies := e.reconcile(ctx, c); bodies != nil {
			return e.recorder.at(bodies), nil
		}
	default:
		if bodies := e.decideStanding(ctx, c); bodies != nil {
			return e.recorder.at(bodies), nil
		}
	}
	if !e.asksDecide(&c) {
		return nil, nil
	}
	e.markAsked(c.Ref) // Decide left the call undecided once: the next question would be the same
	pending := e.pendingCall(c)
	in, err := e.askDecide(ctx, c, pending)
	if isOver(c) && ctx.Err() == nil {
		return e.endOverdue(ctx, c)
	}
	if err != nil {
		return nil, fmt.Errorf("turn %d: call %s: Decide: %w", e.recorder.snapshot().Turn, c.Ref, err)
	}
	if in == nil {
		e.step.LeftUndecided(c.Ref)
		return nil, nil
	}
	d, ok := in.(decision)
	if _, late := in.(lateResult); late {
		return nil, &DecisionError{Call: c.Ref, Reason: "Decide returned a result from outside: a call in doubt needs Happened"}
	}
	if !ok {
		return nil, &DecisionError{Call: c.Ref, Reason: "Decide must return an answer that a method of the Pending made"}
	}
	if d.call != c.Ref {
		return nil, &DecisionError{Call: d.call, Reason: fmt.Sprintf("Decide was asked about call %s", c.Ref)}
	}
	if d.inDoubt != (c.Status == loop.Started) { // another attempt would have the same answer
		e.logger.Warn("Decide gave an answer of the wrong kind, so a person must answer", "call", c.Ref, "tool", c.Call.Name, "in_doubt", !d.inDoubt, "answer", d.what())
		e.step.LeftUndecided(c.Ref)
		return nil, nil
	}
	return e.decisionEvents(ctx, []decision{d})
}

// asksDecide reports whether Decide is to be asked about a call that waits.
func (e *engine) asksDecide(c *loop.Call) bool {
	return e.runner.Decide != nil && !e.asked[c.Ref] && !e.step.WasAsked(c.Ref)
}

// reconcile returns the events of the tool's own decision about a call in doubt: the
// outside world knows the effect, or the tool is idempotent. Nil means that the tool
// cannot decide. The order matters: Reconcile may find the result, and a second run of an
// idempotent tool is only the second choice.
func (e *engine) reconcile(ctx context.Context, c loop.Call) []event.Body {
	t, ok := e.offer.tools[c.Call.Name]
	if !ok {
		return nil
	}
	effect, err := e.invoker.reconcile(ctx, t, c)
	handle, later := tool.IsLater(err)
	switch {
	case later:
		return e.laterEvents(c, t, handle)
	case err == nil && effect.happened:
		return e.doubtEvents(c, t, event.Happened, "tool", effect.result)
	case e.step.IsTooOften(c.Ref):
		return nil
	case err == nil:
		return e.doubtEvents(c, t, event.RunAgain, "tool", nil)
	case t.Idempotent():
		return e.doubtEvents(c, t, event.RunAgain, "idempotent", nil)
	}
	return nil
}

// decisionEvents returns the events of decisions. If a single decision does not fit,
// decisionEvents returns an error and no event: the caller decided with a picture of the
// session that is wrong.
func (e *engine) decisionEvents(ctx context.Context, decisions []decision) ([]event.Event, error) {
	var events []event.Event
	s := e.recorder.snapshot()
	seen := map[event.CallRef]bool{}
	open := map[event.CallRef]loop.Call{}
	for _, c := range s.OpenBelow() {
		open[c.Ref] = c
	}
	for _, d := range decisions {
		c, ok := open[d.call]
		var b []event.Body
		reason := ""
		if ok {
			b, reason = e.eventsOf(ctx, d, c)
		}
		switch {
		case seen[d.call]:
			reason = "there are two"
		case d.call == "":
			reason = "it names no call: a Pending with a Key alone fits Result and Fail"
		case !ok && s.Seq == 0:
			reason = fmt.Sprintf("the session %q has no events", e.session)
		case !ok:
			reason = "the call waits no longer: it has ended, its time was over, or a message closed it"
		case d.key != callKey(e.session, c):
			reason = "the decision is about a call of another session"
		case d.hash != event.HashArguments(c.Arguments):
			reason = "the call has other arguments than the decision is about"
		case reason == "" && d.seq != c.Seq:
			reason = "the decision is about an earlier question"
		case reason == "":
			reason = e.whyNotBelow(d.call.Path())
		}
		if reason != "" {
			return nil, e.unfit(&d, reason)
		}
		if err := e.mayAnswer(ctx, &d, c, b[0]); err != nil {
			return nil, err
		}
		seen[d.call] = true
		for _, body := range b {
			events = append(events, event.Event{Path: d.call.Path(), Body: body})
		}
	}
	return events, nil
}

// whyNotBelow returns why a decision about a call of a helper would have no effect: the agents
// of this process cannot go on with the run of the helper.
func (e *engine) whyNotBelow(path event.CallRef) (reason string) {
	if path == e.recorder.path { // nearly always
		return ""
	}
	if _, err := e.below(path); err != nil {
		return strings.TrimPrefix(err.Error(), "runner: ")
	}
	return ""
}

// eventsOf returns the events of a decision, or the reason against the decision.
func (e *engine) eventsOf(ctx context.Context, d decision, c loop.Call) (_ []event.Body, reason string) {
	if d.inDoubt {
		if c.Status != loop.Started || c.Nested != nil {
			return nil, "the call is not in doubt"
		}
		if reason := checkResult(d.parts); reason != "" {
			return nil, reason
		}
		t, _ := e.toolOf(ctx, c)
		bodies := e.doubtEvents(c, t, d.doubt, "caller", d.parts)
		if b, ok := bodies[0].(event.InDoubtDecided); ok {
			b.Person, b.Words, b.Checksum = d.person, e.redactor.reason(d.words), d.checksum()
			bodies[0] = b
		}
		return bodies, ""
	}
	if c.Status != loop.Asked {
		if c.Status == loop.Late {
			return nil, "the call waits for its result: answer with Result or Fail"
		}
		if c.Status == loop.Started {
			return nil, "the call is in doubt: answer with RunAgain, Happened, NotHappened or Unknown"
		}
		return nil, "the call does not wait for approval"
	}
	if isOver(c) {
		return nil, "the time for the answer was over at " + c.Until().UTC().Format(time.DateTime) + " UTC"
	}
	if reason := e.checkAlways(d.always); reason != "" {
		return nil, reason
	}
	b := event.ApprovalDecided{Call: c.Ref, Hash: d.hash, Approved: d.approval != deny, Reason: e.redactor.reason(d.reason), Person: d.person, Words: e.redactor.reason(d.words), Always: d.always, Checksum: d.checksum()}
	switch d.approval {
	case deny:
		return []event.Body{b, e.denied(c, d.reason)}, ""
	case edit:
		t, ok := e.toolOf(ctx, c)
		if !ok {
			return nil, "the agent has no such tool to check the arguments for"
		}
		if !bytes.HasPrefix(bytes.TrimSpace(d.args), []byte("{")) { // an empty text means {} only in a call of a model
			return nil, "the arguments are not a JSON object"
		}
		args, repairs, err := e.invoker.parse(ctx, t, string(d.args))
		if err != nil {
			return nil, "the arguments do not fit: " + invoke.Error(err).Message
		}
		b.Arguments, b.Repairs = string(args), repairs
	}
	return []event.Body{b}, ""
}

// denied returns the end of a call that was not approved. An earlier attempt of the call
// may have had its effect, so the model must not read "It did not run".
func (e *engine) denied(c loop.Call, reason string) event.ToolCallFinished {
	if !c.MayHaveRun {
		return e.redactor.failure(c, tool.Fail(tool.Denied, reason, nil))
	}
	err := tool.Fail(tool.OutcomeUnknown, "", nil)
	err.Message += " It was not run again"
	if reason = safeText(reason); reason != "" {
		err.Message += ": " + reason
	}
	return e.redactor.withEdit(c, e.redactor.failure(c, err))
}

// doubtEvents returns the events of a decision about a call in doubt. The call can be that of a
// helper, so its tool need not be on offer here. t is zero if the agent has no such tool.
func (e *engine) doubtEvents(c loop.Call, t tool.Tool, d event.Doubt, by string, parts llm.Parts) []event.Body {
	bodies := []event.Body{event.InDoubtDecided{Call: c.Ref, Decision: d, By: by}}
	switch d {
	case event.Happened:
		if len(parts) == 0 {
			parts = slices.Clone(happenedAnyhow)
		}
		b := e.redactor.withEdit(c, e.redactor.success(c, parts))
		e.putAside(&b, t)
		bodies = append(bodies, b)
	case event.NotHappened:
		bodies = append(bodies, notRun(c, "it was interrupted before it took effect"))
	case event.Unknown:
		bodies = append(bodies, e.closed(c))
	}
	return bodies
}

// closedByMessage returns the end of an open call before a message of the caller: the answer of
// a helper, if its run has ended.
func (e *engine) closedByMessage(c loop.Call) event.Body {
	if answer, ok := e.helperAnswer(c); ok {
		return answer
	}
	return e.closed(c)
}

// closed returns the end of an open call that the conversation no longer waits for.
// Edited arguments are worth a note only if a function may have had them.
func (e *engine) closed(c loop.Call) event.ToolCallFinished {
	b := neverFinished(c)
	if c.Status == loop.Started || c.Status == loop.Late || c.MayHaveRun {
		b = e.redactor.withEdit(c, b)
	}
	return b
}
