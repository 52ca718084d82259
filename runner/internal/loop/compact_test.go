package loop_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
)

// compact keeps what must stay, and puts a short summary behind it. A history that cannot
// become smaller ends the run.
func (s *session) compact(turn int) {
	s.t.Helper()
	var now []llm.Message
	for _, i := range s.state.Fixed() {
		now = append(now, s.state.Messages[i])
	}
	b := event.Compacted{Turn: turn, Before: len(s.state.Messages), History: loop.Align(s.state.Messages, append(now, llm.User("S"))), Usage: llm.Usage{InputTokens: 1}}
	if loop.CheckCompacted(*s.state, b) != nil {
		s.apply(event.RunFailed{Run: s.state.Run, Error: "no smaller"})
		return
	}
	before := s.state.Estimate(0)
	s.apply(b)
	require.Less(s.t, s.state.Estimate(0), before)
	_, again := s.next().(loop.Compact)
	require.False(s.t, again, "once before a turn")
}

// TestEveryOverflow: the request of each turn is too long for the model. The history is
// compacted after it, and the turn goes on. The process dies after every event.
func TestEveryOverflow(t *testing.T) {
	t.Parallel()
	overflows := 0
	for _, names := range scripts() {
		if len(names) > 2 {
			continue
		}
		run := func(s *session, next func() event.ModelAnswered) {
			s.begin()
			for steps := 0; ; steps++ {
				require.Less(t, steps, 60)
				if s.state.CanCompact() && len(s.state.Messages) > 3 {
					s.compact(s.state.Turn)
					overflows++
					require.False(t, s.state.CanCompact(), "once in a turn")
				}
				if !s.step(next) {
					return
				}
				requireValid(t, s.state.History(placeholder))
			}
		}
		s := newSession(t)
		run(s, script(names...))
		require.Equal(t, s.state, replay(t, s.events))
		for cut := range s.events {
			after := newSession(t)
			after.events = slices.Clone(s.events[:cut])
			after.state = replay(t, after.events)
			run(after, script())
			require.Equal(t, "Done.", after.state.Text)
			require.Equal(t, after.state, replay(t, after.events))
		}
	}
	require.Greater(t, overflows, map[bool]int{false: 100, true: 20}[raced], "the walks see few overflows")
}

