package runner_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestHelperOuterLimits: a limit of the outer run ends the helper, and then the outer run.
func TestHelperOuterLimits(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		limits runner.Limits
		want   string
	}{
		{runner.Limits{Tokens: 100}, "tokens"},
		{runner.Limits{ToolCalls: 3}, "tool_calls"},
		{runner.Limits{Cost: 2}, "cost"},
	} {
		for _, last := range []bool{false, true} {
			look := tool.Must(tool.New("look", "Looks.", func(context.Context, struct{}) (string, error) { return "seen", nil }))
			a := withHelper(t, nil, nil, look)
			a.Model = llmtest.NewScript(delegate("Work."), llmtest.Text("Done.").Forever())
			helper := llmtest.NewScript(llmtest.Calls("look", nil).Usage(llm.Usage{InputTokens: 60}).Forever())
			a.Helpers[0].Agent.Model = helper
			r := runner.Runner{Limits: tt.limits, Cost: func(string, llm.Usage) float64 { return 0.7 }}
			if tt.limits.Cost == 0 {
				r.Cost = nil
			}
			if last {
				r.AtLimit = runner.LastAnswer
			}
			result, err := r.Run(t.Context(), a, llm.User("Go."))
			requireValid(t, result.Messages)
			if last {
				require.NoError(t, err)
				require.Equal(t, "Done.", result.Text)
			} else {
				var limit *runner.LimitError
				require.ErrorAs(t, err, &limit)
				require.Equal(t, tt.want, limit.Limit)
			}
			require.LessOrEqual(t, len(helper.Requests()), 3)
			require.Contains(t, result.Messages[2].Results()[0].Text(), "The helper did not finish: ")
		}
	}
}

// TestHelperCancelled: the caller cancels in the middle of a helper's tool. The call is in doubt,
// and its decision goes on inside.
func TestHelperCancelled(t *testing.T) {
	t.Parallel()
	for _, abort := range []bool{false, true} {
		for i := range 5 {
			synctest.Test(t, func(t *testing.T) {
				var n atomic.Int32
				pay := tool.Must(tool.New("pay", "Pays.", func(ctx context.Context, _ struct{}) (string, error) {
					if n.Add(1) > 1 {
						return "paid", nil
					}
					select {
					case <-time.After(time.Hour):
					case <-ctx.Done():
					}
					return "", ctx.Err()
				}))
				stop := tool.Must(tool.New("stop", "Stops.", func(context.Context, struct{}) (string, error) {
					time.Sleep(time.Minute) // synctest: exact in a bubble
					return "", tool.Abort(errPlanted)
				}))
				helper := agent.Helper{Name: "ask_billing", Description: "Asks.", Agent: &agent.Agent{Name: "billing", Tools: []tool.Tool{pay},
					Model: llmtest.NewScript(llmtest.Calls("pay", nil).When(llmtest.Turn(1)).Forever(), llmtest.Text("Finished.").When(llmtest.Turn(2)).Forever())}}
				first := delegate("Pay.").And(delegate("Pay too."))
				if abort {
					first = delegate("Pay.").And(llmtest.Calls("stop", nil))
				}
				a := &agent.Agent{Name: "desk", Tools: []tool.Tool{stop}, Helpers: []agent.Helper{helper},
					Model: llmtest.NewScript(first.When(llmtest.Turn(1)).Forever(), llmtest.Text("Done.").When(llmtest.Turn(2)).Forever())}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				j := new(journal.Memory)
				result, err := runner.Runner{Journal: j, ToolTimeout: -1}.Session("s").Run(ctx, a, runner.Say(llm.User("Go.")))
				require.Error(t, err)
				for range 10 {
					if err == nil {
						break
					}
					var in []runner.Input
					for _, p := range result.Pending {
						require.True(t, p.InDoubt)
						in = append(in, []runner.Input{p.Happened(), p.NotHappened(), p.RunAgain(), p.Unknown(), p.RunAgain()}[i])
						if i == 4 {
							break // one at a time
						}
					}
					result, err = runner.Runner{Journal: j, ToolTimeout: -1}.Session("s").Run(t.Context(), a, in...)
				}
				require.NoError(t, err, fmt.Sprint(result.Pending))
				require.Equal(t, "Done.", result.Text)
				requireValid(t, result.Messages)
			})
		}
	}
}
