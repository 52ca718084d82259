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

var verdictOf = map[byte]string{'p': loop.Pass, 's': loop.Stop, 'r': loop.Replace, 'a': loop.Again, 'f': loop.Failed}

// inspect does the checks as an engine: the verdicts of the stage so far decide, so that a
// check says the same after a crash. A check that stops the run is the last.
func (s *session) inspect(a loop.CheckItems) {
	s.t.Helper()
	require.NotEmpty(s.t, a.Items)
	for _, item := range a.Items {
		require.NotEmpty(s.t, item.Checks)
		for _, name := range item.Checks {
			n, letters := s.count(a.Stage), s.verdicts[a.Stage]
			letter := byte('p')
			if n < len(letters) {
				letter = letters[n]
			}
			b := event.Checked{Turn: a.Turn, Check: name, Stage: a.Stage, Call: item.Call.Ref, Verdict: verdictOf[letter], Usage: llm.Usage{InputTokens: 1}}
			if a.Stage == loop.InputStage {
				b.At = item.At
			}
			if letter != 'p' {
				b.Text, b.Reason = `{"x":2}`, "because"
			}
			before := s.state.Usage
			s.apply(b)
			require.Equal(s.t, before.InputTokens+1, s.state.Usage.InputTokens)
			switch letter {
			case 's':
				return
			case 'f':
				s.apply(event.RunFailed{Run: s.state.Run, Error: "failed"}, event.RunStarted{Run: s.state.Run + 1, Agent: s.state.Agent})
				return
			}
			if letter == 'a' {
				break
			}
		}
	}
}

// count returns the number of verdicts of a stage.
func (s *session) count(stage string) (n int) {
	for _, e := range s.events {
		if b, ok := e.Body.(event.Checked); ok && b.Stage == stage {
			n++
		}
	}
	return n
}

func (s *session) said(verdict string) bool {
	return slices.ContainsFunc(s.events, func(e event.Event) bool {
		b, ok := e.Body.(event.Checked)
		return ok && b.Verdict == verdict
	})
}

// requireChecked is the barrier: each check on each call of the turn has passed.
func (s *session) requireChecked(c loop.Call) {
	s.t.Helper()
	if s.guards == nil {
		return
	}
	for _, open := range s.state.Open() {
		if open.CutOff || open.Forbidden || open.Refused() != "" {
			continue
		}
		for _, name := range s.guards.Call {
			require.True(s.t, slices.ContainsFunc(s.events, func(e event.Event) bool {
				b, ok := e.Body.(event.Checked)
				return ok && b.Call == open.Ref && b.Stage == loop.CallStage && b.Check == name && (b.Verdict == loop.Pass || b.Verdict == loop.Replace)
			}), "%s starts before %s has passed for %s", c.Ref, name, open.Ref)
		}
	}
}

// requireGuarded: nothing unchecked has reached the model, in any answer so far.
func (s *session) requireGuarded() {
	s.t.Helper()
	if s.guards == nil {
		return
	}
	inputs, results := 0, map[event.CallRef]bool{}
	for _, e := range s.events {
		switch b := e.Body.(type) {
		case event.UserMessaged:
			inputs = len(s.guards.Input) + len(s.guards.Beside)
		case event.ToolCallFinished:
			results[b.Call] = true
		case event.Checked:
			switch {
			case b.Verdict == loop.Failed:
			case b.Stage == loop.InputStage && b.Verdict == loop.Stop:
				inputs = 0
			case b.Stage == loop.InputStage:
				inputs--
			case b.Stage == loop.ResultStage:
				delete(results, b.Call)
			}
		case event.ModelAnswered:
			require.LessOrEqual(s.t, inputs, 0, "a model answered an input before its checks")
			if len(s.guards.Result) > 0 {
				require.Empty(s.t, results, "a model read a result before its checks")
			}
		}
	}
}

// guardWays are what checks say in the walks.
var guardWays = func() (ways []map[string]string) {
	ways = append(ways, nil)
	for stage, letters := range map[string]string{loop.InputStage: "srf", loop.CallStage: "sraf", loop.ResultStage: "sraf", loop.OutputStage: "sraf"} {
		for _, letter := range letters {
			for _, first := range []string{"", "p"} {
				ways = append(ways, map[string]string{stage: first + string(letter)})
			}
		}
	}
	return append(ways, map[string]string{loop.CallStage: "rara", loop.ResultStage: "rr", loop.OutputStage: "aar", loop.InputStage: "rr"})
}()

var allGuards = []*loop.Checks{
	{Input: []string{"i", "j"}, Call: []string{"c", "d"}, Result: []string{"r"}, Output: []string{"o", "q"}},
	{Beside: []string{"i", "j"}, Call: []string{"c"}, Result: []string{"r", "u"}, Output: []string{"o"}},
}

// TestEveryVerdict walks sequences of answers with checks in every stage, and each verdict
// in each: the history is valid after every event, nothing unchecked reaches a model or
// runs, and the replay equals the live state. The process dies after every event, or the
// run fails after it.
func TestEveryVerdict(t *testing.T) {
	t.Parallel()
	for i, verdicts := range guardWays {
		for k, names := range scripts() {
			if len(names) > 2 || len(names) == 2 && (i+k)%23 != 0 {
				continue
			}
			for _, guards := range allGuards {
				way := session{t: t, guards: guards, verdicts: verdicts, ask: (i+k)%3 == 0, serial: (i+k)%4 == 0, checks: []string{"", "m"}[k%2]}
				whole := walkGuarded(way, nil, false, script(names...))
				for cut := range whole.events {
					if cut > 0 && (!raced || (cut+i+k)%5 == 0) {
						walkGuarded(way, whole.events[:cut], (cut+i/2)%2 == 0, script())
					}
				}
			}
		}
	}
}

