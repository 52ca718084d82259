package runner_test

import (
	"context"
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestStateAnywhere compares the state after every event with what the events say. The
// session pauses, and is continued.
func TestStateAnywhere(t *testing.T) {
	t.Parallel()
	store := new(journal.Memory)
	finish(t, store, newLedger(), goes())
	events := eventsOf(t, store)
	statuses := map[journal.Status]bool{}
	for n := range len(events) + 1 {
		state, err := runner.StateOf("s", func(yield func(event.Event, error) bool) {
			for _, e := range events[:n] {
				if !yield(e, nil) {
					return
				}
			}
		})
		require.NoError(t, err)
		statuses[state.Status] = true
		require.EqualValues(t, n, state.Seq)
		began, asked, results := map[event.CallRef]bool{}, map[event.CallRef]bool{}, 0
		var usage llm.Usage
		for _, e := range events[:n] {
			switch b := e.Body.(type) {
			case event.ModelAnswered:
				usage = usage.Add(b.Usage)
			case event.ApprovalAsked:
				asked[b.Call] = true
			case event.ToolCallStarted:
				began[b.Call] = true
			case event.ToolCallFinished:
				results++
				delete(asked, b.Call)
				delete(began, b.Call)
			}
		}
		require.Equal(t, usage, state.Usage)
		for _, c := range state.Open {
			require.Equal(t, began[c.Call], !c.Began.IsZero(), "%d %s", n, c.Call)
			require.Equal(t, asked[c.Call], !c.Asked.IsZero())
			result := state.Messages[c.Placeholder].Results()[0]
			require.True(t, result.IsError)
			require.Equal(t, []string{c.ToolCall.ID, c.ToolCall.Name}, []string{result.CallID, result.Name})
			delete(began, c.Call)
		}
		require.Empty(t, began)
		all := 0
		for _, m := range state.Messages {
			all += len(m.Results())
		}
		require.Equal(t, results+len(state.Open), all)
		require.Equal(t, state.Status == journal.Paused, len(state.Pending) > 0)
		if state.Status == journal.Paused {
			at := slices.IndexFunc(state.Open, func(c runner.OpenCall) bool { return c.Call == state.Pending[0].Call })
			text := state.Messages[state.Open[at].Placeholder].Results()[0].Text()
			require.Equal(t, "The call has no result yet: it waits for approval, and has not run.", text)
		}
	}
	require.Len(t, statuses, 4) // none, running, paused, finished
}

// TestStateDuringRun reads the state in the loop body of each event, by the Session of the
// run and by another Session: both see the event.
func TestStateDuringRun(t *testing.T) {
	t.Parallel()
	store := new(journal.Memory)
	a := twoTools()
	a.Instructions = "The secret instructions."
	r := runner.Runner{Journal: store, Model: llmtest.NewScript(llmtest.Calls("step", stepArgs{1}), llmtest.Text("Done."))}
	s := r.Session("s")
	for e, err := range s.Stream(t.Context(), a, goes()) {
		require.NoError(t, err)
		if e.Seq == 0 {
			continue
		}
		for _, s := range []*runner.Session{s, r.Session("s")} {
			state, err := s.State(t.Context())
			require.NoError(t, err)
			require.GreaterOrEqual(t, state.Seq, e.Seq)
			data, err := json.Marshal(state)
			require.NoError(t, err)
			require.NotContains(t, string(data), "secret")
		}
	}
	state, err := s.State(t.Context())
	require.NoError(t, err)
	require.Equal(t, []any{"s", journal.Finished, "Done.", 2, 1, 4}, []any{state.Session, state.Status, state.Text, state.Turn, state.Run, len(state.Messages)})

	_, err = r.Session("").State(t.Context())
	require.Error(t, err)
	state, err = r.Session("new").State(t.Context())
	require.NoError(t, err)
	require.Equal(t, journal.Summary{Session: "new"}, state.Summary)
}

// TestStateOfFailure has the error, also after a process with a journal that is no Reader.
func TestStateOfFailure(t *testing.T) {
	t.Parallel()
	store := new(journal.Memory)
	r := runner.Runner{Journal: struct{ journal.Journal }{store}, Model: llmtest.NewScript(llmtest.Text("It is").Finish("length"))}
	_, err := r.Session("s").Run(t.Context(), twoTools(), goes())
	require.Error(t, err)
	state, err := r.Session("s").State(t.Context())
	require.NoError(t, err)
	require.Equal(t, journal.Failed, state.Status)
	require.Equal(t, `turn 1: the answer was cut off by the limit on tokens (finish reason "length")`, state.Error)
	log, err := store.Open(t.Context(), "s")
	require.NoError(t, err)
	var busy *journal.BusyError
	_, err = r.Session("s").State(t.Context())
	require.ErrorAs(t, err, &busy)
	require.NoError(t, log.Close())
}

// TestRunningCallInState: the placeholder of a call whose function runs does not say that the
// end of the call was never recorded.
func TestRunningCallInState(t *testing.T) {
	t.Parallel()
	j := new(journal.Memory)
	s := runner.Runner{Journal: j}.Session("s")
	var text string
	look := tool.Must(tool.New("look", "Looks.", func(ctx context.Context, _ struct{}) (string, error) {
		state, err := s.State(ctx)
		if err != nil {
			return "", err
		}
		text = state.Messages[state.Open[0].Placeholder].Results()[0].Text()
		return "seen", nil
	}))
	a := &agent.Agent{Model: llmtest.Script(t, llmtest.Calls("look", nil), llmtest.Text("Done.")), Tools: []tool.Tool{look}}
	_, err := s.Run(t.Context(), a, runner.Say(llm.User("Go.")))
	require.NoError(t, err)
	require.Equal(t, "The call has no result yet: it has begun. It is not known whether the call took effect. Check before you call it again.", text)
}
