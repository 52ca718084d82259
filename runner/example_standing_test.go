package runner_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A person approves every call of a tool in a session. Later another person revokes the
// answer, and the next call waits again.
func ExamplePending_ApproveAlways() {
	ctx := context.Background()
	pay := func(invoice string) llmtest.Step { return llmtest.Calls("pay", map[string]string{"invoice": invoice}) }
	desk := payer(llmtest.NewScript(pay("R-17"), pay("R-18"), llmtest.Text("Both are paid."), pay("R-19")))
	session := runner.Runner{}.Session("desk-4")
	result, err := session.Run(ctx, desk, runner.Say(llm.User("Pay R-17 and R-18.")))
	fmt.Println("paused:", errors.Is(err, runner.ErrPaused))

	result, err = session.Run(ctx, desk, runner.By("ada", result.Pending[0].ApproveAlways(event.EveryCall)))
	fmt.Println(result.Text, err)
	for _, d := range result.Decisions {
		fmt.Printf("%s by %s, always: %q, standing: %t\n", d.What, d.Person, d.Always, d.Standing > 0)
	}

	state, err := session.State(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	standing := state.Standing[0]
	_, err = session.Run(ctx, desk, runner.By("cleo", standing.Revoke(), "the contract has ended"))
	fmt.Printf("%s of %s revoked: %v\n", standing.Tool, standing.Person, err)
	_, err = session.Run(ctx, desk, runner.Say(llm.User("And R-19.")))
	fmt.Println("paused:", errors.Is(err, runner.ErrPaused))
	// Output:
	// paused: true
	// Both are paid. <nil>
	// approved by ada, always: "tool", standing: false
	// approved by ada, always: "", standing: true
	// pay of ada revoked: <nil>
	// paused: true
}
