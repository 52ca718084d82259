package loop_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
)

// scripts are all sequences of up to three answers, each with its calls started
// or rejected. The race detector gets every sequence of one answer, and a seventh of
// the longer sequences: seven and the number of answers have no common divisor, so
// every answer comes at every place.
func scripts() [][]string {
	names := slices.Sorted(maps.Keys(answers))
	all := [][]string{nil}
	for last := all; len(last[0]) < 3; {
		var longer [][]string
		for _, s := range last {
			for _, n := range names {
				longer = append(longer, append(slices.Clone(s), n))
			}
		}
		all, last = append(all, longer...), longer
	}
	if raced {
		place := -1
		all = slices.DeleteFunc(all, func(s []string) bool { place++; return len(s) > 1 && place%7 != 0 })
	}
	return all
}

// ways are the settings of the walks.
var ways = []struct {
	reject, serial bool
	choice         llm.ToolChoice
	checks         string // of the final answers; empty: any text is an answer
	more           loop.Limits
	lastTurn       bool
	change         bool
	stopAfter      int
}{
	{stopAfter: 1}, {stopAfter: 2, reject: true, checks: "m", more: loop.Limits{ToolCalls: 1, Repeats: 2}},
	{change: true, more: loop.Limits{Repeats: 2}}, {change: true, checks: "m", lastTurn: true, more: loop.Limits{ToolCalls: 1}},
	{more: loop.Limits{ToolCalls: 1, Repeats: 2}}, {more: loop.Limits{ToolCalls: 1, Tokens: 11}, lastTurn: true, checks: "m"}, {more: loop.Limits{Repeats: 2}, lastTurn: true},
	{more: loop.Limits{Compact: 12}}, {more: loop.Limits{Compact: 12, ToolCalls: 1}, lastTurn: true}, {more: loop.Limits{Compact: 12, Repeats: 2, Request: 16}, checks: "mm"},
	{checks: "o"}, {checks: "m"}, {checks: "r", serial: true}, {checks: "mm"}, {checks: "rm", choice: llm.ToolRequired},
	{}, {reject: true}, {serial: true},
	{choice: llm.ToolNone}, {choice: llm.ToolRequired}, {choice: llm.ToolNamed("g")},
	{choice: llm.ToolNamed("f"), serial: true}, {choice: llm.ToolNamed("f"), reject: true}, {choice: llm.ToolNone, serial: true},
	{choice: llm.ToolAmong(llm.ToolAuto, "g")}, {choice: llm.ToolAmong(llm.ToolRequired, "g")},
}

// TestEveryScript walks every sequence of answers to its end: the run ends, the
// history is valid after every event, and a replay through JSON equals the live
// state.
func TestEveryScript(t *testing.T) {
	t.Parallel()
	for i, way := range ways {
		for _, names := range scripts() {
			if i > 14 && len(names) > 2 {
				continue
			}
			s := newSession(t)
			s.reject, s.serial, s.choice, s.checks, s.more, s.lastTurn, s.change, s.stopAfter = way.reject, way.serial, way.choice, way.checks, way.more, way.lastTurn, way.change, way.stopAfter
			next := script(names...)
			s.begin()
			for steps := 0; s.step(next); steps++ {
				require.Less(t, steps, 50, "%v does not end", names)
				requireValid(t, s.state.History(placeholder))
			}
			require.LessOrEqual(t, s.state.Turn, limits.Turns)
			require.Equal(t, s.state, replay(t, s.events), "%v", names)
			s.choice, s.checks, s.more, s.stopAfter = "", "", loop.Limits{}, 0
			s.run(script()) // the session goes on
			require.Equal(t, "Done.", s.state.Text)
			requireValid(t, s.state.Messages)
		}
	}
}

