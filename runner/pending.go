package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
)

// ErrPaused says that a run waits for the calls in [Result.Pending]: for decisions, or for
// results from outside.
// No part of the run is active, and no event is lost: the next call of [Session.Run]
// continues the run with the answers.
var ErrPaused = errors.New("runner: the run is paused: tool calls wait for a decision or a result")

// errPausedForGood is ErrPaused for a run outside a session, which cannot continue.
var errPausedForGood = fmt.Errorf("%w; outside a session nobody can answer them: use a Session, or Runner.Decide for decisions", ErrPaused)

// Pending is a tool call that needs a decision, or a result from outside. Its methods make
// the inputs for the next call of [Session.Run]. A Pending may be stored as JSON and answered by another process.
type Pending struct {
	// Call is our name of the call.
	Call event.CallRef `json:"call"`
	// Session is the name of the session. Empty outside a session.
	Session string `json:"session,omitempty"`
	// Agent is the name of the agent whose model made the call: of the agent that has the
	// conversation, or of the agent of a helper.
	Agent string `json:"agent"`
	// Hash is a hash of the arguments. A decision about different arguments is refused.
	Hash string `json:"hash"`
	// InDoubt means that the call began and has no recorded end, so nobody knows whether
	// the effect happened. If both InDoubt and Late are false, the call waits for approval and
	// has not run.
	InDoubt bool `json:"in_doubt,omitempty"`
	// Key is the call's idempotency key, the name of the call in the outside world. Every
	// call of every session has its own Key, so a decision never fits a call of another
	// session.
	Key string `json:"key"`
	// Seq is the position of the question in the session. A later question about the same
	// call has another Seq, so a late or repeated answer does not fit. For a call in doubt,
	// Seq is the [tool.Call.Fence] of the attempt.
	Seq int64 `json:"seq"`
	// ToolCall is the call, with the checked arguments of the function.
	ToolCall llm.ToolCall `json:"tool_call"`
	// Late means: the call has begun and waits for a result from outside;
	// see [Pending.Result].
	Late bool `json:"late,omitempty"`
	// Handle is the tool's name for what a Late call waits for; see [tool.Later].
	Handle string `json:"handle,omitempty"`
	// Until is the time after which a run that continues no longer waits for the approval or
	// the result. Zero means no such time.
	Until time.Time `json:"until,omitzero"`
	// Persons are the names of everybody who said a message in the session, each once; see
	// [By].
	Persons []string `json:"persons,omitempty"`
}

func (p Pending) about(k approval) decision {
	return decision{call: p.Call, hash: p.Hash, key: p.Key, seq: p.Seq, approval: k}
}

func (p Pending) doubt(d event.Doubt) decision {
	return decision{call: p.Call, hash: p.Hash, key: p.Key, seq: p.Seq, inDoubt: true, doubt: d}
}

// Approve lets the call run.
func (p Pending) Approve() Input { return p.about(approve) }

// Deny keeps the call from running. The model reads the reason, which may be empty.
func (p Pending) Deny(reason string) Input {
	d := p.about(deny)
	d.reason = reason
	return d
}

