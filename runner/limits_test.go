package runner_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestLimits: turns, rounds of wrong calls, and time.
func TestLimits(t *testing.T) {
	t.Parallel()
	forever := func(step llmtest.Step) *llmtest.Model {
		return llmtest.Script(t, llmtest.Reply(func(context.Context, *llm.Request) (*llm.Response, error) { return step.Response() }).Forever())
	}
	requireLimit := func(t *testing.T, want runner.LimitError, err error) {
		t.Helper()
		got, ok := errors.AsType[*runner.LimitError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, want, *got)
	}
	good := llmtest.Calls("get_weather", cityArgs{"Oslo"})

	patient := runner.Limits{Repeats: -1}
	result, err := runner.Runner{Model: forever(good), Limits: patient}.Run(t.Context(), newAgent(weather()), llm.User("Hi."))
	require.EqualError(t, err, "limit of 30 turns reached (MaxTurns)")
	requireLimit(t, runner.LimitError{Limit: "turns", Max: 30}, err)
	require.Equal(t, 30, result.Turns)

	_, err = runner.Runner{Model: forever(good), MaxTurns: 2}.Run(t.Context(), newAgent(weather()), llm.User("Hi."))
	requireLimit(t, runner.LimitError{Limit: "turns", Max: 2}, err)

	turns := 0
	long := llmtest.Script(t, llmtest.Reply(func(context.Context, *llm.Request) (*llm.Response, error) {
		if turns++; turns == 40 {
			return llmtest.Text("Fine.").Response()
		}
		return good.Response()
	}).Forever())
	_, err = runner.Runner{Model: long, MaxTurns: -1, Limits: patient}.Run(t.Context(), newAgent(weather()), llm.User("Hi."))
	require.NoError(t, err)

	wrong := llmtest.Calls("get_weather", `{"town":"Oslo"}`)
	result, err = with(forever(wrong)).Run(t.Context(), newAgent(weather()), llm.User("Hi."))
	require.EqualError(t, err, "limit reached: in 3 turns in a row every tool call was wrong (MaxInvalidRounds)")
	requireLimit(t, runner.LimitError{Limit: "invalid_rounds", Max: 3}, err)
	require.Equal(t, 3, result.Turns)

	// One right call among the wrong ones, or an error of the tool's own: the round does not count as invalid.
	refusing := tool.Must(tool.New("refund", "Refunds.", func(context.Context, struct{}) (string, error) { return "", errors.New("not paid yet") }))
	for _, step := range []llmtest.Step{wrong.And(good), llmtest.Calls("refund", nil)} {
		_, err = runner.Runner{Model: forever(step), MaxTurns: 5}.Run(t.Context(), newAgent(weather(), refusing), llm.User("Hi."))
		requireLimit(t, runner.LimitError{Limit: "turns", Max: 5}, err)
	}

	// A tool that asks for other arguments counts like wrong ones.
	picky := tool.Must(tool.New("refund", "Refunds.", func(context.Context, struct{}) (string, error) { return "", tool.Retry("Ask for the order first.") }))
	_, err = with(forever(llmtest.Calls("refund", nil))).Run(t.Context(), newAgent(picky), llm.User("Hi."))
	requireLimit(t, runner.LimitError{Limit: "invalid_rounds", Max: 3}, err)

	_, err = runner.Runner{Model: forever(wrong), MaxInvalidRounds: -1, MaxTurns: 40, Limits: patient}.Run(t.Context(), newAgent(weather()), llm.User("Hi."))
	requireLimit(t, runner.LimitError{Limit: "turns", Max: 40}, err)
}

func TestRunTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		script := llmtest.Script(t, llmtest.Calls("wait", waitArgs{"a", 7200}))
		start := time.Now()
		result, err := runner.Runner{Model: script, ToolTimeout: -1}.Run(t.Context(), newAgent(waiter()), llm.User("Hi."))
		require.Equal(t, time.Hour, time.Since(start))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.EqualError(t, err, "limit of 1h0m0s for a run reached (RunTimeout)")
		require.Equal(t, []string{"It is not known whether the call took effect: it was started, and its end was never recorded. Check before you call it again."},
			results(result.Messages))
	})
}

func TestNoRunTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		script := llmtest.Script(t, llmtest.Calls("wait", waitArgs{"a", 7200}), llmtest.Text("Fine."))
		_, err := runner.Runner{Model: script, ToolTimeout: -1, RunTimeout: -1}.Run(t.Context(), newAgent(waiter()), llm.User("Hi."))
		require.NoError(t, err)
	})
}

// TestBoundsBelowMinusOne: a bound that says nothing ends the run before its first request.
func TestBoundsBelowMinusOne(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]runner.Runner{
		"runner: MaxTurns is -2; -1 means no limit":         {MaxTurns: -2},
		"runner: MaxInvalidRounds is -3; -1 means no limit": {MaxInvalidRounds: -3},
		"runner: MaxDepth is -2; -1 means no limit":         {MaxDepth: -2},
		"runner: ToolTimeout is -1s; -1 means no limit":     {ToolTimeout: -time.Second},
		"runner: RunTimeout is -1m0s; -1 means no limit":    {RunTimeout: -time.Minute},
	} {
		result, err := r.Run(t.Context(), &agent.Agent{Model: llmtest.NewScript()}, llm.User("Go."))
		require.EqualError(t, err, want)
		require.Empty(t, result.Events)
	}
}

// TestSharedHelpers: thirty levels of agents, each of which helps two agents above in two ways,
// are checked at once. Limits of a helper are checked wherever hand-offs and helpers lead.
func TestSharedHelpers(t *testing.T) {
	t.Parallel()
	shared := &agent.Agent{Name: "last"}
	helper := func(name string, a *agent.Agent) agent.Helper {
		return agent.Helper{Name: name, Description: "Helps.", Agent: a}
	}
	bad := helper("bad", &agent.Agent{Name: "bad"})
	bad.Limits.Tokens = -5
	last := shared
	for i := range 30 {
		shared = &agent.Agent{Name: fmt.Sprint(i), Helpers: []agent.Helper{helper("h1", shared), helper("h2", shared)}}
	}
	shared.Model = llmtest.NewScript(llmtest.Text("Done.").Forever())
	_, err := runner.Run(t.Context(), shared, llm.User("Go."))
	require.NoError(t, err)
	last.Handoffs = []agent.Handoff{{Agent: &agent.Agent{Name: "other", Helpers: []agent.Helper{bad}}}}
	_, err = runner.Run(t.Context(), shared, llm.User("Go."))
	require.ErrorContains(t, err, `agent "other": helper 0: runner: Limits.Tokens is -5`)
}
