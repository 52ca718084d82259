package runner

import (
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A Result is what a run came to. It is the caller's.
type Result struct {
	// Text is that of the last answer. It is the final answer if there was no
	// error; with an error it is what there is of one.
	Text string `json:"text"`
	// Messages is the whole conversation, with the messages that the run was
	// given. It is valid to send; see the package comment. The slice is the
	// caller's; what the messages hold is only for reading.
	Messages []llm.Message `json:"messages"`
	Finish   llm.Finish    `json:"finish"`            // of the last answer
	Usage    llm.Usage     `json:"usage"`             // the sum over the turns of the run
	Turns    int           `json:"turns"`             // of the run
	Run      int           `json:"run"`               // its number in the session, from 1; 0 if it did not begin
	Session  string        `json:"session,omitempty"` // empty outside a session
	// Events are the durable events of this run in their order, from RunStarted
	// to RunFinished, RunFailed or RunPaused, however it ended. Of a run that goes
	// on after a pause or a crash they are those that were recorded since; Earlier has
	// the others. There are none if the run did not begin, and no end if a journal
	// refused that. Finished runs of a session are not in it. The slice is the caller's; what the events hold is
	// shared and only for reading. They are no part of the JSON of a Result, as
	// they hold the instructions; a journal keeps them.
	Events []event.Event `json:"-"`
	// Earlier are the durable events that the run goes on from: those of the same
	// run before it was paused or its process died, and those of the earlier run
	// whose calls it goes on with or closes, each from RunStarted on. Empty for a
	// run that began without open calls. Earlier and Events together are a piece
	// of the session without a gap. The rules of Events hold for it.
	Earlier []event.Event `json:"-"`
	// Pending are the calls that a paused run waits for, or that a failed one left
	// for somebody to decide about. Their answers are inputs of the session's next
	// run.
	Pending []Pending `json:"pending,omitempty"`
}

func (e *engine) result() *Result {
	e.acquire()
	defer e.release()
	if !e.began { // what stands in the state is of an earlier run
		return &Result{Messages: e.state.History(placeholder), Session: e.session, Pending: e.pending()}
	}
	return &Result{
		Text:     e.state.Text,
		Messages: e.state.History(placeholder),
		Finish:   e.state.Finish,
		Usage:    e.state.Usage,
		Turns:    e.state.Turn,
		Run:      e.state.Run,
		Session:  e.session,
		Events:   e.kept,
		Earlier:  e.earlier,
		Pending:  e.pending(),
	}
}

// placeholder answers a call that has no result.
func placeholder(c loop.Call) llm.ToolResult {
	return failure(c, unanswered(c)).Result
}

// unanswered is the failure of a call that has no result and will get none.
func unanswered(c loop.Call) *tool.Error {
	switch {
	case c.Status == loop.Started, c.Tried:
		return tool.Fail(tool.OutcomeUnknown, "", nil)
	case c.Status == loop.Asked:
		return tool.Fail(tool.NotRun, "nobody approved it before the conversation went on", nil)
	case c.Status == loop.Cleared:
		return tool.Fail(tool.NotRun, "the conversation went on before it began", nil)
	}
	return tool.Fail(tool.NotRun, "the run ended before it began", nil)
}