// Edit lets the call run with other arguments, a JSON object. The arguments are checked
// like the model's own, and the model is told about the change.
func (p Pending) Edit(arguments json.RawMessage) Input {
	d := p.about(edit)
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
// that the effect did not happen, and may make a new call, which has a new key.
//
// NotHappened is safe only after the attempt was fenced off, which means that the attempt
// can no longer have an effect. The process of the call may be stopped and not dead, so
// the effect can come after this answer. To fence off the attempt, look for the effect
// and record Key and Seq in one statement. The tool must refuse to act if a number equal
// to or above its own [tool.Call.Fence] is recorded for the Key; see [tool.Reconcile].
// If you cannot fence off the attempt, and the effect must not happen twice, the safe
// answer is Unknown.
func (p Pending) NotHappened() Input { return p.doubt(event.NotHappened) }

// RunAgain runs a call in doubt again, with the same idempotency key and a higher
// [tool.Call.Fence].
func (p Pending) RunAgain() Input { return p.doubt(event.RunAgain) }

// Unknown tells the model that nobody knows the outcome of a call in doubt.
func (p Pending) Unknown() Input { return p.doubt(event.Unknown) }

// A DecisionError says that a decision does not fit the session. The run recorded nothing.
type DecisionError struct {
	Call   event.CallRef
	Reason string
	// Err is the error of [Runner.MayAnswer], which refused the answer. Otherwise Err is nil.
	Err error
	// Decided is the decision that was first. Nil means that nobody decided about the
	// question, or that the session has forgotten it: a session remembers the newest 1,000
	// decisions.
	Decided *Decision
	// Known says that the input was recorded before, with the same person and words: Decided is
	// this very decision, or the standing answer was revoked by this very revocation. A process
	// that died after the record gives such an input again. There is nothing left to say; the
	// session goes on without the input.
	Known bool
}

// Error names the call.
func (e *DecisionError) Error() string {
	text := fmt.Sprintf("runner: decision about call %s: %s", e.Call, e.Reason)
	if e.Call == "" {
		text = "runner: answer: " + e.Reason
	}
	switch {
	case e.Known && e.Decided != nil:
		text += "; this decision was recorded before: " + e.Decided.String()
	case e.Known:
		text += "; this input was recorded before"
	case e.Decided != nil:
		text += "; somebody was first: " + e.Decided.String()
	}
	return text
}

// Unwrap returns Err.
func (e *DecisionError) Unwrap() error { return e.Err }

// mayAnswer asks Runner.MayAnswer about a fitting decision, with the first event of the decision.
func (e *engine) mayAnswer(ctx context.Context, d *decision, c loop.Call, body event.Body) error {
	if e.runner.MayAnswer == nil {
		return nil
	}
	p := e.pendingCall(c)
	decided := Decision{
		Call: c.Ref, Tool: c.Call.Name, Question: c.Seq, What: string(d.doubt), Source: "caller",
		Person: d.person, Time: time.Now(),
	}
	switch b := body.(type) {
	case event.ApprovalDecided:
		says := loop.SaysAbout(b)
		decided.What, decided.Words, decided.Always, decided.Standing = says.What, says.Words, says.Always, says.Standing
		if decided.What == loop.Edited { // a bound must hold for the arguments that would run
			p.ToolCall.Arguments = b.Arguments
		}
	case event.InDoubtDecided:
		decided.Words = b.Words
	}
	_, err := safely(ctx, e.logger, "MayAnswer", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, e.runner.MayAnswer(ctx, p, decided)
	})
	if err == nil {
		return nil
	}
	return &DecisionError{Call: d.call, Reason: "may not be answered by " + nameOf(d.person) + ": " + e.redactor.error(err), Err: err}
}

// pendingCall is the question about a call of this run, or of a helper below.
func (e *engine) pendingCall(c loop.Call) Pending {
	whole := e.recorder.root.snapshot()
	agent := e.agent.DisplayName()
	if run := whole.Below(c.Ref.Path()); run != nil {
		agent = run.Agent
	}
	return pendingCall(e.session, agent, &whole, c)
}

func nameOf(person string) string {
	if person == "" {
		return "somebody without a name"
	}
	return strconv.Quote(person)
}

// unfit returns the error of a decision that does not fit.
func (e *engine) unfit(d *decision, reason string) *DecisionError {
	first, known := e.decided(d)
	return &DecisionError{Call: d.call, Reason: reason, Decided: first, Known: known}
}

// pendingCalls returns the calls that need a decision, when no call is running.
func pendingCalls(session string, s loop.State) []Pending {
	if s.Running() && !s.Paused() {
		return nil
	}
	return waitingCalls(session, s)
}

// waitingCalls is pendingCalls with the Late calls of a run that goes on: the world outside
// answers as fast as it likes.
func waitingCalls(session string, s loop.State) []Pending {
	running := s.Running() && !s.Paused()
	var all []Pending
	for _, c := range s.Undecided() {
		if !running || c.Status == loop.Late {
			all = append(all, pendingCall(session, s.Below(c.Ref.Path()).Agent, &s, c))
		}
	}
	return all
}

func pendingCall(session, agent string, s *loop.State, c loop.Call) Pending {
	p := Pending{
		Call: c.Ref, Session: session, Agent: agent, Hash: event.HashArguments(c.Arguments), InDoubt: c.Status == loop.Started,
		Key: callKey(session, c), Seq: c.Seq, ToolCall: c.Call, Late: c.Status == loop.Late, Handle: c.Handle(), Until: c.Until(),
		Persons: s.Persons(),
	}
	p.ToolCall.Arguments = c.Arguments
	return p
}
