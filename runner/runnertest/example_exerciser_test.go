package runnertest_test

import (
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
)

// A model without a script calls each tool once, with arguments that fit the schema.
func ExampleExerciser() {
	r := runner.Runner{Model: runnertest.Exerciser(5)}
	result, err := r.Run(context.Background(), newShop(), llm.User("Go."))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range result.Messages {
		for _, c := range m.Calls() {
			fmt.Println(c.Name, c.Arguments)
		}
	}
	fmt.Println(result.Text)
	// Output:
	// refund {"cents":1,"order":"W2"}
	// Called: refund.
}
