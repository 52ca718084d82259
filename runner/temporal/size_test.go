package temporal_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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
		model := llmtest.Script(t, llmtest.Text("Hello."), llmtest.Text("Fine."))
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

// TestManyLargeHelpers: helpers whose events are too many for one result, and none too large,
// go on where they were, and no call of a helper runs twice.
func TestManyLargeHelpers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s shop
		long := strings.Repeat("x", 450<<10)
		var helpers []agent.Helper
		call := llmtest.Calls("h0", map[string]string{"task": "Go."})
		for i := range 4 {
			name := fmt.Sprintf("h%d", i)
			shop := s.desk()
			shop.Name, shop.Model = name, llm.ModelFunc(func(ctx context.Context, r *llm.Request, on func(llm.Delta)) (*llm.Response, error) {
				if len(r.Messages) == 1 {
					return llmtest.NewScript(llmtest.Text(long).And(llmtest.Calls("charge", order{name}))).Generate(ctx, r, on)
				}
				return llmtest.NewScript(llmtest.Text(long)).Generate(ctx, r, on)
			})
			helpers = append(helpers, agent.Helper{Name: name, Description: "Helps.", Agent: shop})
			if i > 0 {
				call = call.And(llmtest.Calls(name, map[string]string{"task": "Go."}))
			}
		}
		desk := &agent.Agent{Name: "desk", Helpers: helpers, Model: llm.ModelFunc(func(ctx context.Context, r *llm.Request, on func(llm.Delta)) (*llm.Response, error) {
			if len(r.Messages) == 1 { // asked again if the events of the answer were dropped
				return llmtest.NewScript(call).Generate(ctx, r, on)
			}
			return llmtest.NewScript(llmtest.Text("All done.")).Generate(ctx, r, on)
		})}
		session := simulate(t, toolloop.Worker{Agents: []*agent.Agent{desk}, Runner: runner.Runner{MaxTurns: 50}}, flow.Start{Heartbeat: time.Minute})
		result, err := session.run(t.Context(), question)
		require.NoError(t, err)
		require.Equal(t, "All done.", result.Text)
		keys, runs := s.counts()
		require.Equal(t, []int{4, 4}, []int{keys, runs})
		session.end(t)
	})
}
