package runner_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestResultEvents: a Result has the events that the journal has of its run,
// whatever became of the run.
func TestResultEvents(t *testing.T) {
	t.Parallel()
	store := new(journal.Memory)
	script := llmtest.Script(t,
		llmtest.Calls("get_weather", cityArgs{"Oslo"}),
		llmtest.Fail(errors.New("boom")),
		llmtest.Text("Warm."))
	r := runner.Runner{Model: script, Journal: store}
	s := r.Session("s")
	failed, err := s.Run(t.Context(), newAgent(weather()), runner.Say(llm.User("Oslo?")))
	require.EqualError(t, err, "turn 2: boom")
	require.Equal(t, []string{
		"run_started", "user_messaged", "turn_prepared", "model_answered",
		"tool_call_started", "tool_call_finished", "turn_prepared", "run_failed",
	}, types(failed.Events))
	require.Equal(t, "turn 2: boom", failed.Events[7].Body.(event.RunFailed).Error)

	went, err := s.Run(t.Context(), newAgent(weather()))
	require.NoError(t, err)
	require.Equal(t, []string{"run_started", "turn_prepared", "model_answered", "run_finished"}, types(went.Events))
	require.Equal(t, eventsOf(t, store), slices.Concat(failed.Events, went.Events))
	require.Empty(t, went.Earlier, "no call was open")

	none, err := s.Run(t.Context(), newAgent(weather()))
	require.Error(t, err)
	require.Nil(t, none.Events, "of a run that did not begin")
}

// TestResultEarlier: a run that goes on has its events from before, and those of a
// run whose calls it goes on with; together they are what the journal has.
func TestResultEarlier(t *testing.T) {
	t.Parallel()
	x, store := new(till), new(journal.Memory)
	a := newAgent(x.refund(tool.NeedsApproval()))
	ask := llmtest.Calls("refund", refundArgs{"W1", 5})
	script := llmtest.Script(t, llmtest.Text("Hello."), ask, ask, llmtest.Fail(errors.New("boom")))
	s := runner.Runner{Model: script, Journal: store}.Session("s")
	_, err := s.Run(t.Context(), a, runner.Say(llm.User("Hi.")))
	require.NoError(t, err)
	first, err := s.Run(t.Context(), a, runner.Say(llm.User("Refund.")))
	require.ErrorIs(t, err, runner.ErrPaused)
	require.Empty(t, first.Earlier, "the run before had an end")
	second, err := s.Run(t.Context(), a, first.Pending[0].Approve())
	require.ErrorIs(t, err, runner.ErrPaused)
	require.Equal(t, first.Events, second.Earlier)
	third, err := s.Run(t.Context(), a, second.Pending[0].Approve())
	require.EqualError(t, err, "turn 3: boom")
	require.Equal(t, slices.Concat(first.Events, second.Events), third.Earlier)
	all := eventsOf(t, store)
	require.Equal(t, all, slices.Concat(all[:5], third.Earlier, third.Events))
	data, err := json.Marshal(third)
	require.NoError(t, err)
	require.NotContains(t, string(data), "Be brief.")
}

// TestResultJSON: events stay out of a Result's JSON; they hold the instructions.
func TestResultJSON(t *testing.T) {
	t.Parallel()
	result, err := with(llmtest.Script(t, llmtest.Text("Hi."))).Run(t.Context(), newAgent(), llm.User("Hi."))
	require.NoError(t, err)
	require.Equal(t, []string{"run_started", "user_messaged", "turn_prepared", "model_answered", "run_finished"}, types(result.Events))
	data, err := json.Marshal(result)
	require.NoError(t, err)
	require.NotContains(t, string(data), "Be brief.")
}

// TestBegan: a call has begun when its function was called, not when it was
// recorded that it would be.
func TestBegan(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now().UTC()
		script := llmtest.Script(t,
			llmtest.Calls("wait", waitArgs{"a", 2}).And(llmtest.Calls("wait", waitArgs{"b", 3}), llmtest.Calls("wait", "[]")),
			llmtest.Text("Done."))
		r := runner.Runner{Model: script, Calls: runner.NewCallLimit(1)}
		result, err := r.Run(t.Context(), newAgent(waiter()), llm.User("Hi."))
		require.NoError(t, err)
		began := map[event.CallRef]time.Time{}
		for _, e := range result.Events {
			switch b := e.Body.(type) {
			case event.ToolCallStarted:
				require.Equal(t, start, e.Time, "%s", b.Call)
			case event.ToolCallFinished:
				began[b.Call] = b.Began
			}
		}
		require.Equal(t, map[event.CallRef]time.Time{
			"r1.t1.c0": start, "r1.t1.c1": start.Add(2 * time.Second), "r1.t1.c2": {},
		}, began)
	})
}
