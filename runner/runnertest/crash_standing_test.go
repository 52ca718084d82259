package runnertest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
	"github.com/seed-916e8f6a/toolloop/tool"
)

type sumArgs struct {
	Order string `json:"order"`
	Cents int    `json:"cents"`
}

// TestEveryCrashOfApprovals: a policy approves up to a total, a person approves a larger call
// always, and the answer stands for the next one. At every point at which the process dies or
// stands still, each call runs once, under the same decision, and the policy is not asked about
// a call that is decided.
func TestEveryCrashOfApprovals(t *testing.T) {
	t.Parallel()
	pay := func(order string, cents int) llmtest.Step { return llmtest.Calls("pay", sumArgs{order, cents}) }
	steps := []llmtest.Step{pay("W1", 10).And(pay("W2", 15)), pay("W3", 60), pay("W4", 70).And(pay("W5", 5)), llmtest.Text("All is paid.")}
	runnertest.EveryCrash(t, steps, func(t *testing.T, w *runnertest.World) runnertest.Life {
		desk := &agent.Agent{Name: "desk", Tools: []tool.Tool{tool.Must(tool.New("pay", "Pays.", func(ctx context.Context, in sumArgs) (string, error) {
			w.Effect(ctx, tool.CallFrom(ctx).Key, fmt.Sprint("pay ", in.Order, " ", in.Cents))
			return "Paid.", nil
		}, tool.NeedsApproval(), tool.Idempotent()))}}
		return func(ctx context.Context, r runner.Runner) error {
			store, ok := r.Journal.(journal.Reader)
			require.True(t, ok)
			r.Decide = func(ctx context.Context, p runner.Pending) (runner.Input, error) {
				calls, err := runner.CallsOf(store.Read(ctx, p.Session, 0))
				if err != nil || p.InDoubt {
					return nil, err
				}
				total := 0
				for _, c := range calls {
					if c.Counts() || c.Call == p.Call {
						total += cents(t, c.ToolCall)
					}
					if c.Call == p.Call && ctx.Err() == nil {
						require.Empty(t, c.Decisions, "asked about a call that is decided")
					}
				}
				if total > 30 {
					return nil, nil
				}
				return runner.By("policy: 30", p.Approve()), nil
			}
			s := r.Session("W")
			result, err := s.Run(ctx, desk, runner.By("bob", runner.Once("begin", llm.User("Pay all."))))
			if errors.Is(err, runner.ErrPaused) {
				require.Equal(t, []string{"bob"}, result.Pending[0].Persons)
				result, err = s.Run(ctx, desk, runner.By("ada", result.Pending[0].ApproveAlways(event.EveryCall)))
			}
			if err != nil {
				return err
			}
			require.Equal(t, "All is paid.", result.Text)
			state, err := runner.StateOf("W", store.Read(ctx, "W", 0))
			if err != nil {
				return err
			}
			var by []string
			for _, d := range state.Decisions {
				if d.Source == "caller" { // in doubt, the tool is idempotent
					by = append(by, fmt.Sprint(d.Call, " ", d.Person, " ", d.Standing > 0))
				}
			}
			require.Equal(t, []string{
				"r1.t1.c0 policy: 30 false", "r1.t1.c1 policy: 30 false", "r1.t2.c0 ada false", "r1.t3.c0 ada true", "r1.t3.c1 ada true",
			}, by)
			return nil
		}
	})
}

func cents(t *testing.T, c llm.ToolCall) int {
	var in sumArgs
	require.NoError(t, json.Unmarshal([]byte(c.Arguments), &in))
	return in.Cents
}
