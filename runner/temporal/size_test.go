package temporal_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	toolloop "github.com/seed-916e8f6a/toolloop/runner/temporal"
	"github.com/seed-916e8f6a/toolloop/runner/temporal/internal/flow"
)

// TestLargeMessage: a message whose event is too large is refused, and no part of the input
// is recorded. The session goes on with the next input.
func TestLargeMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s shop
		model := llmtest.Script(t, llmtest.Text("Hello."), llmtest.Text("Lost."), llmtest.Text("Fine."))
		session := simulate(t, toolloop.Worker{Agents: []*agent.Agent{s.desk()}, Runner: runner.Runner{Model: model}}, flow.Start{})
		_, err := session.run(t.Context(), runner.Say(llm.User("Hi.")))
		require.NoError(t, err)
		result, err := session.run(t.Context(), runner.Say(llm.User(strings.Repeat("x", 1<<20))))
		require.ErrorContains(t, err, "exceeds 1 MB")
		require.Len(t, result.Messages, 2)
		result, err = session.run(t.Context(), runner.Say(llm.User("And now?")))
		require.NoError(t, err)
		require.Len(t, result.Messages, 4)
		session.end(t)
	})
}

// TestManyLargeMessages: messages that are too large together are refused together.
func TestManyLargeMessages(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s shop
		session := simulate(t, toolloop.Worker{Agents: []*agent.Agent{s.desk()}, Runner: runner.Runner{Model: llmtest.NewScript()}}, flow.Start{})
		large := llm.User(strings.Repeat("x", 900<<10))
		result, err := session.run(t.Context(), runner.Say(large, large))
		require.ErrorContains(t, err, "exceeds 1 MB")
		require.Empty(t, result.Events)
		session.end(t)
	})
}