// TestEveryCrash cuts the events of each sequence off after every one. A new
// process that knows only those continues the session.
func TestEveryCrash(t *testing.T) {
	t.Parallel()
	for i, names := range scripts() {
		if len(names) > 2 {
			continue
		}
		s := newSession(t)
		s.stream = i%2 == 0
		s.checks, s.more, s.lastTurn, s.change, s.stopAfter = ways[i%len(ways)].checks, ways[i%len(ways)].more, ways[i%len(ways)].lastTurn, ways[i%len(ways)].change, ways[i%len(ways)].stopAfter
		s.run(script(names...))
		for cut := range s.events {
			after := newSession(t)
			after.stream = s.stream
			after.checks, after.more, after.lastTurn, after.change, after.stopAfter = s.checks, s.more, s.lastTurn, s.change, s.stopAfter
			after.events = slices.Clone(s.events[:cut])
			after.state = replay(t, after.events)
			requireValid(t, after.state.History(placeholder))
			after.run(script())
			require.Equal(t, "Done.", after.state.Text, "%v cut after %d", names, cut)
			requireValid(t, after.state.Messages)
			require.Empty(t, after.state.Calls)
			require.Equal(t, after.state, replay(t, after.events))
		}
	}
}

// TestEveryFailure ends the run by an error after every event.
func TestEveryFailure(t *testing.T) {
	t.Parallel()
	for _, names := range scripts() {
		if len(names) > 2 {
			continue
		}
		whole := newSession(t)
		whole.run(script(names...))
		for cut := range whole.events[1:] {
			s := newSession(t)
			s.apply(bodies(whole.events[:cut+1])...)
			if !s.state.Running() {
				continue
			}
			s.apply(event.RunFailed{Run: s.state.Run, Error: "planted"})
			require.Equal(t, loop.Idle{}, loop.Next(s.state, limits))
			requireValid(t, s.state.History(placeholder))
			s.run(script())
			requireValid(t, s.state.Messages)
			require.Equal(t, s.state, replay(t, s.events))
		}
	}
}

// TestEveryFailureGoesOn ends the run by an error after every event, takes back the
// starts of its open calls, and continues without a message. Each allowed call runs
// once.
func TestEveryFailureGoesOn(t *testing.T) {
	t.Parallel()
	for i, way := range ways {
		for _, names := range scripts() {
			if len(names) > 2 || i > 10 && len(names) > 1 {
				continue
			}
			whole := newSession(t)
			whole.reject, whole.serial, whole.choice, whole.checks, whole.more, whole.lastTurn, whole.change, whole.stopAfter = way.reject, way.serial, way.choice, way.checks, way.more, way.lastTurn, way.change, way.stopAfter
			whole.run(script(names...))
			for cut := range whole.events[1:] {
				s := newSession(t)
				s.reject, s.serial, s.choice, s.checks, s.more, s.lastTurn, s.change, s.stopAfter = way.reject, way.serial, way.choice, way.checks, way.more, way.lastTurn, way.change, way.stopAfter
				s.apply(bodies(whole.events[:cut+1])...)
				if !s.state.Running() {
					continue
				}
				began := map[event.CallRef]bool{}
				for _, c := range s.state.Open() {
					began[c.Ref] = true
					if c.Status == loop.Started {
						s.apply(event.InDoubtDecided{Call: c.Ref, Decision: event.RunAgain, By: "runner"})
					}
				}
				chosen := s.state.ChoiceMet
				s.apply(event.RunFailed{Run: s.state.Run, Error: "planted"}, event.RunStarted{Run: s.state.Run + 1, Agent: "a"})
				require.Equal(t, chosen, s.state.ChoiceMet, "nobody said anything new")
				for s.step(script()) {
				}
				for ref := range s.ran {
					require.Equal(t, 1, s.ran[ref], "%v cut after %d", names, cut)
					delete(began, ref)
				}
				for ref := range began {
					require.True(t, way.reject || forbiddenOrCut(s.events, ref), "%v cut after %d: %s did not run", names, cut, ref)
				}
				requireValid(t, s.state.Messages)
				if cut%5 == i%5 { // the other walks replay each one
					require.Equal(t, s.state, replay(t, s.events))
				}
			}
		}
	}
}

// forbiddenOrCut reports whether a call was closed.
func forbiddenOrCut(events []event.Event, ref event.CallRef) bool {
	return slices.ContainsFunc(bodies(events), func(b event.Body) bool {
		f, ok := b.(event.ToolCallFinished)
		return ok && f.Call == ref && f.Result.Text() == "closed"
	})
}

