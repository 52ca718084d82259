package tool_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
)

type refundArgs struct {
	Order string `json:"order"`
	Cents int    `json:"cents"`
}

// Large refunds need an approval, small refunds do not.
func ExampleNeedsApprovalIf() {
	ctx := context.Background()
	refund := tool.Must(tool.New("refund", "Refunds an order.", func(_ context.Context, in refundArgs) (string, error) {
		return fmt.Sprint("refunded ", in.Cents), nil
	}, tool.NeedsApprovalIf(func(_ context.Context, in refundArgs) (bool, error) {
		return in.Cents > 100_00, nil
	})))
	clerk := &agent.Agent{Tools: []tool.Tool{refund}, Model: llmtest.NewScript(
		llmtest.Calls("refund", refundArgs{"W1", 5_00}).And(llmtest.Calls("refund", refundArgs{"W2", 480_00})),
		llmtest.Text("Both are refunded."))}

	session := runner.Runner{}.Session("desk-1")
	result, err := session.Run(ctx, clerk, runner.Say(llm.User("Refund W1 and W2.")))
	fmt.Println("paused:", errors.Is(err, runner.ErrPaused))
	for _, p := range result.Pending {
		fmt.Println(p.ToolCall.Name, p.ToolCall.Arguments)
	}
	result, err = session.Run(ctx, clerk, result.Pending[0].Approve())
	fmt.Println(result.Text, err)
	// Output:
	// paused: true
	// refund {"order":"W2","cents":48000}
	// Both are refunded. <nil>
}
