package runner_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

func goes() runner.Input { return runner.Once("begin", llm.User("Do it all.")) }

// TestOnceAnywhere cuts a session off after every event, and begins it again with the same
// input, after each cut twice: it is said once, each effect is had once, and the answer is
// that of a session which nobody disturbed. A pause, a call in doubt and a finished run are
// among the cuts.
func TestOnceAnywhere(t *testing.T) {
	t.Parallel()
	quiet, world := new(journal.Memory), newLedger()
	want := finish(t, quiet, world, goes())
	events := eventsOf(t, quiet)
	for cut := 0; cut <= len(events); cut++ {
		if cut == 1 {
			continue // RunStarted and the message are one append
		}
		for _, flying := range []bool{false, true} {
			j, l := cutOff(t, events[:cut], flying, world)
			finish(t, j, l, goes())
			for range 2 {
				got, err := runner.Runner{Model: llmtest.NewScript(), Journal: j}.Session("s").Run(t.Context(), desk(l), goes())
				require.NoError(t, err)
				require.Equal(t, texts(want.Messages), texts(got.Messages), "cut after %d, flying %v", cut, flying)
				require.Equal(t, []any{"All is done.", 5, 1}, []any{got.Text, got.Turns, got.Run})
				require.Empty(t, got.Events)
				require.IsType(t, event.RunStarted{}, got.Earlier[0].Body)
				require.IsType(t, event.RunFinished{}, got.Earlier[len(got.Earlier)-1].Body)
			}
			effects := func(l *ledger) []string { return slices.Sorted(maps.Values(l.effects)) } // a cut at 0 has other keys
			require.Equal(t, effects(world), effects(l))
		}
	}
}

// TestOnceOfMany: of many goroutines with Sessions of their own, one says it.
func TestOnceOfMany(t *testing.T) {
	t.Parallel()
	for range 20 {
		store, model := new(journal.Memory), llmtest.NewScript(llmtest.Text("Done."))
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				for {
					result, err := runner.Runner{Model: model, Journal: store}.Session("s").Run(t.Context(), twoTools(), goes())
					if _, busy := errors.AsType[*journal.BusyError](err); busy {
						continue
					}
					if err != nil || result.Text != "Done." {
						t.Errorf("%q, %v", result.Text, err)
					}
					return
				}
			})
		}
		group.Wait()
		require.Len(t, model.Requests(), 1)
		require.Len(t, eventsOf(t, store), 5)
	}
}

// TestOnceLater: after more runs, an input that comes again has the outcome of its own run,
// in the process that has the session in memory and in a new process.
func TestOnceLater(t *testing.T) {
	t.Parallel()
	store := new(journal.Memory)
	r := runner.Runner{Journal: store, Model: llmtest.NewScript(llmtest.Text("One."), llmtest.Text("Two."), llmtest.Text("Three."), llmtest.Text("Four."))}
	s := r.Session("s")
	for i, key := range []string{"a", "b", "c"} {
		result, err := s.Run(t.Context(), twoTools(), runner.Once(key, llm.User(key)))
		require.NoError(t, err)
		require.Equal(t, i+1, result.Run)
	}
	for _, s := range []*runner.Session{s, r.Session("s")} {
		for i, text := range []string{"One.", "Two.", "Three."} {
			key := string(rune('a' + i))
			result, err := s.Run(t.Context(), twoTools(), runner.Once(key, llm.User(key)))
			require.NoError(t, err)
			require.Equal(t, []any{text, i + 1, 2*i + 2}, []any{result.Text, result.Run, len(result.Messages)})
			require.Len(t, result.Earlier, 5)
			for range s.Stream(t.Context(), twoTools(), runner.Once(key, llm.User(key))) {
				t.Error("a stream of an answered input yields something")
			}
		}
	}
	result, err := s.Run(t.Context(), twoTools(), runner.Say(llm.User("d")))
	require.NoError(t, err)
	require.Equal(t, []any{"Four.", 4, 8}, []any{result.Text, result.Run, len(result.Messages)})
}

