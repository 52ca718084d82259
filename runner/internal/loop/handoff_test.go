package loop_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
)

// handoffs are the tools that hand the conversation over, and how often.
type handoffs struct {
	tools []string
	most  int
}

// other is the name of the other of two agents.
func (s *session) other() string { return map[string]string{"a": "b", "b": "a"}[s.state.Agent] }

// handsOver notes the next agent in the first result of a hand-off of an answer.
func (s *session) handsOver(b event.ToolCallFinished) event.ToolCallFinished {
	if s.handoffs != nil && slices.Contains(s.handoffs.tools, b.Result.Name) && s.state.HandsTo() == "" {
		b.Handoff = s.other()
	}
	return b
}

// handOff gives the conversation to the other of two agents.
func (s *session) handOff(a loop.HandOff) {
	s.t.Helper()
	require.Contains(s.t, s.handoffs.tools, a.Call.Call.Name)
	require.Equal(s.t, s.other(), a.To)
	b := event.HandedOff{Turn: a.Turn, From: s.state.Agent, To: a.To, Call: a.Call.Ref}
	if s.filterFails {
		b.Failure = "not handed over"
		s.apply(b)
		require.Equal(s.t, b.From, s.state.Agent)
		requireValid(s.t, s.state.History(placeholder))
		_, again := s.next().(loop.HandOff)
		require.False(s.t, again, "a hand-off that failed is over")
		return
	}
	if s.filtered {
		var seen []llm.Message
		for _, i := range s.state.Fixed() {
			seen = append(seen, s.state.Messages[i])
		}
		b.Before, b.History = len(s.state.Messages), loop.Align(s.state.Messages, append(seen, llm.User("So far.")))
	}
	require.NoError(s.t, loop.CheckHandedOff(s.state.Snapshot(), b))
	s.apply(b)
	require.Equal(s.t, b.To, s.state.Agent)
	requireValid(s.t, s.state.History(placeholder))
	_, again := s.next().(loop.HandOff)
	require.False(s.t, again, "once for a call")
}

// TestEveryHandOff walks sequences of answers in which calls of g, or of f, hand over, with
// checks and without: the process dies after every event, or the run fails after it. The
// conversation stays with the agent that has it, and a call hands over once.
func TestEveryHandOff(t *testing.T) {
	t.Parallel()
	total := 0
	for i, names := range scripts() {
		if len(names) > 2 {
			continue
		}
		for k, handoffs := range []*handoffs{{tools: []string{"g"}}, {tools: []string{"f", "g"}, most: 1}, {tools: []string{"f"}, most: 2}} {
			way := session{t: t, handoffs: handoffs, filtered: i%2 == 0, filterFails: i%7 == 3, serial: i%5 == 0, reject: (i+k)%7 == 0, lastTurn: (i+k)%4 == 0}
			if (i+k)%3 == 0 {
				way.guards, way.verdicts = allGuards[k%2], guardWays[(i*3+k)%len(guardWays)]
			}
			whole := walkGuarded(way, nil, false, script(names...))
			total += handed(whole.events)
			most := 99
			if handoffs.most > 0 && way.guards == nil { // a check that fails begins another run
				most = handoffs.most
			}
			require.LessOrEqual(t, handed(whole.events), most)
			for cut := 1; cut < len(whole.events); cut++ {
				if raced && cut%3 != 0 {
					continue
				}
				after := walkGuarded(way, whole.events[:cut], cut%2 == 0, script())
				require.Equal(t, []string{"a", "b"}[handed(after.events)%2], after.state.Agent)
				calls := map[event.CallRef]bool{}
				for _, e := range after.events {
					if b, ok := e.Body.(event.HandedOff); ok {
						require.False(t, calls[b.Call], "%s hands over twice", b.Call)
						calls[b.Call] = true
					}
				}
			}
		}
	}
	require.Greater(t, total, map[bool]int{false: 50, true: 10}[raced])
}

func handed(events []event.Event) (n int) {
	for _, e := range events {
		if b, ok := e.Body.(event.HandedOff); ok && b.Failure == "" {
			n++
		}
	}
	return n
}

// TestHandOffsThatDoNotFit: such an event changes nothing.
func TestHandOffsThatDoNotFit(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	s.begin()
	s.apply(event.TurnPrepared{Turn: 1, Agent: "a"}, with(answers["others"], 1))
	refuse := func(b event.HandedOff) {
		t.Helper()
		before := replay(t, s.events)
		require.Error(t, s.state.Apply(event.Event{Seq: s.state.Seq + 1, Time: time.Unix(0, 0), Body: b}))
		require.Equal(t, before, s.state)
	}
	good := event.HandedOff{Turn: 2, From: "a", To: "b", Call: "r1.t1.c0"}
	refuse(good) // the calls are open
	calls := s.state.Open()
	failed := finished(calls[1], "no")
	failed.Result.IsError = true
	over := finished(calls[0], "over")
	over.Handoff = "b"
	s.apply(over, failed)
	for _, change := range []func(*event.HandedOff){
		func(b *event.HandedOff) { b.Turn = 1 },
		func(b *event.HandedOff) { b.To = "" },
		func(b *event.HandedOff) { b.To = "c" },                    // not as the result says
		func(b *event.HandedOff) { b.Call, b.Failure = "", "why" }, // no result says otherwise
		func(b *event.HandedOff) { b.Call = "r1.t1.c1" },           // failed
		func(b *event.HandedOff) { b.Call = "r1.t1.c9" },
		func(b *event.HandedOff) { b.Before, b.History = 3, []event.Stretch{{Count: 1}} },
		func(b *event.HandedOff) { b.Before, b.History = 4, []event.Stretch{{Count: 2}} },          // splits pairs
		func(b *event.HandedOff) { b.Before, b.History = 4, []event.Stretch{{From: 1, Count: 3}} }, // without the user's message
	} {
		b := good
		change(&b)
		refuse(b)
	}
	failing := good
	failing.Failure = "not handed over"
	stays := replay(t, s.events)
	require.NoError(t, stays.Apply(event.Event{Seq: stays.Seq + 1, Body: failing}))
	require.Equal(t, "a", stays.Agent)
	require.Empty(t, stays.HandsTo())
	require.Equal(t, "not handed over", stays.Messages[2].Results()[0].Text())
	require.Error(t, stays.Apply(event.Event{Seq: stays.Seq + 1, Body: good}), "it is over")
	s.apply(good)
	refuse(good) // twice
}
