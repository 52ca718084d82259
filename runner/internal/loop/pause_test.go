package loop_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
)

// TestEveryResume cuts the events of each sequence off after every one, with
// calls that need approval and without. A new process goes on with the run, and
// comes to the same history as one that was never cut, where it runs what is in
// doubt again; and no call that has a result runs again, whatever is decided.
func TestEveryResume(t *testing.T) {
	t.Parallel()
	for _, way := range []struct{ ask, serial, later bool }{{}, {ask: true}, {serial: true}, {true, true, false}, {later: true}, {false, true, true}, {true, true, true}} {
		for _, doubt := range []event.Doubt{event.RunAgain, event.Happened, event.NotHappened, event.Unknown} {
			for _, names := range scripts() {
				calls := slices.ContainsFunc(names, func(n string) bool { return n == "call" || n == "calls" || n == "others" })
				if len(names) > 2 || !calls || (way.ask || way.serial && !way.later) && doubt != event.RunAgain {
					continue
				}
				whole := newSession(t)
				whole.ask, whole.serial, whole.later = way.ask, way.serial, way.later
				whole.run(script(names...))
				for cut := range whole.events[1:] {
					resumed(t, whole, names, cut+1, doubt)
				}
			}
		}
	}
}

func resumed(t *testing.T, whole *session, names []string, cut int, doubt event.Doubt) {
	t.Helper()
	s := newSession(t)
	s.ask, s.serial, s.later, s.doubt = whole.ask, whole.serial, whole.later, doubt
	s.events = slices.Clone(whole.events[:cut])
	s.state = replay(t, s.events)
	ended := map[event.CallRef]bool{}
	answered := 0
	for _, e := range s.events {
		switch b := e.Body.(type) {
		case event.ToolCallFinished:
			ended[b.Call] = true
		case event.ModelAnswered:
			answered++
		}
	}
	if s.state.Paused() {
		for _, c := range s.state.Open() {
			if c.Waits() {
				s.decide(c)
			}
		}
	}
	if begun := slices.ContainsFunc(bodies(s.events), func(b event.Body) bool { _, ok := b.(event.UserMessaged); return ok }); !begun {
		return // the first append was cut in two, which no journal does
	}
	for s.step(script(names[min(answered, len(names)):]...)) {
		answered++
		require.Less(t, answered, 100, "%v cut after %d does not end", names, cut)
		requireValid(t, s.state.History(placeholder))
	}
	for ref := range ended {
		require.Zero(t, s.ran[ref], "%v cut after %d: %s ran again", names, cut, ref)
	}
	for ref, n := range s.ran {
		require.Equal(t, 1, n, "%s ran %d times", ref, n)
	}
	require.Equal(t, s.state, replay(t, s.events))
	requireValid(t, s.state.Messages)
}

// TestCarriedCalls: a run that failed leaves calls behind, and the next one goes
// on with them if nothing was said.
func TestCarriedCalls(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	s.begin()
	s.step(nil)
	s.step(script("calls"))
	calls := s.state.Open()
	s.apply(
		event.ToolCallStarted{Call: calls[0].Ref, Name: "f", Arguments: "{}"},
		event.RunFailed{Run: 1, Error: "cancelled"},
		event.RunStarted{Run: 2, Agent: "a", ID: "second"},
	)
	start, ok := loop.Next(s.state, limits).(loop.Start)
	require.True(t, ok)
	require.Equal(t, calls[1].Ref, start.Calls[0].Ref)
	for s.step(script()) {
	}
	require.Equal(t, map[event.CallRef]int{calls[0].Ref: 1, calls[1].Ref: 1}, s.ran)
	require.Equal(t, "Done.", s.state.Text)
	require.Equal(t, s.state, replay(t, s.events))
}

// TestCutOffCallsNeverRun, in a later run either.
func TestCutOffCallsNeverRun(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	s.begin()
	s.step(nil)
	s.step(script("cutoff"))
	s.apply(event.RunFailed{Run: 1, Error: "cancelled"}, event.RunStarted{Run: 2, Agent: "a"})
	closing, ok := loop.Next(s.state, limits).(loop.Close)
	require.True(t, ok)
	require.True(t, closing.Calls[0].CutOff)
}