// TestOnceRefused: a clear error, and nothing is recorded.
func TestOnceRefused(t *testing.T) {
	t.Parallel()
	store := new(journal.Memory)
	s := runner.Runner{Journal: store, Model: llmtest.NewScript(llmtest.Text("It is").Finish("length"))}.Session("s")
	_, err := s.Run(t.Context(), twoTools(), runner.Once("k", llm.User("Go.")))
	var cut *runner.FinishError
	require.ErrorAs(t, err, &cut)
	events := len(eventsOf(t, store))
	for _, tt := range []struct {
		want string
		in   []runner.Input
	}{
		{`runner: the session knows the key "k" with other messages`, []runner.Input{runner.Once("k", llm.User("Stop."))}},
		{`runner: the session knows the key "k" with other messages`, []runner.Input{runner.Once("k", llm.User("Go."), llm.User("Go."))}},
		{`runner: the run with the key "k" failed: turn 1: the answer was cut off by the limit on tokens (finish reason "length")`, []runner.Input{runner.Once("k", llm.User("Go."))}},
		{"runner: the key of the messages is empty", []runner.Input{runner.Once("", llm.User("Go."))}},
		{"runner: the key of the messages has 501 bytes, and at most 500 are allowed", []runner.Input{runner.Once(strings.Repeat("k", 501), llm.User("Go."))}},
		{"runner: Once and another input in one run", []runner.Input{runner.Once("k", llm.User("Go.")), runner.Say(llm.User("Go."))}},
		{"runner: Once and another input in one run", []runner.Input{runner.Once("l", llm.User("Go.")), runner.Once("k", llm.User("Go."))}},
		{"conversation waits for an answer: Once has no messages", []runner.Input{runner.Once("l")}},
		{"runner: message 0: the user message is empty", []runner.Input{runner.Once("l", llm.User(""))}},
	} {
		_, err := s.Run(t.Context(), twoTools(), tt.in...)
		require.ErrorContains(t, err, tt.want)
	}
	require.Len(t, eventsOf(t, store), events)
	_, err = s.Run(t.Context(), twoTools(), runner.Once("k", llm.User("Stop.")))
	var once *runner.OnceError
	require.ErrorAs(t, err, &once)
	require.Equal(t, runner.OnceError{Key: "k"}, *once)
}

// TestOnceAfterFailure: an input that comes again after a failure goes on with the run.
func TestOnceAfterFailure(t *testing.T) {
	t.Parallel()
	store := new(journal.Memory)
	script := llmtest.NewScript(llmtest.Calls("step", stepArgs{1}), llmtest.Text("x").With(llmtest.Status(500, nil, "")), llmtest.Text("Done."))
	r := runner.Runner{Journal: store, Model: script}
	_, err := r.Session("s").Run(t.Context(), twoTools(), goes())
	require.Error(t, err)
	for range 2 {
		result, err := r.Session("s").Run(t.Context(), twoTools(), goes())
		require.NoError(t, err)
		require.Equal(t, []any{"Done.", 2, 4}, []any{result.Text, result.Run, len(result.Messages)})
	}
}

// TestSayOnceAtEveryEvent says something twice while the loop body holds each event, and
// once more after the run: the model reads it once.
func TestSayOnceAtEveryEvent(t *testing.T) {
	t.Parallel()
	for at := 0; ; at++ {
		store := new(journal.Memory)
		script := llmtest.NewScript(llmtest.Calls("step", stepArgs{1}).When(llmtest.Turn(1)).Forever(), llmtest.Text("Done.").Forever())
		s := runner.Runner{Journal: store, Model: script}.Session("s")
		say := func() {
			require.NoError(t, s.SayOnce(t.Context(), "hook-1", llm.User("By the way."), llm.User("And.")))
		}
		seen := 0
		for _, err := range s.Stream(t.Context(), twoTools(), goes()) {
			require.NoError(t, err)
			if seen == at {
				say()
				say()
			}
			seen++
		}
		if seen <= at {
			break
		}
		say()
		var once *runner.OnceError
		require.ErrorAs(t, s.SayOnce(t.Context(), "hook-1", llm.User("By the way.")), &once)
		for range 2 { // as an input of Run, it is the same input
			result, err := runner.Runner{Journal: store, Model: script}.Session("s").
				Run(t.Context(), twoTools(), runner.Once("hook-1", llm.User("By the way."), llm.User("And.")))
			require.NoError(t, err)
			require.Equal(t, 1, strings.Count(strings.Join(texts(result.Messages), "\n"), "By the way."), "at %d", at)
			require.Equal(t, "Done.", result.Text)
		}
	}
}
