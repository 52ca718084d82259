package runner_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// helped returns a desk whose helper is triage of a team, with a check that asks a model.
func helped(stop bool, work *[]string) *agent.Agent {
	model := func(steps func(req *llm.Request) llmtest.Step) llm.Model {
		return llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
			return llmtest.NewScript(steps(req)).Generate(ctx, req, sink)
		})
	}
	first := func(req *llm.Request) bool { return req.Messages[len(req.Messages)-1].Role == llm.RoleUser }
	triage, billing := team(
		model(func(*llm.Request) llmtest.Step { return llmtest.Calls(toBilling, nil) }),
		model(func(req *llm.Request) llmtest.Step {
			if len(req.Messages) < 5 {
				return llmtest.Calls("bill", stepArgs{2})
			}
			return llmtest.Text("Billed.")
		}), work)
	small := model(func(*llm.Request) llmtest.Step { return llmtest.Text("fine") })
	billing.Checks = []agent.Check{{Name: "amount", Call: func(ctx context.Context, s agent.Subject) (agent.Verdict, error) {
		if stop {
			return agent.Verdict{Stop: "too much"}, nil
		}
		_, err := s.Ask(ctx, small, &llm.Request{Messages: []llm.Message{llm.User(s.Text)}})
		return agent.Verdict{}, err
	}}}
	return &agent.Agent{
		Name: "desk", Helpers: []agent.Helper{{Name: "ask", Description: "Asks.", Agent: triage}},
		Model: model(func(req *llm.Request) llmtest.Step {
			if first(req) {
				return llmtest.Calls("ask", `{"task":"Bill it."}`)
			}
			return llmtest.Text("The helper said: " + req.Messages[len(req.Messages)-1].Results()[0].Text())
		}),
	}
}

// TestTeamInAHelper: hand-offs and checks work in the run of a helper. After a crash at any
// event, the run goes on as the agent that had it, and what a check spends counts once.
func TestTeamInAHelper(t *testing.T) {
	t.Parallel()
	var work []string
	whole, err := runner.Runner{}.Session("s").Run(t.Context(), helped(false, &work), runner.Say(llm.User("Go.")))
	require.NoError(t, err)
	require.Equal(t, "The helper said: Billed.", whole.Text)
	require.Equal(t, "desk", whole.Agent)
	require.Equal(t, []string{"bill"}, work)
	require.Equal(t, int64(6*10), whole.Usage.InputTokens, "five answers and the check")
	paths := map[string]event.CallRef{}
	for _, e := range whole.Events {
		paths[e.Type()] = e.Path
	}
	require.Equal(t, event.CallRef("r1.t1.c0"), paths["handed_off"])
	require.Equal(t, event.CallRef("r1.t1.c0"), paths["checked"])
	for cut := 2; cut < len(whole.Events)-1; cut++ {
		if whole.Events[cut-1].Type() == "run_started" { // the message of a run is in the same append
			continue
		}
		var again []string
		r := runner.Runner{Journal: journalOf(t, whole.Events[:cut])}
		result, err := r.Session("s").Run(t.Context(), helped(false, &again))
		require.NoError(t, err, "cut after %d", cut)
		require.Equal(t, whole.Text, result.Text, "cut after %d", cut)
		require.Equal(t, whole.Usage, result.Usage, "cut after %d", cut)
	}
}

// TestCheckStopsAHelper: the outer run reads the reason, and goes on.
func TestCheckStopsAHelper(t *testing.T) {
	t.Parallel()
	var work []string
	result, err := runner.Runner{}.Session("s").Run(t.Context(), helped(true, &work), runner.Say(llm.User("Go.")))
	require.NoError(t, err)
	_, stopped := errors.AsType[*runner.CheckError](err)
	require.False(t, stopped)
	require.Empty(t, work)
	require.True(t, strings.Contains(result.Text, `check "amount" stopped the run (call): too much`), result.Text)
}
