package runner_test

import (
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// A queue hands out a job twice, and a webhook is delivered twice. Each is said once, and
// the second call has the answer of the first.
func ExampleOnce() {
	ctx := context.Background()
	model := llmtest.NewScript(llmtest.Text("Invoice 17 is paid."), llmtest.Text("The bank has confirmed."))
	store, desk := new(journal.Memory), &agent.Agent{Model: model}
	for range 2 {
		s := runner.Runner{Journal: store}.Session("invoice-17")
		result, err := s.Run(ctx, desk, runner.Once("begin", llm.User("Pay invoice 17.")))
		fmt.Println(result.Text, err)
	}
	for range 2 {
		s := runner.Runner{Journal: store}.Session("invoice-17")
		result, err := s.Run(ctx, desk, runner.Once("hook-8f1", llm.User("The bank says: booked.")))
		fmt.Println(result.Text, err)
	}
	fmt.Println(len(model.Requests()), "requests")
	// Output:
	// Invoice 17 is paid. <nil>
	// Invoice 17 is paid. <nil>
	// The bank has confirmed. <nil>
	// The bank has confirmed. <nil>
	// 2 requests
}
