package runnertest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
)

// Calls returns the calls of a tool with decoded arguments.
func ExampleCalls() {
	t := new(testing.T) // the t of your test
	script := llmtest.NewScript(
		llmtest.Calls("refund", RefundArgs{"W1", 0}).And(llmtest.Calls("refund", RefundArgs{"W2", 5})),
		llmtest.Text("It is on its way."))
	result, err := runner.Runner{Model: script}.Run(context.Background(), newShop(), llm.User("Refund both."))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, c := range runnertest.Calls[RefundArgs](t, result, "refund") {
		if c.Rejected {
			fmt.Println(c.Ref, c.Raw, c.Failure)
			continue
		}
		fmt.Println(c.Ref, c.Args.Cents, c.Text)
	}
	fmt.Println(runnertest.Order(result), result.Turns, result.Usage.InputTokens)
	// Output:
	// r1.t1.c0 {"order":"W1","cents":0} invalid_arguments
	// r1.t1.c1 5 Refunded 5 cents.
	// [refund refund] 2 20
}
