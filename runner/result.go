package runner

import (
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A Result is what a run came to. It is the caller's.
type Result struct {
	// Text is that of the last answer. It is the final answer if there was no
	// error; with an error it is what there is of one.
	Text string
	// Messages is the whole conversation, with the messages that the run was
	// given. It is valid to send; see the package comment.
	Messages []llm.Message
	Finish   llm.Finish // of the last answer
	Usage    llm.Usage  // the sum over the turns of the run
	Turns    int        // of the run
	Run      int        // its number in the session, from 1
	Session  string     // empty outside a session
}

func (e *engine) result() *Result {
	if e.state == nil {
		return &Result{Session: e.session}
	}
	e.acquire()
	defer e.release()
	return &Result{
		Text:     e.state.Text,
		Messages: e.state.History(placeholder),
		Finish:   e.state.Finish,
		Usage:    e.state.Usage,
		Turns:    e.state.Turn,
		Run:      e.state.Run,
		Session:  e.session,
	}
}

// placeholder answers a call that has no result.
func placeholder(c loop.Call) llm.ToolResult {
	return failure(c, unanswered(c)).Result
}

// unanswered is the failure of a call that has no result and will get none.
func unanswered(c loop.Call) *tool.Error {
	if c.Status == loop.Started {
		return tool.Fail(tool.OutcomeUnknown, "", nil)
	}
	return tool.Fail(tool.NotRun, "the run ended before it began", nil)
}