func TestDecisionsThatDoNotFit(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	s.ask = true
	s.begin()
	for range 3 {
		s.step(script("call"))
	}
	ref := s.state.Open()[0].Ref
	for _, b := range []event.Body{
		event.ApprovalDecided{Call: ref, Hash: event.HashArguments(`{"x":2}`), Approved: true},
		event.ApprovalDecided{Call: "r1.t1.c9", Hash: event.HashArguments("{}"), Approved: true},
		event.InDoubtDecided{Call: ref, Decision: event.RunAgain},
		event.ToolCallStarted{Call: ref, Arguments: "{}"},
		event.ApprovalAsked{Call: ref, Arguments: "{}"},
		event.RunPaused{Run: 7},
	} {
		before := replay(t, s.events)
		require.Error(t, s.state.Apply(event.Event{Seq: s.state.Seq + 1, Body: b}), "%T", b)
		require.Equal(t, before, s.state)
	}
	require.Equal(t, s.state.Seq, s.state.Open()[0].Seq, "the event that asked")
	edited := event.ApprovalDecided{Call: ref, Hash: event.HashArguments("{}"), Approved: true, Arguments: `{"x":3}`}
	s.apply(event.RunPaused{Run: 1, Calls: []event.CallRef{ref}}, edited)
	require.Equal(t, `{"x":3}`, s.state.Open()[0].Arguments)
	require.True(t, s.state.Open()[0].Edited)
	s.apply(event.RunStarted{Run: 2, Agent: "a"}, finished(s.state.Open()[0], "closed"), event.UserMessaged{Message: llm.User("Never mind.")})
	s.run(script())
	requireValid(t, s.state.Messages)
}

// TestStandingRevoked: a standing answer can be revoked once, in every phase, and a copy of the
// state from before keeps it.
func TestStandingRevoked(t *testing.T) {
	t.Parallel()
	for steps := range 12 {
		s := newSession(t)
		s.ask = true
		s.begin()
		for range 3 {
			s.step(script("call"))
		}
		c := s.state.Open()[0]
		granted := event.ApprovalDecided{Call: c.Ref, Hash: event.HashArguments(c.Arguments), Approved: true, Always: event.EveryCall, Person: "ada"}
		s.apply(granted)
		at := s.state.Seq
		for range steps {
			s.step(script())
		}
		before, copied := replay(t, s.events), s.state.Snapshot()
		for _, e := range []event.Event{
			{Body: event.StandingRevoked{Standing: at + 1}}, {Body: event.StandingRevoked{}}, {Path: c.Ref, Body: event.StandingRevoked{Standing: at}},
		} {
			e.Seq = s.state.Seq + 1
			require.Error(t, s.state.Apply(e))
			require.Equal(t, before, s.state)
		}
		found, ok := s.state.StandsFor("a", c.Call.Name, c.Fingerprint, "anything")
		require.True(t, ok)
		require.Equal(t, []any{at, "ada", true}, []any{found.Seq, found.Person, found.Approved})
		s.apply(event.StandingRevoked{Standing: at})
		_, ok = s.state.StandsFor("a", c.Call.Name, c.Fingerprint, c.Arguments)
		require.False(t, ok)
		require.Len(t, copied.Standing(), 1)
		require.Error(t, s.state.Apply(event.Event{Seq: s.state.Seq + 1, Body: event.StandingRevoked{Standing: at}}))
		require.Equal(t, s.state, replay(t, s.events))
		s.run(script())
	}
}

// TestNewerVersion is refused clearly.
func TestNewerVersion(t *testing.T) {
	t.Parallel()
	err := new(loop.State).Apply(event.Event{Seq: 1, Body: event.RunStarted{Version: event.Version + 1, Run: 1}})
	require.EqualError(t, err, "loop: event 1 (run_started): is of version 2, and this library knows up to 1")
}

// TestPausedStateKeeps what it is when a decision does not fit it.
func TestPausedStateKeeps(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	s.ask = true
	s.begin()
	for range 3 {
		s.step(script("call"))
	}
	ref := s.state.Open()[0].Ref
	s.apply(event.RunPaused{Run: 1, Calls: []event.CallRef{ref}})
	before := replay(t, s.events)
	require.Error(t, s.state.Apply(event.Event{Seq: s.state.Seq + 1, Body: event.ApprovalDecided{Call: ref, Hash: "other", Approved: true}}))
	require.Equal(t, before, s.state)
}

// TestNoPauseWithoutQuestion: calls that can begin would wait for ever.
func TestNoPauseWithoutQuestion(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	s.begin()
	for range 2 {
		s.step(script("call"))
	}
	require.Len(t, s.state.Open(), 1)
	require.Error(t, s.state.Apply(event.Event{Seq: s.state.Seq + 1, Body: event.RunPaused{Run: 1}}))
}

// TestMayHaveRun: a call that is to run again may have had its effect, unless its tool
// knows that it did not.
func TestMayHaveRun(t *testing.T) {
	t.Parallel()
	for by, want := range map[string]bool{"caller": true, "idempotent": true, "tool": false} {
		s := newSession(t)
		s.begin()
		for range 3 {
			s.step(script("call"))
		}
		c := s.state.Open()[0]
		require.Equal(t, loop.Started, c.Status)
		require.Equal(t, s.state.Seq, c.Seq)
		s.apply(event.InDoubtDecided{Call: c.Ref, Decision: event.RunAgain, By: by})
		require.Equal(t, want, s.state.Open()[0].MayHaveRun, by)
	}
}
