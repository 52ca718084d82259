package loop_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
)

// A helped run is a point in a run with two helpers at the same time. Each helper calls "ask",
// which needs approval, or "later", whose result comes from outside, and "do", and then answers. The functions of the calls and the
// helpers that a process runs are lost with the process.
type helpedRun struct {
	events  []event.Event
	live    map[event.CallRef]bool // functions that run
	jobs    map[event.CallRef]bool // helpers that work
	crashes int                    // that may still come
	later   bool
	started map[event.CallRef]int
	again   map[event.CallRef]int // decisions to run the call again, or taken back by a crash before its record
}

func (h helpedRun) with(path event.CallRef, bodies ...event.Body) helpedRun {
	h.events = slices.Clip(h.events)
	for _, b := range bodies {
		h.events = append(h.events, event.Event{Seq: int64(len(h.events)) + 1, Time: time.Unix(int64(len(h.events)), 0).UTC(), Path: path, Body: b})
	}
	h.live, h.jobs, h.started, h.again = maps.Clone(h.live), maps.Clone(h.jobs), maps.Clone(h.started), maps.Clone(h.again)
	return h
}

var helpedAnswers = map[bool][]event.ModelAnswered{
	true: {
		answer("tool_calls", llm.ToolCall{ID: "a", Name: "help", Arguments: "{}"}, llm.ToolCall{ID: "b", Name: "help", Arguments: "{}"}), answers["final"],
	},
	false: {
		answer("tool_calls", llm.ToolCall{ID: "a", Name: "ask", Arguments: "{}"}, llm.ToolCall{ID: "b", Name: "do", Arguments: "{}"}), answers["final"],
	},
}

// next returns what can follow, except a crash.
func (h helpedRun) next(t *testing.T, s *loop.State) (all []helpedRun) {
	t.Helper()
	for _, ref := range slices.Sorted(maps.Keys(h.live)) {
		var end event.Body = event.ToolCallFinished{Call: ref, Result: llm.ToolResult{Parts: llm.Parts{llm.Text{Text: "done"}}}}
		if h.later && strings.HasSuffix(string(ref), "/r1.t1.c0") {
			end = event.ToolCallDeferred{Call: ref, Name: "later", Handle: "h"}
		}
		n := h.with(ref.Path(), end)
		delete(n.live, ref)
		all = append(all, n)
	}
	for _, ref := range slices.Sorted(maps.Keys(h.jobs)) {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(h.live)), func(r event.CallRef) bool { return r.Path() == ref }) {
			all = append(all, h.act(t, s.Below(ref), ref))
		}
	}
	switch {
	case len(h.live)+len(h.jobs) > 0:
		return all
	case s.Paused():
		return append(all, h.decide(s)...)
	}
	return append(all, h.act(t, s, ""))
}

// act does what the machine wants in a run.
func (h helpedRun) act(t *testing.T, s *loop.State, path event.CallRef) helpedRun {
	t.Helper()
	if path != "" && s.Run == 0 {
		return h.with(path, event.RunStarted{Run: 1, Agent: "helper", ID: string(path)}, event.UserMessaged{Message: llm.User("Help.")})
	}
	switch a := loop.Next(s, limits).(type) {
	case loop.Prepare:
		return h.with(path, event.TurnPrepared{Turn: a.Turn, Agent: "a"})
	case loop.Generate:
		b := with(helpedAnswers[path == ""][a.Turn-1], a.Turn)
		if call, ok := b.Message.Parts[0].(llm.ToolCall); ok && h.later && path != "" {
			call.Name = "later"
			b.Message = llm.Assistant("", call, b.Message.Parts[1])
		}
		return h.with(path, b)
	case loop.Start:
		return h.start(t, path, a.Calls)
	case loop.Decide:
		var refs []event.CallRef
		for _, c := range s.Undecided() {
			refs = append(refs, c.Ref)
		}
		return h.with(path, event.RunPaused{Run: s.Run, Calls: refs})
	case loop.Finish:
		return h.with(path, event.RunFinished{Run: s.Run})
	case loop.Idle: // the job ends: its run is paused, or has ended
		n := h.with("")
		if s.Ended() {
			n = h.with(path.Path(), event.ToolCallFinished{Call: path, Result: llm.ToolResult{Parts: llm.Parts{llm.Text{Text: s.Text}}}})
		}
		delete(n.jobs, path)
		return n
	default:
		require.Fail(t, fmt.Sprintf("%T", a))
		return h
	}
}