// TestCompactedRefuses: a compaction that would break the history changes nothing.
func TestCompactedRefuses(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	s.ask = true
	s.apply(event.RunStarted{Run: 1}, event.UserMessaged{Message: llm.System("Rules.")}, event.UserMessaged{Message: llm.User("Earlier.")})
	s.apply(event.UserMessaged{Message: llm.User("Go.")})
	next := script("call", "lost", "calls")
	for s.state.Turn < 3 || len(s.state.Calls) > 0 || s.state.Prepared() {
		if s.state.Turn > 1 {
			s.ask = false
		}
		s.step(next)
	}
	// system, two of the user, an approved call, an answer in words, the request to go on, two calls
	require.Len(t, s.state.Messages, 10)
	require.Equal(t, []int{0, 2, 3, 4}, s.state.Fixed())
	require.Equal(t, []int{6}, s.state.Written())
	before := s.state.Snapshot()
	message := func(m llm.Message) event.Stretch { return event.Stretch{Message: &m} }
	whole := event.Stretch{Count: 5}
	for _, tt := range []struct {
		want    string
		history []event.Stretch
	}{
		{"missing or changed", nil},
		{"missing or changed", []event.Stretch{{Count: 2}, {From: 3, Count: 7}}},                                                       // the last message of the user
		{"missing or changed", []event.Stretch{{From: 1, Count: 9}}},                                                                   // the system message
		{"missing or changed", []event.Stretch{{Count: 4}, {From: 7, Count: 3}}},                                                       // the result of the approved call
		{"missing or changed", []event.Stretch{{Count: 3}, {From: 7, Count: 3}}},                                                       // the approved call
		{"has no result directly after it", []event.Stretch{whole, {From: 7, Count: 2}}},                                               // the second result
		{"has no result directly after it", []event.Stretch{whole, {From: 7, Count: 1}, message(llm.User("no")), {From: 8, Count: 2}}}, //
		{"is a result without its call", []event.Stretch{whole, {From: 8, Count: 2}}},
		{"does not become smaller", []event.Stretch{whole, message(llm.User(string(make([]byte, 1000))))}},
		{"cannot be kept", []event.Stretch{{Count: 11}}},
		{"cannot be kept", []event.Stretch{{From: -1, Count: 3}}},
		{"cannot be kept", []event.Stretch{{Count: 5}, {From: 4, Count: 1}}},
		{"cannot be kept", []event.Stretch{{From: 1 << 62, Count: 1 << 62}}},
		{"cannot be kept", []event.Stretch{{}}},
		{"has no part", []event.Stretch{whole, message(llm.Message{Role: llm.RoleUser})}},
		{`has the role "system"`, []event.Stretch{whole, message(llm.System("a"))}},
	} {
		b := event.Compacted{Turn: 4, Before: 10, History: tt.history}
		require.ErrorContains(t, s.state.Apply(event.Event{Seq: s.state.Seq + 1, Body: b}), tt.want)
		require.Equal(t, before.Messages, s.state.Messages)
		require.Equal(t, before.Fixed(), s.state.Fixed())
	}
	for _, b := range []event.Compacted{
		{Turn: 3, Before: 10, History: []event.Stretch{whole}}, {Turn: 4, Before: 9, History: []event.Stretch{whole}},
	} {
		require.Error(t, loop.CheckCompacted(*s.state, b))
	}
	s.apply(event.Compacted{Turn: 4, Before: 10, History: []event.Stretch{{Count: 1}, {From: 2, Count: 3}, message(llm.User("So far.")), {From: 7, Count: 3}}})
	require.Equal(t, []int{0, 1, 2, 3}, s.state.Fixed())
	require.Equal(t, []int{4}, s.state.Written())
	require.Error(t, loop.CheckCompacted(*s.state, event.Compacted{Turn: 4, Before: 8, History: []event.Stretch{{Count: 5}}}), "once before a turn")
}

func TestAlign(t *testing.T) {
	t.Parallel()
	m := func(text string) llm.Message { return llm.User(text) }
	old := []llm.Message{m("a"), m("b"), m("a"), m("c")}
	for _, tt := range []struct {
		now  []llm.Message
		want []event.Stretch
	}{
		{nil, nil},
		{old, []event.Stretch{{Count: 4}}},
		{old[2:], []event.Stretch{{From: 2, Count: 2}}},
		{[]llm.Message{m("a"), old[1]}, []event.Stretch{{Count: 2}}},                                  // equal before the same
		{[]llm.Message{m("c"), old[1]}, []event.Stretch{{Message: new(m("c"))}, {From: 1, Count: 1}}}, // equal behind the same
		{[]llm.Message{old[3], old[0]}, []event.Stretch{{Message: new(m("c"))}, {Count: 1}}},          // another order
		{[]llm.Message{old[0], m("s"), old[3]}, []event.Stretch{{Count: 1}, {Message: new(m("s"))}, {From: 3, Count: 1}}},
		{[]llm.Message{{Role: llm.RoleUser}}, []event.Stretch{{Message: &llm.Message{Role: llm.RoleUser}}}},
	} {
		require.Equal(t, tt.want, loop.Align(old, tt.now))
	}
	history := []event.Stretch{{Count: 1}, {Message: new(m("s"))}, {From: 2, Count: 2}}
	require.Equal(t, []int{0, 2, 3}, loop.Positions(history, []int{0, 1, 2, 3}))
	require.Equal(t, []int{1, 3}, loop.Written(history, []int{1, 3}))
}
