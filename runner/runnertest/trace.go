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

// A trace is what the events of a run say of each tool call: of the run's own
// calls, also of those before a pause, and of calls of an earlier run with which
// it went on or which it closed.
type trace struct {
	run   int       // whose answers are looked at
	calls []*traced // in the order of the model
	byRef map[event.CallRef]*traced
}

// traced is one call: what the model asked for, and what became of it.
type traced struct {
	ref      event.CallRef
	run      int
	turn     int
	position int
	asked    llm.ToolCall
	started  *event.ToolCallStarted  // nil: it never did
	finished *event.ToolCallFinished // nil: nothing was recorded
	ended    time.Time               // when finished was recorded
	carried  bool                    // its answer is not among the events of the Result
	told     bool                    // those events say something of it
	shown    bool                    // the transcript has it
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
	_, _ = fmt.Sscanf(string(ref), "r%d.t%d.c%d", &c.run, &c.turn, &c.position) // else it stands where it was told
	tr.byRef[ref] = c
	tr.calls = append(tr.calls, c)
	return c
}

// about returns a call. Where the events do not begin early enough to have its
// answer, they say themselves what was asked.
func (tr *trace) about(ref event.CallRef, asked llm.ToolCall, earlier bool) *traced {
	c := tr.byRef[ref]
	if c == nil {
		c = tr.open(ref, asked)
		c.carried = true
	}
	c.told = c.told || !earlier
	return c
}

// ofTurn returns the calls of one answer.
func (tr *trace) ofTurn(turn int) []*traced {
	var calls []*traced
	for _, c := range tr.calls {
		if c.turn == turn && c.run == tr.run {
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