func (h helpedRun) start(t *testing.T, path event.CallRef, calls []loop.Call) helpedRun {
	t.Helper()
	n := h.with("")
	for _, c := range calls {
		switch {
		case c.Nested != nil:
			n.jobs[c.Ref] = true
		case c.Call.Name == "help":
			n = n.with(path, event.ToolCallStarted{Call: c.Ref, Name: "help", Arguments: "{}", Helper: true})
			n.jobs[c.Ref] = true
		case c.Call.Name == "ask" && c.Status == loop.Proposed:
			n = n.with(path, event.ApprovalAsked{Call: c.Ref, Name: "ask", Arguments: "{}", Hash: event.HashArguments("{}")})
		default:
			require.False(t, n.live[c.Ref], "%s runs already", c.Ref)
			n = n.with(path, event.ToolCallStarted{Call: c.Ref, Name: c.Call.Name, Arguments: "{}"})
			n.live[c.Ref] = true
			n.started[c.Ref]++
		}
	}
	return n
}

// decide decides about each call that waits, as the first one.
func (h helpedRun) decide(s *loop.State) (all []helpedRun) {
	for _, c := range s.Undecided() {
		done := event.ToolCallFinished{Call: c.Ref, Result: llm.ToolResult{Parts: llm.Parts{llm.Text{Text: "decided"}}}}
		given := done
		given.Given = &event.Given{Checksum: 7}
		if c.Status == loop.Late { // the result comes, or the time is over
			all = append(all, h.with(c.Ref.Path(), given), h.with(c.Ref.Path(), done))
			continue
		}
		if c.Status == loop.Started && h.later { // the result comes first
			all = append(all, h.with(c.Ref.Path(), given))
		}
		if c.Status == loop.Asked {
			b := event.ApprovalDecided{Call: c.Ref, Hash: event.HashArguments(c.Arguments)}
			all = append(all, h.with(c.Ref.Path(), b, done))
			b.Approved = true
			all = append(all, h.with(c.Ref.Path(), b))
			continue
		}
		all = append(all, h.with(c.Ref.Path(), event.InDoubtDecided{Call: c.Ref, Decision: event.Happened, By: "caller"}, done))
		n := h.with(c.Ref.Path(), event.InDoubtDecided{Call: c.Ref, Decision: event.RunAgain, By: "caller"})
		n.again[c.Ref]++
		all = append(all, n)
	}
	return all
}

// crash loses what a process runs, and each event that it may not have written.
func (h helpedRun) crash() helpedRun {
	n := h.with("")
	clear(n.live)
	clear(n.jobs)
	n.crashes--
	return n
}

// place describes a point: two ways to the same place go on in the same way.
func (h helpedRun) place(s *loop.State) string {
	return fmt.Sprint(placeOf(s), slices.Sorted(maps.Keys(h.live)), slices.Sorted(maps.Keys(h.jobs)), h.crashes)
}

func placeOf(s *loop.State) string {
	text := fmt.Sprintf("%d %d %T %v", s.Run, s.Turn, loop.Next(s, limits), s.Paused())
	for _, c := range s.Calls {
		text += fmt.Sprintf(" (%d", c.Status)
		if c.Nested != nil {
			text += placeOf(c.Nested)
		}
		text += ")"
	}
	return text
}

// TestHelpers walks all orders of the events of two helpers with approvals and doubts inside,
// up to two crashes after any of the events, and the decisions in any order and in any
// portions. The replay equals the live state, every way comes to the end, and no function
// began again without a decision.
func TestHelpers(t *testing.T) {
	t.Parallel()
	crashes := 2
	if raced || testing.Short() {
		crashes = 1
	}
	walkHelpers(t, crashes, false)
}

// TestHelpersLate is TestHelpers with results from outside.
func TestHelpersLate(t *testing.T) {
	t.Parallel()
	walkHelpers(t, 1, true)
}

func walkHelpers(t *testing.T, crashes int, later bool) {
	t.Helper()
	first := helpedRun{later: later, live: map[event.CallRef]bool{}, jobs: map[event.CallRef]bool{}, started: map[event.CallRef]int{}, again: map[event.CallRef]int{}, crashes: crashes}.
		with("", event.RunStarted{Run: 1, Agent: "desk", ID: "x"}, event.UserMessaged{Message: llm.User("Go.")})
	seen, ends := map[string]bool{}, 0
	for todo := []helpedRun{first}; len(todo) > 0; {
		h := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		s := new(loop.State)
		for _, e := range h.events {
			require.NoError(t, s.Apply(e))
		}
		place := h.place(s)
		if seen[place] {
			continue
		}
		seen[place] = true
		if len(seen)%5 == 0 || !s.Running() {
			require.Equal(t, s, replay(t, h.events))
			snapshot := s.Snapshot()
			requireValid(t, snapshot.History(placeholder))
			refuseWrong(t, s)
		}
		if !s.Running() {
			ends++
			requireValid(t, s.Messages)
			require.Len(t, s.Messages, 5)
			require.Equal(t, "Done.", s.Text)
			for ref, n := range h.started {
				require.LessOrEqual(t, n, 1+h.again[ref], "%s", ref)
			}
			continue
		}
		next := h.next(t, s)
		require.NotEmpty(t, next, "stuck at %s", place)
		todo = append(todo, next...)
		if h.crashes > 0 && len(h.live)+len(h.jobs) > 0 {
			todo = append(todo, h.crash())
		}
	}
	t.Logf("%d places, %d ends", len(seen), ends)
	require.Greater(t, len(seen), 500*crashes)
}

