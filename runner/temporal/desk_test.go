package temporal_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/internal/scenario"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/temporal"
)

func workerMain(string) {}

// TestDesk: a session on a real server.
func TestDesk(t *testing.T) {
	c := server(t)
	desk := scenario.Desk()
	script := llmtest.Script(t, scenario.Look("W1", 0).And(scenario.Look("W2", 0)), llmtest.Text("Sent."))
	w := temporal.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk}, Runner: runner.Runner{Model: script}}
	work(t, w.Run)
	s := temporal.Client{Temporal: c, TaskQueue: name(t)}.Session(name(t))
	result, err := s.Run(t.Context(), desk, runner.Say(llm.User("Where is it?")))
	require.NoError(t, err)
	require.Equal(t, "Sent.", result.Text)
}
