package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A policy approves refunds of a session up to a total. Calls of the same turn count, because
// each answer is recorded before the next question. The rest waits for a person.
func ExampleCallsOf() {
	ctx := context.Background()
	type refundArgs struct {
		Order string `json:"order"`
		Euros int    `json:"euros"`
	}
	euros := func(c llm.ToolCall) int {
		var in refundArgs
		_ = json.Unmarshal([]byte(c.Arguments), &in) // the runner has checked the arguments
		return in.Euros
	}
	store := new(journal.Memory)
	policy := func(ctx context.Context, p runner.Pending) (runner.Input, error) {
		calls, err := runner.CallsOf(store.Read(ctx, p.Session, 0))
		if err != nil {
			return nil, err
		}
		total := euros(p.ToolCall)
		for _, c := range calls {
			if c.ToolCall.Name == "refund" && c.Counts() {
				total += euros(c.ToolCall)
			}
		}
		if total > 50 {
			return nil, nil
		}
		return runner.By("policy: 50 in a session", p.Approve()), nil
	}

	refund := tool.Must(tool.New("refund", "Pays back.", func(_ context.Context, in refundArgs) (string, error) {
		return fmt.Sprint("paid ", in.Euros), nil
	}, tool.NeedsApproval()))
	model := llmtest.NewScript(
		llmtest.Calls("refund", refundArgs{"W1", 30}).And(llmtest.Calls("refund", refundArgs{"W2", 30}), llmtest.Calls("refund", refundArgs{"W3", 20})),
		llmtest.Text("All is refunded."))
	desk := &agent.Agent{Model: model, Tools: []tool.Tool{refund}}
	session := runner.Runner{Journal: store, Decide: policy}.Session("desk-4")
	result, err := session.Run(ctx, desk, runner.Say(llm.User("Refund W1, W2 and W3.")))
	fmt.Println("paused:", errors.Is(err, runner.ErrPaused), result.Pending[0].ToolCall.Arguments)
	result, err = session.Run(ctx, desk, runner.By("ada", result.Pending[0].Approve()))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range result.Decisions {
		fmt.Println(d.Call, d.What, "by", d.Person)
	}
	// Output:
	// paused: true {"order":"W2","euros":30}
	// r1.t1.c0 approved by policy: 50 in a session
	// r1.t1.c2 approved by policy: 50 in a session
	// r1.t1.c1 approved by ada
}