// refuseWrong: events for a wrong path, late or repeated decisions and results change
// nothing.
func refuseWrong(t *testing.T, s *loop.State) {
	t.Helper()
	waits := map[event.CallRef]bool{}
	for _, c := range s.Undecided() {
		waits[c.Ref] = true
	}
	for _, path := range []event.CallRef{"", "r1.t1.c0", "r1.t1.c1", "r1.t1.c7", "r1.t1.c0/r1.t1.c0", "x"} {
		for _, ref := range []event.CallRef{"r1.t1.c0", "r1.t1.c0/r1.t1.c0", "r1.t1.c1/r1.t1.c0", "r1.t1.c0/r1.t1.c9"} {
			if waits[ref] && ref.Path() == path {
				continue
			}
			for _, b := range []event.Body{
				event.ApprovalDecided{Call: ref, Hash: event.HashArguments("{}"), Approved: true},
				event.InDoubtDecided{Call: ref, Decision: event.Happened, By: "caller"},
			} {
				if c := openCall(s, ref); c != nil && ref.Path() == path && c.Status == loop.Started && c.Nested == nil {
					continue // its function runs, and a decision would be right after a crash
				}
				before := s.Snapshot()
				require.Error(t, s.Apply(event.Event{Seq: s.Seq + 1, Path: path, Body: b}), "%s %s", path, ref)
				require.Equal(t, before, s.Snapshot())
			}
		}
	}
}

func openCall(s *loop.State, ref event.CallRef) *loop.Call {
	for _, c := range s.OpenBelow() {
		if c.Ref == ref {
			return &c
		}
	}
	return nil
}

// TestHelperLimits: what helpers use counts in the outer run, and the limits of the outer run
// hold inside.
func TestHelperLimits(t *testing.T) {
	t.Parallel()
	s := new(loop.State)
	add := func(path event.CallRef, bodies ...event.Body) {
		for _, b := range bodies {
			require.NoError(t, s.Apply(event.Event{Seq: s.Seq + 1, Path: path, Time: time.Unix(s.Seq, 0), Body: b}))
		}
	}
	const path = event.CallRef("r1.t1.c0")
	add("", event.RunStarted{Run: 1, ID: "x"}, event.UserMessaged{Message: llm.User("Go.")}, event.TurnPrepared{Turn: 1}, with(helpedAnswers[true][0], 1),
		event.ToolCallStarted{Call: path, Name: "help", Helper: true})
	add(path, event.RunStarted{Run: 1, Agent: "helper", ID: "y"}, event.UserMessaged{Message: llm.User("Help.")}, event.TurnPrepared{Turn: 1, Agent: "helper"},
		event.ModelAnswered{Turn: 1, Message: helpedAnswers[false][0].Message, Usage: llm.Usage{InputTokens: 100}, Cost: 2, Work: time.Second})
	require.Equal(t, llm.Usage{InputTokens: 103, OutputTokens: 2}, s.Usage)
	require.Equal(t, map[string]llm.Usage{"helper": {InputTokens: 100}}, s.Helped)
	require.InDelta(t, 2, s.Cost, 0)
	n := s.Below(path)
	require.IsType(t, loop.Start{}, loop.Next(n, loop.Limits{ToolCalls: 2, Outer: &loop.Limits{ToolCalls: 4}}))
	require.IsType(t, loop.Close{}, loop.Next(n, loop.Limits{ToolCalls: 2, Outer: &loop.Limits{ToolCalls: 3}}), "the outer run made two calls, and the helper two")
	for _, ref := range []event.CallRef{path + "/r1.t1.c0", path + "/r1.t1.c1"} {
		add(path, event.ToolCallFinished{Call: ref})
	}
	for _, lim := range []loop.Limits{{Tokens: 105}, {Input: 103}, {Cost: 2}, {Work: time.Second}} {
		require.IsType(t, loop.Prepare{}, loop.Next(n, loop.Limits{}))
		stop, ok := loop.Next(n, loop.Limits{Outer: &lim}).(loop.StopAtLimit)
		require.True(t, ok && stop.Outer, "%+v", lim)
	}
}
