package temporal_test

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	toolloop "github.com/seed-916e8f6a/toolloop/runner/temporal"
	"github.com/seed-916e8f6a/toolloop/runner/temporal/internal/flow"
	"github.com/seed-916e8f6a/toolloop/tool"
)

type refundArgs struct {
	Euros int `json:"euros"`
}

func euros(c llm.ToolCall) int {
	var in refundArgs
	_ = json.Unmarshal([]byte(c.Arguments), &in) // the runner has checked the arguments
	return in.Euros
}

// TestPolicyAddsUp: a policy that reads the session sees the decisions of the same turn, also
// about calls of helpers, and is asked about each call once in a run.
func TestPolicyAddsUp(t *testing.T) {
	t.Parallel()
	refund := tool.Must(tool.New("refund", "Pays back.", func(context.Context, refundArgs) (string, error) { return "paid", nil }, tool.NeedsApproval()))
	three := llmtest.Calls("refund", refundArgs{400}).And(llmtest.Calls("refund", refundArgs{400}), llmtest.Calls("refund", refundArgs{60}))
	one := llmtest.Calls("refund", refundArgs{400})
	helper := func(name string) agent.Helper {
		return agent.Helper{Name: name, Description: "Helps.", Agent: &agent.Agent{Name: name, Tools: []tool.Tool{refund}, Model: llmtest.NewScript(one, llmtest.Text("Paid."))}}
	}
	task := map[string]string{"task": "Refund."}
	for name, c := range map[string]struct {
		desk    *agent.Agent
		started int
		asked   int
	}{
		"turn": {&agent.Agent{Name: "desk", Tools: []tool.Tool{refund}, Model: llmtest.NewScript(three)}, 460, 3},
		"helpers": {&agent.Agent{Name: "desk", Helpers: []agent.Helper{helper("left"), helper("right")},
			Model: llmtest.NewScript(llmtest.Calls("left", task).And(llmtest.Calls("right", task)))}, 400, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var session *sim
				asked := 0
				policy := func(ctx context.Context, p runner.Pending) (runner.Input, error) {
					asked++
					page, err := session.inActivity(ctx, flow.Range{})
					require.NoError(t, err)
					events, err := toolloop.Decode(nil, page.Events)
					require.NoError(t, err)
					total := euros(p.ToolCall)
					calls, err := runner.CallsOf(func(yield func(event.Event, error) bool) {
						for _, e := range events {
							if !yield(e, nil) {
								return
							}
						}
					})
					require.NoError(t, err)
					for _, c := range calls {
						if c.Counts() {
							total += euros(c.ToolCall)
						}
					}
					if total > 500 {
						return nil, nil
					}
					return p.Approve(), nil
				}
				session = simulate(t, toolloop.Worker{Agents: []*agent.Agent{c.desk}, Runner: runner.Runner{Decide: policy}}, flow.Start{})
				result, err := session.run(t.Context(), question)
				require.ErrorIs(t, err, runner.ErrPaused)
				started := 0
				for _, e := range result.Events {
					if b, ok := e.Body.(event.ToolCallStarted); ok {
						started += euros(llm.ToolCall{Arguments: b.Arguments})
					}
				}
				require.Equal(t, c.started, started)
				require.Equal(t, c.asked, asked)
				session.end(t)
			})
		})
	}
}
