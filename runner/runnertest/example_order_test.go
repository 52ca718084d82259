package runnertest_test

import (
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
)

// Order returns the calls in the order of the model, whichever call ended first.
func ExampleOrder() {
	refund := func(order string) llmtest.Step { return llmtest.Calls("refund", RefundArgs{order, 5}) }
	r := runner.Runner{Model: llmtest.NewScript(refund("W1").And(llmtest.Calls("cancel", nil)), refund("W2"), llmtest.Text("Done."))}
	result, err := r.Run(context.Background(), newShop(), llm.User("Refund W1 and W2, and cancel W1."))
	fmt.Println(runnertest.Order(result), err) // a call of an unknown tool is a call
	// Output:
	// [refund cancel refund] <nil>
}
