package runner_test

import (
	"context"
	"errors"
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

// TestStopWhen: a run stops after the results of a turn, before any limit, and the session
// can go on with a message.
func TestStopWhen(t *testing.T) {
	t.Parallel()
	for _, turns := range []int{1, 3} {
		ran := 0
		var seen []int
		r := runner.Runner{MaxTurns: turns, StopWhen: func(info agent.Info) bool {
			seen = append(seen, info.Turn)
			require.Equal(t, llm.RoleTool, info.Messages[len(info.Messages)-1].Role)
			return info.Turn >= turns || info.Usage.InputTokens > 1000
		}}
		s := r.Session("s")
		result, err := s.Run(t.Context(), spending(&ran, 2), runner.Say(llm.User("Go.")))
		require.NoError(t, err)
		require.Equal(t, turns, result.Turns)
		require.Equal(t, 2*turns, ran)
		require.Equal(t, []int{1, 2, 3}[:turns], seen)
		require.Empty(t, result.Text)
		require.NoError(t, (&llm.Request{Messages: result.Messages}).Validate())
		last := result.Events[len(result.Events)-1].Body
		require.Equal(t, event.RunFinished{Run: 1, Turns: turns, Usage: result.Usage, Stopped: true}, last)
		_, err = s.Run(t.Context(), spending(&ran, 2))
		require.ErrorIs(t, err, runner.ErrNoInput)
		result, err = s.Run(t.Context(), spending(&ran, 1), runner.Say(llm.User("Go on.")))
		require.NoError(t, err)
		require.Equal(t, turns, result.Turns)
	}
}

func TestStopWhenPanics(t *testing.T) {
	t.Parallel()
	ran := 0
	_, err := runner.Runner{StopWhen: func(agent.Info) bool { panic("planted") }}.Run(t.Context(), spending(&ran, 1), llm.User("Go."))
	require.EqualError(t, err, "runner: StopWhen panicked: planted")
}

type order struct {
	ID int `json:"id"`
}

// TestFinalTool: a successful result is the answer; a failed call is none. Also after a
// crash at every event, and streamed.
func TestFinalTool(t *testing.T) {
	t.Parallel()
	tries := 0
	submit := tool.Must(tool.New("submit", "Submits.", func(_ context.Context, in order) (order, error) {
		if tries++; in.ID == 0 {
			return in, errors.New("no order")
		}
		return in, nil
	}, tool.Final(), tool.Idempotent()))
	say := tool.Must(tool.New("say", "Says.", func(_ context.Context, in order) (string, error) { return "said", nil }, tool.Final(), tool.Idempotent()))
	step := tool.Must(tool.New("step", "Steps.", func(context.Context, stepArgs) (string, error) { return "done", nil }, tool.Idempotent()))
	for _, tt := range []struct {
		last   llmtest.Step
		text   string
		output string
	}{
		{llmtest.Calls("submit", order{7}).And(llmtest.Calls("step", stepArgs{1})), `{"id":7}`, `{"id":7}`},
		{llmtest.Calls("submit", order{7}).And(llmtest.Calls("say", order{7})), "said", ""},
		{llmtest.Calls("say", order{7}).And(llmtest.Calls("submit", order{0})), "said", ""},
	} {
		a := &agent.Agent{Tools: []tool.Tool{submit, say, step}, Model: llmtest.NewScript(
			llmtest.Calls("submit", order{0}).When(llmtest.Turn(1)).Forever(), tt.last.When(llmtest.Turn(2)).Forever())}
		all := new(journal.Memory)
		r := runner.Runner{Journal: all}
		events, err := collect(r.Session("s").Stream(t.Context(), a, runner.Say(llm.User("Go."))))
		require.NoError(t, err)
		end, _ := events[len(events)-1].Body.(event.RunFinished)
		require.True(t, end.Stopped)
		for cut := 2; cut < len(eventsOf(t, all)); cut++ {
			r.Journal = prefixOf(t, all, cut)
			result, err := r.Session("s").Run(t.Context(), a)
			require.NoError(t, err, "cut after %d", cut)
			require.Equal(t, tt.text, result.Text)
			require.Equal(t, tt.output, string(result.Output))
			require.Equal(t, 2, result.Turns)
			v, err := runner.Output[order](result)
			require.Equal(t, tt.output != "", err == nil && v.ID == 7)
		}
	}
}
