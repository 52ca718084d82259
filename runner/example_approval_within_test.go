package runner_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// An offer holds for three days. After that, nobody can approve it: the next run, which a
// queue starts at this time, ends the call, and the model reads the text of the tool. That is
// no denial.
func Example_approvalWithin() {
	ctx := context.Background()
	buy := tool.Must(tool.New("buy", "Buys at today's price.", func(_ context.Context, in struct {
		Item string `json:"item"`
	}) (string, error) {
		return "bought " + in.Item, nil
	}, tool.NeedsApproval(), tool.ApprovalWithin(72*time.Hour, "The offer is over: ask for a new price.")))

	model := llmtest.NewScript(llmtest.Calls("buy", map[string]string{"item": "lamp"}), llmtest.Text("I bought it."))
	clerk, session := &agent.Agent{Model: model, Tools: []tool.Tool{buy}}, runner.Runner{}.Session("offer-7")
	result, err := session.Run(ctx, clerk, runner.Say(llm.User("Buy the lamp.")))
	fmt.Println("paused:", errors.Is(err, runner.ErrPaused))
	p := result.Pending[0]
	fmt.Println("waits for", time.Until(p.Until).Round(time.Hour))

	result, err = session.Run(ctx, clerk, p.Approve())
	fmt.Println(result.Text, err)
	// Output:
	// paused: true
	// waits for 72h0m0s
	// I bought it. <nil>
}
