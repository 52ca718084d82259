package runnertest_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestEveryCrashOfSeveralAgents: triage hands over to a desk, and the desk asks two helpers at
// the same time. Each agent has its own steps, and the process dies everywhere.
func TestEveryCrashOfSeveralAgents(t *testing.T) {
	t.Parallel()
	ask := func(task string) llmtest.Step { return llmtest.Calls("ask_billing", map[string]string{"task": task}) }
	steps := slices.Concat(
		llmtest.For(llmtest.Instructed("triage"), llmtest.Calls("transfer_to_desk", nil)),
		llmtest.For(llmtest.Instructed("desk"), ask("W1").And(ask("W2")), llmtest.Calls("mail", deskArgs{"both"}), llmtest.Text("All is done.")),
		llmtest.For(llmtest.Instructed("billing"), llmtest.Reply(func(_ context.Context, req *llm.Request) (*llm.Response, error) {
			return llmtest.Calls("refund", deskArgs{req.Messages[len(req.Messages)-1].Text()}).Response()
		}), llmtest.Text("It is refunded.")),
	)
	runnertest.EveryCrash(t, steps, func(t *testing.T, w *runnertest.World) runnertest.Life {
		deed := func(name string) tool.Tool {
			return tool.Must(tool.New(name, "Does it.", func(ctx context.Context, in deskArgs) (string, error) {
				w.Effect(ctx, tool.CallFrom(ctx).Key, name+" "+in.Order)
				return "Done.", nil
			}, tool.Idempotent()))
		}
		return func(ctx context.Context, r runner.Runner) error {
			billing := &agent.Agent{Name: "billing", Instructions: "You are billing.", Tools: []tool.Tool{deed("refund")}}
			desk := &agent.Agent{Name: "desk", Instructions: "You are the desk.", Tools: []tool.Tool{deed("mail")}}
			desk.Helpers = []agent.Helper{{Name: "ask_billing", Description: "Asks billing.", Agent: billing}}
			triage := &agent.Agent{Name: "triage", Instructions: "You are triage.", Handoffs: []agent.Handoff{{Agent: desk}}}
			s := r.Session("W1")
			result, err := s.Run(ctx, triage, runner.Once("begin", llm.User("Refund both.")))
			if errors.Is(err, runner.ErrNoInput) {
				return nil
			}
			if err == nil {
				require.Equal(t, "All is done.", result.Text)
				require.Equal(t, "desk", result.Agent)
			}
			return err
		}
	})
}

type deskArgs struct {
	Order string `json:"order"`
}
