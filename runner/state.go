package runner

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/opening"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// A State is what the events of a session say about it. The State is the caller's; the
// contents of its Messages are only for reading. The JSON of a State holds no instructions.
type State struct {
	// Summary has the status, the agent, the number of the run and the times. It is
	// embedded, because a State is a Summary with more. A running session without Open calls waits for the answer of the model, or its process died.
	journal.Summary
	Turn   int             `json:"turn"`             // of the run, from 1
	Text   string          `json:"text,omitempty"`   // of the last answer of the run
	Output json.RawMessage `json:"output,omitempty"` // of the run, if the run finished; see [Result]
	Error  string          `json:"error,omitempty"`  // of the run, if the run failed
	Usage  llm.Usage       `json:"usage"`            // the sum over the turns of the run
	Cost   float64         `json:"cost,omitempty"`   // the sum over the turns of the run
	// Partial is the beginning of an answer that has no end: the model is writing the answer, or
	// the run was cancelled, the request failed, or the process died. Nil without
	// [Runner.KeepPartial].
	Partial *PartialAnswer `json:"partial,omitempty"`
	// Open are the calls without a result, also those of helpers.
	Open []OpenCall `json:"open,omitempty"`
	// Pending are the undecided calls of a paused or failed run, as in [Result]. While a run
	// goes on, Pending are the calls that are Late already.
	Pending []Pending `json:"pending,omitempty"`
	// Decisions are the newest 1,000 decisions about calls of the session, in order, also
	// those of earlier runs.
	Decisions []Decision `json:"decisions,omitempty"`
	// Standing are the answers that stand for later questions, in order; see
	// [Pending.ApproveAlways].
	Standing []Standing `json:"standing,omitempty"`
	// Messages is the conversation so far, as in [Result]. An open call has a placeholder in
	// place of its result, because every provider needs a result for each call.
	Messages []llm.Message `json:"messages"`
}

// A PartialAnswer is the recorded beginning of an answer that has no end. The conversation does
// not have the text.
type PartialAnswer struct {
	Turn      int    `json:"turn"` // of the run
	Text      string `json:"text,omitempty"`
	Reasoning string `json:"reasoning,omitempty"`
}

// An OpenCall is a call without a result.
type OpenCall struct {
	Call     event.CallRef `json:"call"`
	ToolCall llm.ToolCall  `json:"tool_call"`
	// Asked and Began are the times at which the run asked for approval, and recorded the
	// start of the call. Zero means that this has not happened.
	Asked time.Time `json:"asked,omitzero"`
	Began time.Time `json:"began,omitzero"`
	// Deferred is the time at which the function had returned [tool.Later]. Zero means that
	// the result does not come from outside.
	Deferred time.Time `json:"deferred,omitzero"`
	// Placeholder is the position in Messages of the placeholder for the result, or -1 for a
	// call of a helper, whose messages are not in Messages.
	Placeholder int `json:"placeholder"`
}

// StateOf returns the state of a session from all its events, for example from Read of a
// [journal.Reader]. No events are a session that has not begun, with an empty Status. An
// error of events is returned; events that cannot follow each other are an error.
//
//	state, err := runner.StateOf("invoice-17", store.Read(ctx, "invoice-17", 0))
func StateOf(session string, events iter.Seq2[event.Event, error]) (*State, error) {
	o := observer{session: session}
	for ev, err := range events {
		if err == nil {
			err = o.add(ev)
		}
		if err != nil {
			return nil, fmt.Errorf("runner: session %q: %w", session, err)
		}
	}
	return o.see(), nil
}

// State returns what the events of the session say. If the Journal is a [journal.Reader],
// as all journals of this library are, State reads them without opening the session, also
// during a run of any process. Otherwise State opens the log of the session, and fails with
// a [*journal.BusyError] during a run.
//
// State reads all events of the session.
func (s *Session) State(ctx context.Context) (*State, error) {
	if reader, ok := s.runner.Journal.(journal.Reader); ok {
		ctx, stop := opening.Bound(ctx, storeBound)
		defer stop()
		return StateOf(s.name, reader.Read(ctx, s.name, 0))
	}
	var state *State
	var failed error
	err := s.look(ctx, func(e *engine) { state, failed = StateOf(s.name, e.recorder.log.Events(ctx)) })
	if err == nil {
		err = failed
	}
	return state, err
}

