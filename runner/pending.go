package runner

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/seed-916e8f6a/toolloop/internal/invoke"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// ErrPaused says that a run waits for decisions about the calls in [Result.Pending].
// Nothing of the run is running, and nothing is lost: the session's next run continues
// with the answers.
var ErrPaused = errors.New("runner: the run is paused: tool calls wait for a decision")

// errPausedForGood is ErrPaused for a run that nothing can answer.
var errPausedForGood = fmt.Errorf("%w; outside a session nobody can answer them: use a Session, or Runner.Decide", ErrPaused)

// Pending is a tool call that needs a decision. Its methods make the inputs for the
// session's next run. A Pending may be stored as JSON and answered by another process.
type Pending struct {
	// Call is our name of the call.
	Call event.CallRef `json:"call"`
	// Hash is a hash of the arguments. A decision is refused for other arguments.
	Hash string `json:"hash"`
	// InDoubt means that the call began and has no recorded end: its effect may or may not
	// have happened. False means that the call waits for approval and has not run.
	InDoubt bool `json:"in_doubt,omitempty"`
	// Key is the call's idempotency key, the name of the call in the outside world. A
	// decision never fits a call of another session.
	Key string `json:"key"`
	// Seq is the position of the question in the session. A later question about the same
	// call has another Seq, so a late or repeated answer does not fit. For a call in doubt,
	// Seq is the [tool.Call.Fence] of the attempt.
	Seq int64 `json:"seq"`
	// ToolCall is the call, with the checked arguments of the function.
	ToolCall llm.ToolCall `json:"tool_call"`
}

// verdict is what is decided about a call.
type verdict string

const (
	approve verdict = "approve"
	deny    verdict = "deny"
	edit    verdict = "edit"
)

// A decision is the answer to a Pending.
type decision struct {
	call    event.CallRef
	hash    string
	key     string
	seq     int64
	inDoubt bool
	verdict verdict
	doubt   event.Doubt
	reason  string
	args    json.RawMessage
	parts   llm.Parts
}

func (decision) input() {}

func (p Pending) decide(v verdict) decision {
	return decision{call: p.Call, hash: p.Hash, key: p.Key, seq: p.Seq, verdict: v}
}

func (p Pending) doubt(d event.Doubt) decision {
	return decision{call: p.Call, hash: p.Hash, key: p.Key, seq: p.Seq, inDoubt: true, doubt: d}
}

// Approve lets the call run.
func (p Pending) Approve() Input { return p.decide(approve) }

// Deny keeps the call from running. The model reads the reason, which may be empty.
func (p Pending) Deny(reason string) Input {
	d := p.decide(deny)
	d.reason = reason
	return d
}

// Edit lets the call run with other arguments, a JSON object. The arguments are checked
// like the model's own, and the model is told about the change.
func (p Pending) Edit(arguments json.RawMessage) Input {
	d := p.decide(edit)
	d.args = arguments
	return d
}

// Happened says that the effect of a call in doubt happened, with this result.
func (p Pending) Happened(result ...llm.Part) Input {
	d := p.doubt(event.Happened)
	d.parts = result
	return d
}

// NotHappened says that the effect of a call in doubt did not happen. The model reads
// that and may call again, under another key.
//
// NotHappened is final only after the attempt is buried. The process of the call may be
// stopped and not dead, so its effect can come after this answer. Record Key and Seq in
// the statement that looks for the effect, and let the tool refuse a Key whose recorded
// number is not below its [tool.Call.Fence]; see [tool.Reconcile]. Without that, Unknown
// is the safe answer for an effect that must not happen twice.
func (p Pending) NotHappened() Input { return p.doubt(event.NotHappened) }

// RunAgain runs a call in doubt again, with the same idempotency key and a higher
// [tool.Call.Fence].
func (p Pending) RunAgain() Input { return p.doubt(event.RunAgain) }

// Unknown tells the model that nobody knows the outcome of a call in doubt.
func (p Pending) Unknown() Input { return p.doubt(event.Unknown) }

// A DecisionError says that a decision does not fit the session. Nothing was recorded.
type DecisionError struct {
	Call   event.CallRef
	Reason string
}

// Error names the call.
func (e *DecisionError) Error() string {
	return fmt.Sprintf("runner: decision about call %s: %s", e.Call, e.Reason)
}

// pending lists the calls that need a decision, when nothing is running. The caller holds
// the lock.
func (e *engine) pending() []Pending {
	if e.state.Running() && !e.state.Paused() {
		return nil
	}
	return e.pendingOf(e.state.Open())
}