func bodies(events []event.Event) []event.Body {
	out := make([]event.Body, len(events))
	for i, e := range events {
		out[i] = e.Body
	}
	return out
}

// TestEveryOrder finishes five concurrent calls in each of the 120 orders: the
// history is the same, and so are the states at its end.
func TestEveryOrder(t *testing.T) {
	t.Parallel()
	five := answer("tool_calls", toolCall("a", "{}"), toolCall("b", "{}"), toolCall("a", "{}"), toolCall("", "{}"), toolCall("", "{}"))
	var want *loop.State
	orders := 0
	permute([]int{0, 1, 2, 3, 4}, 0, func(order []int) {
		orders++
		s := newSession(t)
		s.order = order
		first := true
		s.run(func() event.ModelAnswered {
			if first {
				first = false
				return five
			}
			return answers["final"]
		})
		requireValid(t, s.state.Messages)
		for i := range 5 {
			text := s.state.Messages[2+i].Parts[0].(llm.ToolResult).Text()
			require.Equal(t, "result "+string(rune('0'+i)), text)
		}
		if want == nil {
			want = s.state
		}
		require.Equal(t, want, s.state)
		require.Equal(t, s.state, replay(t, s.events))
	})
	require.Equal(t, 120, orders)
}

func permute(a []int, k int, do func([]int)) {
	if k == len(a) {
		do(slices.Clone(a))
		return
	}
	for i := k; i < len(a); i++ {
		a[k], a[i] = a[i], a[k]
		permute(a, k+1, do)
		a[k], a[i] = a[i], a[k]
	}
}

// TestEveryWrongEvent applies, in each state of a walk, events of every kind.
// Those that are refused change nothing.
func TestEveryWrongEvent(t *testing.T) {
	t.Parallel()
	whole := newSession(t)
	whole.stream = true
	whole.run(script("call", "empty", "calls", "cutoff"))
	kinds := map[string]event.Body{}
	for _, e := range whole.events {
		kinds[e.Type()] = e.Body
	}
	kinds["limit_reached"] = event.LimitReached{Limit: "turns", Max: 5}
	kinds["run_failed"] = event.RunFailed{Run: 1}
	kinds["text_delta"] = event.TextDelta{Text: "x"}
	refused, taken := 0, 0
	for cut := range whole.events {
		for kind, body := range kinds {
			s := newSession(t)
			s.apply(bodies(whole.events[:cut])...)
			before := replay(t, s.events)
			e := event.Event{Seq: s.state.Seq + 1, Time: time.Unix(0, 0), Body: body}
			tried := s.state.Try([]event.Event{e})
			require.Equal(t, before, s.state, "%s is tried after %d events", kind, cut)
			err := s.state.Apply(e)
			require.Equal(t, err, tried)
			if err == nil {
				taken++
				continue
			}
			refused++
			require.Equal(t, before, s.state, "%s after %d events", kind, cut)
		}
	}
	require.Greater(t, refused, taken)
	require.Error(t, whole.state.Apply(event.Event{Seq: whole.state.Seq, Body: event.RunStarted{Run: 2}}), "a seq twice")
	require.Error(t, whole.state.Apply(event.Event{Seq: whole.state.Seq + 2, Body: event.RunStarted{Run: 2}}), "a gap")
}

// TestLimits tells how runs end that do not end by themselves.
func TestLimits(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		answer string
		reject bool
		turns  int
		want   event.Body
	}{
		{"turns", "call", false, 5, event.LimitReached{Limit: "turns", Max: 5}},
		{"invalid rounds", "calls", true, 2, event.LimitReached{Limit: "invalid_rounds", Max: 2}},
		{"cut off", "cutoff", false, 2, event.RunFailed{Run: 1, Error: "cut_off"}},
		{"empty", "empty", false, 2, event.RunFailed{Run: 1, Error: "empty"}},
		{"lost", "lost", false, 2, event.RunFailed{Run: 1, Error: "lost_calls"}},
		{"refused", "refused", false, 1, event.RunFailed{Run: 1, Error: "refusal"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSession(t)
			s.reject = tt.reject
			s.run(func() event.ModelAnswered { return answers[tt.answer] })
			require.Equal(t, tt.turns, s.state.Turn)
			require.Contains(t, bodies(s.events), tt.want)
			require.IsType(t, event.RunFailed{}, s.events[len(s.events)-1].Body)
		})
	}
}

