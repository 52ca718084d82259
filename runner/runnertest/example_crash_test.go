package runnertest_test

import (
	"context"
	"testing"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// refundSurvives kills the process of a refund at each point. The bank pays once for each
// key, so the refund happens once.
func refundSurvives(t *testing.T) {
	steps := []llmtest.Step{llmtest.Calls("refund", struct{}{}), llmtest.Text("It is on its way.")}
	runnertest.EveryCrash(t, steps, func(t *testing.T, w *runnertest.World) runnertest.Life {
		pay := func(ctx context.Context, _ struct{}) (string, error) {
			w.Effect(ctx, tool.CallFrom(ctx).Key, "refund of W1") // in place of the bank
			return "Paid.", nil
		}
		return func(ctx context.Context, r runner.Runner) error {
			desk := &agent.Agent{Tools: []tool.Tool{tool.Must(tool.New("refund", "Pays.", pay, tool.Idempotent()))}}
			_, err := r.Session("W1").Run(ctx, desk, runner.Once("begin", llm.User("Refund W1.")))
			return err
		}
	})
}

// EveryCrash is a test of a program that must survive crashes. Without Idempotent, the
// program would wait for a person. With a key of its own, it would pay twice.
func ExampleEveryCrash() {
	_ = refundSurvives // func TestRefundSurvives(t *testing.T) in your test file
}
