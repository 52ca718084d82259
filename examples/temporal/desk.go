package main

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/examples/temporal/internal/bank"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A lookUp is the argument of the tool order.
type lookUp struct {
	Order string `json:"order"`
}

// A refund is the argument of the tool refund.
type refund struct {
	Order   string `json:"order"`
	Dollars int    `json:"dollars" jsonschema:"minimum=1"`
}

// desk returns the agent, for workers and for the program.
func desk(b bank.Bank) *agent.Agent {
	return &agent.Agent{
		Name:         "desk",
		Instructions: "You help customers of a shop. Look an order up before you refund it.",
		Tools: []tool.Tool{
			tool.Must(tool.New("order", "Looks up an order.", func(ctx context.Context, in lookUp) (string, error) {
				return "Order " + in.Order + " was delivered on Monday.", wait(ctx)
			}, tool.Idempotent())),
			// The bank knows the key of each payment, so the call may be made again.
			tool.Must(tool.New("refund", "Pays money back.", func(ctx context.Context, in refund) (string, error) {
				if err := wait(ctx); err != nil {
					return "", err
				}
				return b.Pay(tool.CallFrom(ctx).Key, in.Order, in.Dollars)
			}, tool.Idempotent(), tool.NeedsApprovalIf(func(_ context.Context, in refund) (bool, error) { return in.Dollars > 200, nil }))),
		},
	}
}

// wait is the time of a call. A worker may die meanwhile.
func wait(ctx context.Context) error {
	select {
	case <-time.After(500 * time.Millisecond):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// clerk is a model without a provider: clerk looks the order up, makes a refund, and says so. A
// worker of yours has openai.Config{…}.Model(…) here.
func clerk() llm.Model {
	return llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		var order string
		var dollars int
		if _, err := fmt.Sscanf(req.Messages[0].Text(), "Order %s arrived broken. It cost %d", &order, &dollars); err != nil {
			return nil, err
		}
		answers := []llmtest.Step{
			llmtest.Calls("order", lookUp{order}), llmtest.Calls("refund", refund{order, dollars}),
			llmtest.Text(fmt.Sprintf("I have refunded %d dollars.", dollars)),
		}
		turn := 0
		for _, m := range req.Messages {
			if m.Role == llm.RoleAssistant {
				turn++
			}
		}
		return llmtest.NewScript(answers[turn]).Generate(ctx, req, sink)
	})
}
