package runnertest_test

import (
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
	"github.com/seed-916e8f6a/toolloop/tool"
)

type RefundArgs struct {
	Order string `json:"order" jsonschema:"example=W1,example=W2"`
	Cents int    `json:"cents" jsonschema:"minimum=1,maximum=9"`
}

// newShop makes the agent of the examples.
func newShop() *agent.Agent {
	return &agent.Agent{
		Name: "shop",
		Tools: []tool.Tool{
			tool.Must(tool.New("refund", "Refunds an order.", func(_ context.Context, in RefundArgs) (string, error) {
				return fmt.Sprintf("Refunded %d cents.", in.Cents), nil
			})),
		},
	}
}

// A transcript shows a run as text, call by call.
func ExampleTranscript() {
	script := llmtest.NewScript(
		llmtest.Text("One moment.").And(llmtest.Calls("refund", RefundArgs{"W1", 0})),
		llmtest.Calls("refund", RefundArgs{"W1", 5}),
		llmtest.Text("It is on its way."))
	result, err := runner.Runner{Model: script}.Run(context.Background(), newShop(), llm.User("Refund W1."))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(runnertest.Transcript(result))
	// Output:
	// run 1: shop
	//
	// user
	//     Refund W1.
	//
	// turn 1: tool_calls, 10 tokens in, 5 out
	//   text
	//     One moment.
	//   call r1.t1.c0 refund (did not start)
	//     {
	//       "order": "W1",
	//       "cents": 0
	//     }
	//   result r1.t1.c0: invalid_arguments
	//     Arguments for refund do not match its schema (1 problem):
	//     - /cents: must be >= 1; got the number 0
	//     Send the call again with corrected arguments.
	//
	// turn 2: tool_calls, 10 tokens in, 5 out
	//   call r1.t2.c0 refund
	//     {
	//       "order": "W1",
	//       "cents": 5
	//     }
	//   result r1.t2.c0
	//     Refunded 5 cents.
	//
	// turn 3: stop, 10 tokens in, 5 out
	//   text
	//     It is on its way.
	//
	// finished after 3 turns, 30 tokens in, 15 out
}
