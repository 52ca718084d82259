package runner_test

import (
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A helper is an agent that works as a tool of another agent. A call of the helper needs
// approval, so both runs wait for the answer.
func Example_helper() {
	refund := tool.Must(tool.New("refund", "Pays an order back.", func(_ context.Context, in struct{ Order string }) (string, error) {
		return "paid back " + in.Order, nil
	}, tool.NeedsApproval()))
	billing := &agent.Agent{
		Name: "billing", Tools: []tool.Tool{refund},
		Model: llmtest.NewScript(llmtest.Calls("refund", `{"Order":"W1"}`), llmtest.Text("W1 is paid back.")),
	}
	desk := &agent.Agent{
		Name:    "desk",
		Helpers: []agent.Helper{{Name: "ask_billing", Description: "Asks billing about money.", Agent: billing}},
		Model:   llmtest.NewScript(llmtest.Calls("ask_billing", `{"task":"Pay W1 back."}`), llmtest.Text("Your money is on its way.")),
	}

	ctx, session := context.Background(), runner.Runner{}.Session("customer 7")
	result, err := session.Run(ctx, desk, runner.Say(llm.User("I want my money back.")))
	fmt.Println(err)
	p := result.Pending[0]
	fmt.Println(p.Call, p.ToolCall.Name, p.ToolCall.Arguments)
	result, err = session.Run(ctx, desk, p.Approve())
	fmt.Println(result.Text, err)
	// Output:
	// runner: the run is paused: tool calls wait for a decision or a result
	// r1.t1.c0/r1.t1.c0 refund {"Order":"W1"}
	// Your money is on its way. <nil>
}