// An observer adds up the events of a session.
type observer struct {
	session string
	sum     journal.Summary
	state   loop.State
	failed  string
	asked   map[event.CallRef]time.Time
	began   map[event.CallRef]time.Time
	late    map[event.CallRef]time.Time
}

func (o *observer) add(e event.Event) error {
	if err := o.state.Apply(e); err != nil {
		return err
	}
	o.sum.Add(e)
	switch b := e.Body.(type) {
	case event.RunStarted:
		if e.Path == "" {
			o.failed = ""
		}
	case event.RunFailed:
		if e.Path == "" {
			o.failed = b.Error
		}
	case event.ApprovalAsked:
		note(&o.asked, b.Call, e.Time)
	case event.ToolCallStarted:
		note(&o.began, b.Call, e.Time)
	case event.ToolCallDeferred:
		note(&o.late, b.Call, e.Time)
	case event.ToolCallFinished:
		delete(o.asked, b.Call)
		delete(o.late, b.Call)
		delete(o.began, b.Call)
	case event.InDoubtDecided:
		if b.Decision == event.RunAgain {
			delete(o.began, b.Call)
		}
	}
	return nil
}

func note(m *map[event.CallRef]time.Time, call event.CallRef, at time.Time) {
	if *m == nil {
		*m = map[event.CallRef]time.Time{}
	}
	(*m)[call] = at
}

func (o *observer) see() *State {
	s := &o.state
	o.sum.Session = o.session
	state := &State{
		Summary: o.sum, Turn: s.Turn, Text: s.Text, Output: s.Value, Error: o.failed, Usage: s.Usage, Cost: s.Cost,
		Pending: waitingCalls(o.session, s.Snapshot()), Messages: s.History(openPlaceholder), Decisions: decisionsOf(s, 0),
		Standing: standingOf(o.session, s),
	}
	if s.Partial != nil {
		state.Partial = &PartialAnswer{Turn: s.Partial.Turn, Text: s.Partial.Text(), Reasoning: s.Partial.Reasoning()}
	}
	o.open(s, state, len(s.Messages))
	return state
}

// open adds the open calls of a run, and of helpers below. at is the position of the result
// of the first call, or -1.
func (o *observer) open(s *loop.State, state *State, at int) {
	for i := range s.Calls {
		c := &s.Calls[i]
		if c.Status == loop.Finished {
			continue
		}
		open := OpenCall{Call: c.Ref, ToolCall: c.Call, Asked: o.asked[c.Ref], Began: o.began[c.Ref], Deferred: o.late[c.Ref], Placeholder: -1}
		if c.Arguments != "" {
			open.ToolCall.Arguments = c.Arguments
		}
		if at >= 0 {
			open.Placeholder = at + i
		}
		state.Open = append(state.Open, open)
		if c.Nested != nil && !c.Nested.Ended() {
			o.open(c.Nested, state, -1)
		}
	}
}

// openPlaceholder is the result in the history of a session of a call that has no result
// yet and may get one.
func openPlaceholder(c loop.Call) llm.ToolResult {
	reason := safe("The call has no result yet: it has not begun.")
	switch {
	case c.Nested != nil:
		reason = "The call has no result yet: its agent is at work."
	case c.Status == loop.Late:
		reason = "The call was started, and has no result yet: the result comes later."
	case c.Status == loop.Started: // its function runs, or its process died
		reason = "The call has no result yet: it has begun. It is not known whether the call took effect. Check before you call it again."
	case c.MayHaveRun:
		return neverFinished(c).Result // this is what is known of the earlier attempt
	case c.Status == loop.Asked:
		reason = "The call has no result yet: it waits for approval, and has not run."
	case c.Status == loop.Cleared:
		reason = "The call has no result yet: it may run, and has not begun."
	}
	b := finished(c, llm.Parts{llm.Text{Text: string(reason)}})
	b.Result.IsError = true
	return b.Result
}
