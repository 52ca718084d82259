package runner_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestNothingIsLost leaves the loop, or cancels the run, at every event. The session
// continues without a message. It then has the effects of an undisturbed session, each
// once, and the same history.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	quiet := newLedger()
	want := finish(t, new(journal.Memory), quiet, runner.Say(llm.User("Do it all.")))
	for _, cancels := range []bool{false, true} {
		at := 0
		for ended := false; !ended; at++ {
			j, l := new(journal.Memory), newLedger()
			n := 0
			ctx, cancel := context.WithCancel(t.Context())
			r := runner.Runner{Model: worker(), Journal: j, NoStream: true, Calls: runner.NewCallLimit(1)}
			ended = true
			for _, err := range r.Session("s").Stream(ctx, desk(l), runner.Say(llm.User("Do it all."))) {
				if n == at {
					ended = false
					cancel()
					if !cancels {
						break
					}
				}
				n++
				_ = err // that of the cancelled run, or the pause
			}
			cancel()
			got := finish(t, j, l, beginning(t, j)...)
			require.Equal(t, texts(want.Messages), texts(got.Messages), "event %d, cancels %v", at, cancels)
			require.Equal(t, quiet.plain(), l.plain())
			for key, n := range l.times {
				require.True(t, n == 1 || strings.HasPrefix(l.effects[key], "repeat"), "%s ran %d times", l.effects[key], n)
			}
		}
		require.Greater(t, at, 10)
	}
}

// plain counts the effects by their names.
func (l *ledger) plain() map[string]int {
	counts := map[string]int{}
	for _, what := range l.effects {
		counts[what]++
	}
	return counts
}

// beginning is the message again, if the session did not record it.
func beginning(t *testing.T, j journal.Journal) []runner.Input {
	t.Helper()
	if len(eventsOf(t, j)) > 0 {
		return nil
	}
	return []runner.Input{runner.Say(llm.User("Do it all."))}
}

// TestUnbegunCalls: calls that did not begin run when the session continues. A message
// closes them.
func TestUnbegunCalls(t *testing.T) {
	t.Parallel()
	const notRun = "The call did not run: the run ended before it began. It had no effect: call again if it is still needed."
	for _, kind := range []string{"model_answered", "tool_call_started"} {
		for _, tt := range []struct {
			name string
			in   []runner.Input
			want []string
		}{
			{"goes on", nil, []string{"done: a", "done: b"}},
			{"a message closes them", []runner.Input{runner.Say(llm.User("Never mind."))}, []string{notRun, notRun}},
		} {
			t.Run(kind+", "+tt.name, func(t *testing.T) {
				t.Parallel()
				ran := map[string]int{}
				a := newAgent(noting(ran))
				store := new(journal.Memory)
				r := runner.Runner{Journal: store, Model: llmtest.Script(t, turnOf("note", "a", 0, "note", "b", 0)), NoStream: true}
				for e, err := range r.Session("s").Stream(t.Context(), a, runner.Say(llm.User("Hi."))) {
					require.NoError(t, err)
					if e.Type() == kind {
						break
					}
				}
				require.Empty(t, ran)
				pending, err := r.Session("s").Pending(t.Context())
				require.NoError(t, err)
				require.Empty(t, pending, "nothing is in doubt")
				history, err := r.Session("s").Messages(t.Context())
				require.NoError(t, err)
				requireValid(t, history)

				r.Model = llmtest.Script(t, llmtest.Text("Fine."))
				result, err := r.Session("s").Run(t.Context(), a, tt.in...)
				require.NoError(t, err)
				require.Equal(t, tt.want, results(result.Messages))
			})
		}
	}
}

// noting is a tool that counts its calls by name.
func noting(ran map[string]int) tool.Tool {
	return tool.Must(tool.New("note", "Notes.", func(_ context.Context, in waitArgs) (string, error) {
		ran[in.Name]++
		if in.Name == "abort" {
			return "", tool.Abort(errPlanted)
		}
		return "done: " + in.Name, nil
	}, tool.Concurrency(1), tool.Alone()))
}

// TestUnbegunAfterAbort: a call after a call that ended the run stays open in a
// session. Without a session it ends with the run.
func TestUnbegunAfterAbort(t *testing.T) {
	t.Parallel()
	ran := map[string]int{}
	a := newAgent(noting(ran))
	script := llmtest.Script(t, turnOf("note", "a", 0, "note", "abort", 0, "note", "c", 0), llmtest.Text("Fine."))
	r := runner.Runner{Model: script}
	s := r.Session("s")
	result, err := s.Run(t.Context(), a, runner.Say(llm.User("Hi.")))
	require.ErrorIs(t, err, errPlanted)
	require.Empty(t, result.Pending)
	require.Equal(t, event.InDoubtDecided{Call: "r1.t1.c2", Decision: event.RunAgain, By: "runner"}, bodyOf(result.Events, "in_doubt_decided", 0))
	result, err = s.Run(t.Context(), a)
	require.NoError(t, err)
	require.Equal(t, map[string]int{"a": 1, "abort": 1, "c": 1}, ran)
	require.Equal(t, "done: c", results(result.Messages)[2])

	script = llmtest.Script(t, turnOf("note", "abort", 0, "note", "c", 0))
	result, err = with(script).Run(t.Context(), a, llm.User("Hi."))
	require.True(t, errors.Is(err, errPlanted))
	require.Equal(t, "The call did not run: the run ended before it began. It had no effect: call again if it is still needed.", results(result.Messages)[1])
	require.Equal(t, 1, ran["c"])
	require.NotNil(t, bodyOf(result.Events, "tool_call_finished", 1), "the journal of a run without a session is its events")
}
