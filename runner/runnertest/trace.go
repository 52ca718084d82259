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

// A trace holds, for each tool call, the facts that the events of a run report:
// for the run's own calls, also before a pause, and for calls of an earlier run
// that this run continued or closed.
type trace struct {
	run   int       // the run whose answers count
	calls []*traced // in the order of the model
	byRef map[event.CallRef]*traced
}

// traced is one call with its events.
type traced struct {
	ref      event.CallRef
	run      int
	turn     int
	position int
	asked    llm.ToolCall
	started  *event.ToolCallStarted  // nil: the call never started
	finished *event.ToolCallFinished // nil: no result was recorded
	ended    time.Time               // when finished was recorded
	carried  bool                    // the Result has no event with the answer that holds the call
	told     bool                    // the events of the Result mention the call
	shown    bool                    // the transcript shows the call already
}

func traceOf(result *runner.Result) *trace {
	tr := &trace{byRef: map[event.CallRef]*traced{}}
	for _, e := range result.Earlier {
		tr.add(e, true)
	}
	for _, e := range result.Events {
		tr.add(e, false)
	}
	tr.calls = slices.DeleteFunc(tr.calls, func(c *traced) bool { return c.run != tr.run && !c.told })
	slices.SortStableFunc(tr.calls, func(a, b *traced) int {
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
			tr.open(event.NewCallRef(tr.run, b.Turn, i), c).carried = earlier
		}
	case event.ApprovalAsked:
		tr.about(b.Call, llm.ToolCall{ID: b.ID, Name: b.Name, Arguments: b.Arguments}, earlier)
	case event.ToolCallStarted:
		tr.about(b.Call, llm.ToolCall{ID: b.ID, Name: b.Name, Arguments: b.Arguments}, earlier).started = &b
	case event.ToolCallFinished:
		c := tr.about(b.Call, llm.ToolCall{ID: b.Result.CallID, Name: b.Result.Name}, earlier)
		c.finished, c.ended = &b, e.Time
	}
}

func (tr *trace) open(ref event.CallRef, asked llm.ToolCall) *traced {
	c := &traced{ref: ref, run: tr.run, asked: asked}
	_, _ = fmt.Sscanf(string(ref), "r%d.t%d.c%d", &c.run, &c.turn, &c.position) // otherwise the call keeps its place among the events
	tr.byRef[ref] = c
	tr.calls = append(tr.calls, c)
	return c
}

// about returns a call. Where the events begin after the model's answer, later
// events repeat the request of the call.
func (tr *trace) about(ref event.CallRef, asked llm.ToolCall, earlier bool) *traced {
	c := tr.byRef[ref]
	if c == nil {
		c = tr.open(ref, asked)
		c.carried = true
	}
	c.told = c.told || !earlier
	return c
}

// ofTurn returns the calls of the model's answer in a turn.
func (tr *trace) ofTurn(turn int) []*traced {
	var calls []*traced
	for _, c := range tr.calls {
		if c.turn == turn && c.run == tr.run {
			calls = append(calls, c)
		}
	}
	return calls
}

// span is the time in which the tool's function ran. known is false if the
// function was not called, or if its end was not recorded.
func (c *traced) span() (began, ended time.Time, known bool) {
	if c.finished == nil || c.finished.Began.IsZero() {
		return time.Time{}, time.Time{}, false
	}
	return c.finished.Began, c.ended, true
}
