package loop_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
)

// An answerer makes a session in which a person answers a question for good, many times.
type answerer struct {
	t     *testing.T
	state *loop.State
}

func (a *answerer) add(bodies ...event.Body) {
	for _, b := range bodies {
		require.NoError(a.t, a.state.Apply(event.Event{Seq: a.state.Seq + 1, Body: b}))
	}
}

func argumentsOf(n int) string { return fmt.Sprintf(`{"n":%d}`, n) }

// answer records a question and the answer, and closes the call.
func (a *answerer) answer(n int, reach event.Reach, approved bool) {
	if a.state.Run == 0 {
		a.add(event.RunStarted{Run: 1, Agent: "a"}, event.UserMessaged{Message: llm.User("Go.")})
	}
	turn := a.state.Turn + 1
	ref, arguments := event.NewCallRef(1, turn, 0), argumentsOf(n)
	a.add(event.TurnPrepared{Turn: turn, Agent: "a"}, with(answers["call"], turn),
		event.ApprovalAsked{Call: ref, Name: "f", Arguments: arguments, Hash: event.HashArguments(arguments)},
		event.ApprovalDecided{Call: ref, Hash: event.HashArguments(arguments), Approved: approved, Always: reach},
		event.ToolCallFinished{Call: ref})
}

// stands is the answer to a question, or "asked".
func (a *answerer) stands(n int) string {
	s, ok := a.state.StandsFor("a", "f", "", argumentsOf(n))
	switch {
	case !ok:
		return "asked"
	case s.Approved:
		return "approved"
	}
	return "denied"
}

// TestManyStanding: the oldest approval is forgotten, and no denial. Copies keep theirs.
func TestManyStanding(t *testing.T) {
	t.Parallel()
	a := &answerer{t, new(loop.State)}
	a.answer(0, event.SameArguments, false)
	for n := 1; n < 1000; n++ {
		a.answer(n, event.SameArguments, true)
	}
	require.Equal(t, "approved", a.stands(1))
	before := a.state.Snapshot()
	a.answer(1000, event.SameArguments, true)
	require.Equal(t, []string{"denied", "asked", "approved", "approved"}, []string{a.stands(0), a.stands(1), a.stands(2), a.stands(1000)})
	a.answer(1001, event.EveryCall, true)
	require.Equal(t, []string{"denied", "approved"}, []string{a.stands(0), a.stands(1)})
	require.Len(t, a.state.Standing(), 1000)
	copied := &answerer{t, &before}
	require.Equal(t, []string{"denied", "approved", "asked"}, []string{copied.stands(0), copied.stands(1), copied.stands(1000)})

	a.answer(500, event.SameArguments, false) // in place of an approval
	require.Equal(t, "denied", a.stands(500))
	all := a.state.Standing()
	require.Len(t, all, 1000)
	for i := range all[1:] {
		require.Less(t, all[i].Seq, all[i+1].Seq)
	}
	a.answer(500, event.SameArguments, true)
	require.Equal(t, "approved", a.stands(500))
	require.True(t, a.state.TakesStanding())
}

// TestManyDenials: a session full of denials takes no approval, and keeps every denial.
func TestManyDenials(t *testing.T) {
	t.Parallel()
	a := &answerer{t, new(loop.State)}
	a.answer(-1, event.EveryCall, true)
	for n := range 1000 {
		require.True(t, a.state.TakesStanding())
		a.answer(n, event.SameArguments, false)
	}
	require.False(t, a.state.TakesStanding())
	require.Equal(t, "asked", a.stands(-1))
	a.answer(-1, event.EveryCall, true) // by one input with the last denials
	a.answer(1000, event.SameArguments, false)
	require.Equal(t, []string{"asked", "denied", "denied"}, []string{a.stands(-1), a.stands(0), a.stands(1000)})
}

// TestLinear: the memory of many answers, and of a long partial answer, grows with their number
// and not with its square. The test is not parallel, because it counts the memory of the process.
func TestLinear(t *testing.T) {
	for name, tt := range map[string]struct {
		n    int
		each func(a *answerer, n int)
	}{
		"answers":      {1000, func(a *answerer, n int) { a.answer(n, event.SameArguments, true) }},
		"more answers": {3000, func(a *answerer, n int) { a.answer(n, event.SameArguments, n > 10) }},
		"decisions":    {1000, func(a *answerer, n int) { a.answer(n, "", true) }},
		"partial": {4000, func(a *answerer, n int) {
			if n == 0 {
				a.add(event.RunStarted{Run: 1, Agent: "a"}, event.UserMessaged{Message: llm.User("Go.")}, event.TurnPrepared{Turn: 1, Agent: "a"})
			}
			a.add(event.AnswerStreamed{Turn: 1, Text: strings.Repeat("x", 200), Reasoning: "y"})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bytes := func(n int) uint64 {
				a := &answerer{t, new(loop.State)}
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				for i := range n {
					tt.each(a, i)
				}
				runtime.ReadMemStats(&after)
				return after.TotalAlloc - before.TotalAlloc
			}
			few, many := bytes(tt.n/4), bytes(tt.n)
			require.Less(t, many, 7*few, "4 times the events")
		})
	}
}

// TestPartialOfCopies: a copy of the state keeps its text, and a trial changes nothing.
func TestPartialOfCopies(t *testing.T) {
	t.Parallel()
	a := &answerer{t, new(loop.State)}
	a.add(event.RunStarted{Run: 1, Agent: "a"}, event.UserMessaged{Message: llm.User("Go.")}, event.TurnPrepared{Turn: 1, Agent: "a"})
	want := ""
	for i := range 100 {
		a.add(event.AnswerStreamed{Turn: 1, Text: fmt.Sprint(i, " "), Reasoning: "r"})
		want += fmt.Sprint(i, " ")
		copied := a.state.Snapshot()
		require.NoError(t, a.state.Try([]event.Event{{Seq: a.state.Seq + 1, Body: event.AnswerStreamed{Turn: 1, Text: "tried"}}}))
		a.add(event.AnswerStreamed{Turn: 1, Text: "; "})
		require.Equal(t, want, copied.Partial.Text())
		want += "; "
		require.Equal(t, want, a.state.Partial.Text())
		require.Equal(t, strings.Repeat("r", i+1), a.state.Partial.Reasoning())
	}
	a.add(event.AnswerStreamed{Turn: 1, Text: "New.", Again: true})
	require.Equal(t, []string{"New.", ""}, []string{a.state.Partial.Text(), a.state.Partial.Reasoning()})
}