// walkGuarded walks a session to its end, from the events so far on.
func walkGuarded(way session, events []event.Event, fail bool, next func() event.ModelAnswered) *session {
	t := way.t
	t.Helper()
	s := &way
	s.live, s.ran, s.doubt = map[event.CallRef]bool{}, map[event.CallRef]int{}, event.RunAgain
	s.events = slices.Clone(events)
	s.state = replay(t, s.events)
	switch {
	case len(events) == 0:
		s.begin()
	case s.state.Paused():
		for _, c := range s.state.Open() {
			if c.Waits() {
				s.decide(c)
			}
		}
	case !s.state.Running():
		s.apply(event.RunStarted{Run: s.state.Run + 1, Agent: s.state.Agent})
	case fail:
		s.apply(event.RunFailed{Run: s.state.Run, Error: "planted"}, event.RunStarted{Run: s.state.Run + 1, Agent: s.state.Agent})
	}
	defer func() {
		if t.Failed() {
			for _, e := range s.events {
				data, _ := e.MarshalJSON()
				t.Log(string(data))
			}
		}
	}()
	for steps := 0; s.step(next); steps++ {
		require.Less(t, steps, 120, "the run does not end")
		requireValid(t, s.state.History(placeholder))
	}
	s.requireGuarded()
	requireValid(t, s.state.Messages)
	require.Equal(t, s.state, replay(t, s.events))
	return s
}

// TestVerdictsThatDoNotFit: such an event changes nothing.
func TestVerdictsThatDoNotFit(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	s.begin()
	refuse := func(b event.Checked) {
		t.Helper()
		before := replay(t, s.events)
		require.Error(t, s.state.Apply(event.Event{Seq: s.state.Seq + 1, Time: time.Unix(0, 0), Body: b}))
		require.Equal(t, before, s.state)
	}
	input := event.Checked{Turn: 1, Check: "i", Stage: loop.InputStage, Verdict: loop.Pass}
	for _, change := range []func(*event.Checked){
		func(b *event.Checked) { b.At = 1 },
		func(b *event.Checked) { b.At = -1 },
		func(b *event.Checked) { b.Stage = "x" },
		func(b *event.Checked) { b.Verdict = "x" },
		func(b *event.Checked) { b.Verdict, b.Text = loop.Again, "why" },
		func(b *event.Checked) { b.Verdict = loop.Replace },
		func(b *event.Checked) { b.Stage, b.Call = loop.CallStage, "r1.t1.c0" },
		func(b *event.Checked) { b.Stage, b.Call = loop.ResultStage, "r1.t1.c0" },
		func(b *event.Checked) { b.Stage = loop.OutputStage },
	} {
		b := input
		change(&b)
		refuse(b)
	}
	s.apply(input)
	refuse(input) // twice
	s.apply(event.TurnPrepared{Turn: 1, Agent: "a"}, with(answers["calls"], 1))
	refuse(event.Checked{Turn: 1, Check: "c", Stage: loop.CallStage, Call: "r1.t1.c2", Verdict: loop.Pass})
	ref := s.state.Calls[0].Ref
	s.apply(event.Checked{Turn: 1, Check: "c", Stage: loop.CallStage, Call: ref, Verdict: loop.Again, Text: "no"})
	refuse(event.Checked{Turn: 1, Check: "d", Stage: loop.CallStage, Call: ref, Verdict: loop.Pass})
}

func with(b event.ModelAnswered, turn int) event.ModelAnswered {
	b.Turn = turn
	return b
}

// TestChecksOfMessages: only what a person said since the last answer is an input, and each
// message is checked once, also when more messages come.
func TestChecksOfMessages(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	s.guards = &loop.Checks{Input: []string{"i"}}
	s.apply(event.RunStarted{Run: 1, Agent: "a"})
	for _, m := range []llm.Message{llm.System("S"), llm.User("1"), llm.Assistant("2"), llm.User("3"), llm.System("4"), llm.User("5")} {
		s.apply(event.UserMessaged{Message: m})
	}
	a := s.next().(loop.CheckItems)
	require.Equal(t, []loop.Item{{At: 3, Checks: []string{"i"}}, {At: 5, Checks: []string{"i"}}}, a.Items)
	s.inspect(a)
	s.apply(event.UserMessaged{Message: llm.User("6"), Said: true})
	s.apply(event.TurnPrepared{Turn: 1, Agent: "a", Messages: []llm.Message{llm.User("from the program")}})
	a = s.next().(loop.CheckItems)
	require.Equal(t, []loop.Item{{At: 6, Checks: []string{"i"}}}, a.Items, "what landed meanwhile")
	s.apply(event.Checked{Turn: 1, Check: "i", Stage: loop.InputStage, At: 6, Verdict: loop.Stop, Reason: "no"})
	require.Len(t, s.state.Messages, 6, "the message and what the program added are gone")
	require.Equal(t, loop.Fail{Trip: &loop.Trip{Check: "i", Stage: "input", Reason: "no"}}, s.next())
	s.apply(event.RunFailed{Run: 1})
	s.run(script("call"))
	require.Equal(t, "Done.", s.state.Text)
}
