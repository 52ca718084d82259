package loop_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
)

// deferred returns a session whose call is Late.
func deferred(t *testing.T) (*session, loop.Call) {
	t.Helper()
	s := newSession(t)
	s.later = true
	s.begin()
	for range 4 {
		s.step(script("call"))
	}
	c := s.state.Open()[0]
	require.Equal(t, loop.Late, c.Status)
	return s, c
}

// TestLate: the run pauses for the result, and the session remembers the end of the call.
func TestLate(t *testing.T) {
	t.Parallel()
	s, c := deferred(t)
	require.Equal(t, "handle 0", c.Handle())
	require.Equal(t, time.Unix(1e6, 0).UTC(), c.Until())
	require.True(t, c.Waits() && c.TakesResult())
	_, known := s.state.End(c.ID())
	require.False(t, known)
	for s.step(script()) {
	}
	require.Equal(t, "Done.", s.state.Text)
	end, known := s.state.End(c.ID())
	require.True(t, known)
	require.Equal(t, loop.End{ID: c.ID(), Given: 7, Done: 1}, end)
	require.Equal(t, s.state, replay(t, s.events))
	require.Equal(t, time.Second, s.state.Work, "the wait is no work")
}

// TestLateClosed: a message closes the call, and the session knows that no result came.
func TestLateClosed(t *testing.T) {
	t.Parallel()
	s, c := deferred(t)
	s.apply(event.RunPaused{Run: 1, Calls: []event.CallRef{c.Ref}, Late: []event.CallRef{c.Ref}})
	s.run(script())
	end, known := s.state.End(c.ID())
	require.True(t, known)
	require.Equal(t, loop.End{ID: c.ID(), Done: 2}, end)
}

// TestLateOrder: which events may come to a call in which status, paused or not.
func TestLateOrder(t *testing.T) {
	t.Parallel()
	given := func(ref event.CallRef) event.ToolCallFinished {
		return event.ToolCallFinished{Call: ref, Given: &event.Given{Checksum: 7}, Result: llm.ToolResult{Name: "f", Parts: llm.Parts{llm.Text{Text: "x"}}}}
	}
	for _, tt := range []struct {
		name   string
		body   func(ref event.CallRef) event.Body
		status map[loop.Status]bool // that take the event, paused or not
	}{
		{"result", func(r event.CallRef) event.Body { return given(r) }, map[loop.Status]bool{loop.Started: true, loop.Late: true}},
		{"time over", func(r event.CallRef) event.Body { b := given(r); b.Given = nil; return b }, map[loop.Status]bool{loop.Asked: true, loop.Started: true, loop.Late: true}},
		{"the tool knows", func(r event.CallRef) event.Body {
			return event.InDoubtDecided{Call: r, Decision: event.Happened, By: "tool"}
		}, map[loop.Status]bool{loop.Started: true, loop.Late: true}},
		{"run again", func(r event.CallRef) event.Body {
			return event.InDoubtDecided{Call: r, Decision: event.RunAgain, By: "tool"}
		}, map[loop.Status]bool{loop.Started: true}},
		{"a person knows", func(r event.CallRef) event.Body {
			return event.InDoubtDecided{Call: r, Decision: event.Happened, By: "caller"}
		}, map[loop.Status]bool{loop.Started: true}},
		{"approval", func(r event.CallRef) event.Body {
			return event.ApprovalDecided{Call: r, Hash: event.HashArguments("{}"), Approved: true}
		}, map[loop.Status]bool{loop.Asked: true}},
	} {
		for _, status := range []loop.Status{loop.Asked, loop.Started, loop.Late, loop.Finished} {
			s := newSession(t)
			s.begin()
			for range 2 {
				s.step(script("call"))
			}
			ref := s.state.Open()[0].Ref
			switch status {
			case loop.Asked:
				s.apply(event.ApprovalAsked{Call: ref, Name: "f", Arguments: "{}", Hash: event.HashArguments("{}"), Until: time.Unix(5, 0).UTC()})
				require.Equal(t, time.Unix(5, 0).UTC(), s.state.Open()[0].Until())
			default:
				s.apply(event.ToolCallStarted{Call: ref, Name: "f", Arguments: "{}"})
			}
			switch status {
			case loop.Late:
				s.apply(event.ToolCallDeferred{Call: ref, Name: "f"})
			case loop.Finished:
				s.apply(given(ref))
			}
			if status != loop.Finished {
				s.apply(event.RunPaused{Run: 1, Calls: []event.CallRef{ref}})
			}
			before := replay(t, s.events)
			err := s.state.Apply(event.Event{Seq: s.state.Seq + 1, Time: time.Unix(9, 0), Body: tt.body(ref)})
			name := fmt.Sprint(tt.name, " in status ", status)
			if !tt.status[status] {
				require.Error(t, err, name)
				require.Equal(t, before, s.state, name)
				continue
			}
			require.NoError(t, err, name)
			require.False(t, s.state.Paused(), name)
		}
	}
}

// TestLateAgain: a tool that looked after the outcome may wait for another time.
func TestLateAgain(t *testing.T) {
	t.Parallel()
	s, c := deferred(t)
	s.apply(event.RunPaused{Run: 1, Calls: []event.CallRef{c.Ref}}, event.InDoubtDecided{Call: c.Ref, Decision: event.Happened, By: "tool"},
		event.ToolCallDeferred{Call: c.Ref, Name: "f", Handle: "other", Until: time.Unix(2e6, 0).UTC()})
	again := s.state.Open()[0]
	require.Equal(t, "other", again.Handle())
	require.Equal(t, time.Unix(2e6, 0).UTC(), again.Until())
	require.Equal(t, c.Seq, again.Seq, "the attempt is the same")
}

// TestManyEnds: the newest ends are remembered, and copies of the state keep theirs.
func TestManyEnds(t *testing.T) {
	t.Parallel()
	s := new(loop.State)
	add := func(bodies ...event.Body) {
		for _, b := range bodies {
			require.NoError(t, s.Apply(event.Event{Seq: s.Seq + 1, Body: b}))
		}
	}
	id := func(run int) string { return fmt.Sprintf("id%d/r%d.t1.c0", run, run) }
	for run := 1; run <= 1001; run++ {
		ref := event.NewCallRef(run, 1, 0)
		add(event.RunStarted{Run: run, ID: fmt.Sprint("id", run)}, event.UserMessaged{Message: llm.User("Go.")}, event.TurnPrepared{Turn: 1}, with(answers["call"], 1),
			event.ToolCallStarted{Call: ref, Name: "f", Arguments: "{}"}, event.ToolCallDeferred{Call: ref, Name: "f"})
		before := s.Snapshot()
		add(event.ToolCallFinished{Call: ref, Given: &event.Given{Checksum: 7}}, event.TurnPrepared{Turn: 2}, with(answers["final"], 2))
		copied := s.Snapshot()
		add(event.RunFinished{Run: run, Turns: 2})
		_, known := before.End(id(run))
		require.False(t, known)
		end, _ := copied.End(id(run))
		require.Zero(t, end.Done)
	}
	_, known := s.End(id(1))
	require.False(t, known)
	end, known := s.End(id(2))
	require.True(t, known)
	require.Equal(t, 2, end.Done)
}
