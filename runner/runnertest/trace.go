package runnertest

import (
	"fmt"
	"slices"
	"strings"
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
	places      []int // run, turn and position of the call, and before them those of the calls around
	turn        int
	request     llm.ToolCall
	started     *event.ToolCallStarted  // nil: the call never started
	finished    *event.ToolCallFinished // nil: no result was recorded
	ended       time.Time               // when finished was recorded
	nested      []event.Event           // of the Result: of the helper's run behind the call, and of runs below
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
	tr.calls = slices.DeleteFunc(tr.calls, func(c *tracedCall) bool { return len(c.places) > 0 && c.places[0] != tr.run && !c.mentioned })
	slices.SortStableFunc(tr.calls, func(a, b *tracedCall) int { return slices.Compare(a.places, b.places) })
	return tr
}

func (tr *trace) add(e event.Event, earlier bool) {
	if e.Path != "" {
		tr.addNested(e, earlier)
	}
	switch b := e.Body.(type) {
	case event.RunStarted:
		if e.Path == "" {
			tr.run = b.Run
		}
	case event.ModelAnswered:
		run := tr.run
		if e.Path != "" {
			run = 1 // a helper has a single run
		}
		for i, c := range b.Message.Calls() {
			tr.newCall(event.NewCallRef(run, b.Turn, i).Under(e.Path), c).carriedOver = earlier
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

// addNested adds an event of a helper's run to the calls around.
func (tr *trace) addNested(e event.Event, earlier bool) {
	for ref := e.Path; ref != ""; ref = ref.Path() {
		c := tr.call(ref, llm.ToolCall{}, earlier)
		if !earlier {
			c.nested = append(c.nested, e)
		}
	}
}

func (tr *trace) newCall(ref event.CallRef, request llm.ToolCall) *tracedCall {
	c := &tracedCall{ref: ref, request: request}
	for part := range strings.SplitSeq(string(ref), "/") {
		var run, turn, position int
		if _, err := fmt.Sscanf(part, "r%d.t%d.c%d", &run, &turn, &position); err != nil {
			c.places = nil // the call keeps its place among the events
			break
		}
		c.places, c.turn = append(c.places, run, turn, position), turn
	}
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
func (tr *trace) ofTurn(path event.CallRef, turn int) []*tracedCall {
	var calls []*tracedCall
	for _, c := range tr.calls {
		if c.ref.Path() == path && c.turn == turn && (path != "" || len(c.places) > 0 && c.places[0] == tr.run) {
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