// TestInDoubt: a started call without a result needs a decision, and does not run again.
func TestInDoubt(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	s.begin()
	for range 3 {
		s.step(script("call"))
	}
	doubt, ok := loop.Next(replay(t, s.events), limits).(loop.Decide)
	require.True(t, ok)
	require.Equal(t, loop.Started, doubt.Calls[0].Status)
}

// TestNextSharesNothing: what Next returned stays as it was.
func TestNextSharesNothing(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	s.begin()
	s.step(nil)
	s.step(script("calls"))
	start := loop.Next(s.state, limits).(loop.Start)
	before := slices.Clone(start.Calls)
	s.step(nil)
	s.finishLive()
	require.Equal(t, before, start.Calls)
}

// TestSecondChances: an unusable answer is forgiven again after a useful one.
func TestSecondChances(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	s.run(script("cutoff", "call", "cutoff"))
	require.Equal(t, loop.Final, s.state.Class)
	require.Equal(t, 4, s.state.Turn)

	s.run(script("cutoff", "cutoff"))
	require.Equal(t, loop.CutOff, s.state.Class)
	s.run(script("cutoff")) // and again in another run
	require.Equal(t, loop.Final, s.state.Class)
}

// TestPairing: a result answers the call that it is for, whatever it says.
func TestPairing(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	s.begin()
	s.step(nil)
	s.step(script("call"))
	s.apply(event.ToolCallFinished{Call: "r1.t1.c0", Result: llm.ToolResult{CallID: "other", Parts: llm.Parts{llm.Text{Text: "x"}}}})
	require.Equal(t, llm.ToolResult{CallID: "a", Name: "f", Parts: llm.Parts{llm.Text{Text: "x"}}}, s.state.Messages[2].Results()[0])
}

// TestOfferedTools: no word of them means those of the turn before, in another
// run, too; an empty list means none. A replay through JSON knows the difference.
func TestOfferedTools(t *testing.T) {
	t.Parallel()
	f, g := event.OfferedTool{Name: "f", Fingerprint: "1"}, event.OfferedTool{Name: "g", Fingerprint: "2"}
	s := newSession(t)
	for run, tt := range []struct {
		agent string
		told  []event.OfferedTool
		want  []event.OfferedTool
	}{
		{"a", nil, nil},
		{"a", []event.OfferedTool{f, g}, []event.OfferedTool{f, g}},
		{"a", nil, []event.OfferedTool{f, g}},
		{"b", nil, []event.OfferedTool{f, g}},
		{"b", []event.OfferedTool{}, []event.OfferedTool{}},
		{"b", nil, []event.OfferedTool{}},
		{"a", []event.OfferedTool{g}, []event.OfferedTool{g}},
	} {
		s.apply(
			event.RunStarted{Run: run + 1, Agent: tt.agent}, event.UserMessaged{Message: llm.User("Go.")},
			event.TurnPrepared{Turn: 1, Agent: tt.agent, Tools: tt.told})
		require.Equal(t, tt.want, s.state.Tools)
		require.Equal(t, tt.agent, s.state.ToolsAgent)
		require.Equal(t, s.state, replay(t, s.events))
		s.apply(event.RunFailed{Run: run + 1})
		require.Equal(t, s.state, replay(t, s.events))
	}
	s.apply(event.RunStarted{Run: 8, Agent: "c"})
	require.Equal(t, "a", s.state.ToolsAgent, "until a turn of another agent is prepared")
}

