package runnertest

import (
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A trace is what the events of a run say of each tool call.
type trace struct {
	run   int
	calls []*traced // in the order of the model
	byRef map[event.CallRef]*traced
}

// traced is one call: what the model asked for, and what became of it.
type traced struct {
	ref      event.CallRef
	turn     int
	asked    llm.ToolCall
	started  *event.ToolCallStarted  // nil: it never did
	finished *event.ToolCallFinished // nil: nothing was recorded
	ended    time.Time               // when finished was recorded
}

func traceOf(result *runner.Result) *trace {
	tr := &trace{byRef: map[event.CallRef]*traced{}}
	for _, e := range result.Events {
		switch b := e.Body.(type) {
		case event.RunStarted:
			tr.run = b.Run
		case event.ModelAnswered:
			for i, c := range b.Message.Calls() {
				ref := event.NewCallRef(tr.run, b.Turn, i)
				tr.byRef[ref] = &traced{ref: ref, turn: b.Turn, asked: c}
				tr.calls = append(tr.calls, tr.byRef[ref])
			}
		case event.ToolCallStarted:
			if c := tr.byRef[b.Call]; c != nil {
				c.started = &b
			}
		case event.ToolCallFinished:
			if c := tr.byRef[b.Call]; c != nil {
				c.finished, c.ended = &b, e.Time
			}
		}
	}
	return tr
}

// ofTurn returns the calls of one answer.
func (tr *trace) ofTurn(turn int) []*traced {
	var calls []*traced
	for _, c := range tr.calls {
		if c.turn == turn {
			calls = append(calls, c)
		}
	}
	return calls
}

// span is the time in which the tool's function ran. Known is false of a call
// whose function was not called, and of one whose end nobody recorded.
func (c *traced) span() (began, ended time.Time, known bool) {
	if c.finished == nil || c.finished.Began.IsZero() {
		return time.Time{}, time.Time{}, false
	}
	return c.finished.Began, c.ended, true
}