func (e *engine) pendingOf(calls []loop.Call) []Pending {
	var all []Pending
	for _, c := range calls {
		if c.Status != loop.Asked && c.Status != loop.Started {
			continue
		}
		p := Pending{
			Call: c.Ref, Hash: event.HashArguments(c.Arguments), InDoubt: c.Status == loop.Started,
			Key: e.keyOf(c), Seq: c.Held, ToolCall: c.Call,
		}
		p.ToolCall.Arguments = c.Arguments
		all = append(all, p)
	}
	return all
}

// decided makes events of decisions. If a decision does not fit, decided returns an
// error and no event.
func (e *engine) decided(decisions []decision) ([]event.Body, error) {
	var bodies []event.Body
	seen := map[event.CallRef]bool{}
	open := map[event.CallRef]loop.Call{}
	for _, c := range e.state.Open() {
		open[c.Ref] = c
	}
	for _, d := range decisions {
		c, ok := open[d.call]
		b, reason := e.decideCall(d, c)
		switch {
		case seen[d.call]:
			reason = "there are two"
		case d.call == "":
			reason = "it names no call"
		case !ok && e.state.Seq == 0:
			reason = fmt.Sprintf("the session %q has no events", e.session)
		case !ok:
			reason = "no such call is open"
		case d.key != e.keyOf(c):
			reason = "the decision is about a call of another session"
		case d.hash != event.HashArguments(c.Arguments):
			reason = "the call has other arguments than the decision is about"
		case reason == "" && d.seq != c.Held:
			reason = "the decision is about an earlier question"
		}
		if reason != "" {
			return nil, &DecisionError{Call: d.call, Reason: reason}
		}
		seen[d.call] = true
		bodies = append(bodies, b...)
	}
	return bodies, nil
}

// decideCall makes the events of a decision, or returns the reason against it.
func (e *engine) decideCall(d decision, c loop.Call) (_ []event.Body, reason string) {
	if d.inDoubt {
		if c.Status != loop.Started {
			return nil, "the call is not in doubt"
		}
		if reason := checkResult(d.parts); reason != "" {
			return nil, reason
		}
		return e.settleDoubt(c, d.doubt, "caller", d.parts), ""
	}
	if c.Status != loop.Asked {
		return nil, "the call does not wait for approval"
	}
	b := event.ApprovalDecided{Call: c.Ref, Hash: d.hash, Approved: d.verdict != deny, Reason: e.redactReason(d.reason)}
	switch d.verdict {
	case deny:
		return []event.Body{b, e.denied(c, d.reason)}, ""
	case edit:
		t, ok := e.tools[c.Call.Name]
		if !ok {
			return nil, "the agent has no such tool to check the arguments for"
		}
		if !bytes.HasPrefix(bytes.TrimSpace(d.args), []byte("{")) { // only for a model does an empty text mean {}
			return nil, "the arguments are no JSON object"
		}
		args, repairs, err := e.parse(t, string(d.args))
		if err != nil {
			return nil, "the arguments do not fit: " + invoke.Error(err).Message
		}
		b.Arguments, b.Repairs = string(args), repairs
	}
	return []event.Body{b}, ""
}

// denied ends a call that was not approved. A call that must not run again may have had
// its effect all the same.
func (e *engine) denied(c loop.Call, reason string) event.ToolCallFinished {
	if !c.Tried {
		return e.failure(c, tool.Fail(tool.Denied, reason, nil))
	}
	err := tool.Fail(tool.OutcomeUnknown, "", nil)
	err.Message += " It was not run again"
	if reason = safeText(reason); reason != "" {
		err.Message += ": " + reason
	}
	return e.withEdit(c, e.failure(c, err))
}

// checkResult returns why parts cannot be the result of a call. Empty means that they
// can.
func checkResult(parts llm.Parts) (reason string) {
	for _, p := range parts {
		switch p := p.(type) {
		case llm.Image, llm.Audio, llm.File, llm.RawPart:
			continue
		case llm.Text:
			if p.Text != "" && utf8.ValidString(p.Text) {
				continue
			}
			return "a text of the result is empty or no UTF-8"
		}
		return fmt.Sprintf("a part of the result is a %T", p)
	}
	return ""
}

// settleDoubt makes the events of a decision about a call in doubt.
func (e *engine) settleDoubt(c loop.Call, d event.Doubt, by string, parts llm.Parts) []event.Body {
	bodies := []event.Body{event.InDoubtDecided{Call: c.Ref, Decision: d, By: by}}
	switch d {
	case event.Happened:
		if len(parts) == 0 {
			parts = llm.Parts{llm.Text{Text: "The call took effect. Its result was not recorded."}}
		}
		bodies = append(bodies, e.withEdit(c, e.success(c, parts)))
	case event.NotHappened:
		bodies = append(bodies, failure(c, tool.Fail(tool.NotRun, "it was interrupted before it took effect", nil)))
	case event.Unknown:
		bodies = append(bodies, e.closed(c))
	}
	return bodies
}
