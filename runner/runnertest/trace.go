package runnertest

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A trace has the events of each tool call of a run, also before a pause, and of the
// calls of an earlier run that this run continued or closed.
type trace struct {
	run   int           // the number of the latest run
	calls []*tracedCall // in the order of the model
	byRef map[event.CallRef]*tracedCall
}

// A tracedCall is a tool call with its events.
type tracedCall struct {
	ref         event.CallRef
	run         int
	turn        int
	position    int
	request     llm.ToolCall
	started     *event.ToolCallStarted  // nil: the call never started
	finished    *event.ToolCallFinished // nil: no result was recorded
	ended       time.Time               // when finished was recorded
	carriedOver bool                    // the Result has no event with the model's request for the call
	mentioned   bool                    // the events of the Result mention the call
	printed     bool                    // the transcript shows the call already
}

func traceOf(result *runner.Result) *trace {
	tr := &trace{byRef: map[event.CallRef]*tracedCall{}}
	for _, e := range result.Earlier {
		tr.add(e, true)
	}
	for _, e := range result.Events {
		tr.add(e, false)
	}
	tr.calls = slices.DeleteFunc(tr.calls, func(c *tracedCall) bool { return c.run != tr.run && !c.mentioned })
	slices.SortStableFunc(tr.calls, func(a, b *tracedCall) int {
		return cmp.Or(cmp.Compare(a.run, b.run), cmp.Compare(a.turn, b.turn), cmp.Compare(a.position, b.position))
	})
	return tr
}

func (tr *trace) add(e event.Event, earlier bool) {
	switch b := e.Body.(type) {
	case event.RunStarted:
		tr.run = b.Run
	case event.ModelAnswered:
		for i, c := range b.Message.Calls() {
			tr.newCall(event.NewCallRef(tr.run, b.Turn, i), c).carriedOver = earlier
		}
	case event.ApprovalAsked:
		tr.call(b.Call, llm.ToolCall{ID: b.ID, Name: b.Name, Arguments: b.Arguments}, earlier)
	case event.ToolCallStarted:
		tr.call(b.Call, llm.ToolCall{ID: b.ID, Name: b.Name, Arguments: b.Arguments}, earlier).started = &b
	case event.ToolCallFinished:
		c := tr.call(b.Call, llm.ToolCall{ID: b.Result.CallID, Name: b.Result.Name}, earlier)
		c.finished, c.ended = &b, e.Time
	}
}

func (tr *trace) newCall(ref event.CallRef, request llm.ToolCall) *tracedCall {
	c := &tracedCall{ref: ref, run: tr.run, request: request}
	_, _ = fmt.Sscanf(string(ref), "r%d.t%d.c%d", &c.run, &c.turn, &c.position) // otherwise the call keeps its place among the events
	tr.byRef[ref] = c
	tr.calls = append(tr.calls, c)
	return c
}

// call returns the call with the reference. If the events begin after the model's
// answer, the request of the call comes from the event itself.
func (tr *trace) call(ref event.CallRef, request llm.ToolCall, earlier bool) *tracedCall {
	c := tr.byRef[ref]
	if c == nil {
		c = tr.newCall(ref, request)
		c.carriedOver = true
	}
	c.mentioned = c.mentioned || !earlier
	return c
}

// ofTurn returns the calls in the model's answer of a turn.
func (tr *trace) ofTurn(turn int) []*tracedCall {
	var calls []*tracedCall
	for _, c := range tr.calls {
		if c.turn == turn && c.run == tr.run {
			calls = append(calls, c)
		}
	}
	return calls
}

// span is the time in which the tool's function ran. known is false if the
// function was not called, or if its end was not recorded.
func (c *tracedCall) span() (began, ended time.Time, known bool) {
	if c.finished == nil || c.finished.Began.IsZero() {
		return time.Time{}, time.Time{}, false
	}
	return c.finished.Began, c.ended, true
}