// TestChoiceIsHeld: the machine enforces the tool choice of a turn for its calls and
// for the turns after it, also after a replay of the events.
func TestChoiceIsHeld(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		choice  llm.ToolChoice
		answers []string
		choices []llm.ToolChoice // of the turns
		barred  []event.CallRef
		want    event.Body // the last
	}{
		{"none, a call", llm.ToolNone, []string{"call"}, []llm.ToolChoice{"none", "none"}, []event.CallRef{"r1.t1.c0"}, event.RunFinished{Run: 1}},
		{"none, calls without end", llm.ToolNone, []string{"call", "calls", "call"}, []llm.ToolChoice{"none", "none"},
			[]event.CallRef{"r1.t1.c0", "r1.t2.c0", "r1.t2.c1"}, event.RunFailed{Run: 1, Error: "callsinvalid_rounds"}},
		{"named, another one beside it", llm.ToolNamed("g"), []string{"others"}, []llm.ToolChoice{"tool:g", ""}, []event.CallRef{"r1.t1.c1"}, event.RunFinished{Run: 1}},
		{"named, another one", llm.ToolNamed("g"), []string{"call", "others"}, []llm.ToolChoice{"tool:g", "tool:g", ""},
			[]event.CallRef{"r1.t1.c0", "r1.t2.c1"}, event.RunFinished{Run: 1}},
		{"named, text", llm.ToolNamed("f"), []string{"final", "call"}, []llm.ToolChoice{"tool:f", "tool:f", ""}, nil, event.RunFinished{Run: 1}},
		{"named, text for ever", llm.ToolNamed("f"), nil, []llm.ToolChoice{"tool:f", "tool:f"}, nil, event.RunFailed{Run: 1, Error: "no_call"}},
		{"required, cut off", llm.ToolRequired, []string{"cutoff", "call"}, []llm.ToolChoice{"required", "required", ""}, nil, event.RunFinished{Run: 1}},
		{"required, nothing", llm.ToolRequired, []string{"empty", "call"}, []llm.ToolChoice{"required", "required", ""}, nil, event.RunFinished{Run: 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSession(t)
			s.choice = tt.choice
			next := script(tt.answers...)
			s.begin()
			var choices []llm.ToolChoice
			var barred []event.CallRef
			for {
				s.state = replay(t, s.events) // each step is another process's
				if closing, ok := s.next().(loop.Close); ok {
					for _, c := range closing.Calls {
						if c.Forbidden {
							barred = append(barred, c.Ref)
						}
					}
				}
				if !s.step(next) {
					break
				}
				if b, ok := s.events[len(s.events)-1].Body.(event.TurnPrepared); ok {
					choices = append(choices, b.ToolChoice)
				}
			}
			require.Equal(t, tt.choices, choices)
			require.Equal(t, tt.barred, barred)
			require.Equal(t, tt.want, s.events[len(s.events)-1].Body)
		})
	}
}

// TestSerial: a call waits for the end of the calls before it, and for decisions about
// them.
func TestSerial(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	s.serial, s.ask = true, true
	s.run(script("calls"))
	var kinds []string
	for _, e := range s.events[4:] {
		kinds = append(kinds, e.Type())
	}
	one := []string{"approval_asked", "run_paused", "approval_decided", "tool_call_started", "tool_call_finished"}
	require.Equal(t, slices.Concat(one, one, []string{"turn_prepared", "model_answered", "run_finished"}), kinds)
}

// TestTakenBack: a call whose start is taken back is in the state before its start.
func TestTakenBack(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		by   string // who let it run again before; "": it runs for the first time
		want loop.Status
	}{{"first", "", loop.Proposed}, {"again", "caller", loop.Cleared}, {"idempotent", "idempotent", loop.Cleared}, {"did not happen", "tool", loop.Proposed}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newSession(t)
			s.begin()
			for range 3 {
				s.step(script("call"))
			}
			ref := s.state.Open()[0].Ref
			if tt.by != "" {
				s.apply(event.InDoubtDecided{Call: ref, Decision: event.RunAgain, By: tt.by}, event.ToolCallStarted{Call: ref, Arguments: "{}"})
			}
			before := s.state.Open()[0]
			s.apply(event.InDoubtDecided{Call: ref, Decision: event.RunAgain, By: "runner"})
			after := s.state.Open()[0]
			require.Equal(t, tt.want, after.Status)
			after.Status = before.Status
			require.Equal(t, before, after)
		})
	}
}
