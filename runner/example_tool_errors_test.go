package runner_test

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

// A tool chooses what its error means: a text for the model, a hint for another call,
// a secret from the model, or the end of the run.
func Example_toolErrors() {
	refund := tool.Must(tool.New("refund", "Refunds an order.", func(_ context.Context, in struct {
		Order string `json:"order"`
	}) (string, error) {
		switch in.Order {
		case "W1":
			return "", errors.New("order W1 was not paid")
		case "":
			return "", tool.Retry("Ask the user for the order first.")
		case "W2":
			return "", tool.Hide(errors.New("ledger-3: connection refused"))
		}
		return "", tool.Abort(errors.New("the till is closed"))
	}))
	call := func(order string) llmtest.Step { return llmtest.Calls("refund", map[string]string{"order": order}) }
	r := runner.Runner{Model: llmtest.NewScript(call("W1").And(call(""), call("W2")), call("W3"))}
	result, err := r.Run(context.Background(), &agent.Agent{Tools: []tool.Tool{refund}}, llm.User("Refund all."))
	for _, m := range result.Messages {
		for _, res := range m.Results() {
			fmt.Println(res.Text())
		}
	}
	fmt.Println(err)
	// Output:
	// order W1 was not paid
	// Ask the user for the order first.
	// Send the call again with corrected arguments.
	// The tool failed. The reason is not for you to see; the same call may fail again.
	// The tool ended the run.
	// turn 2: tool refund: the till is closed
}
