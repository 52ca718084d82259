package tool_test

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A printer takes one job at a time, over all runs of the program.
func ExampleConcurrency() {
	var jobs atomic.Int64
	printPage := tool.Must(tool.New("print_page", "Prints a page.", func(context.Context, struct{}) (string, error) {
		defer jobs.Add(-1)
		if jobs.Add(1) > 1 {
			return "", fmt.Errorf("the printer is busy")
		}
		return "printed", nil
	}, tool.Concurrency(1)))

	call := llmtest.Calls("print_page", nil)
	model := llmtest.NewScript(call.And(call, call), llmtest.Text("Three pages."))
	result, err := runner.Run(context.Background(), &agent.Agent{Model: model, Tools: []tool.Tool{printPage}}, llm.User("Print."))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range result.Messages {
		for _, r := range m.Results() {
			fmt.Println(r.Text())
		}
	}
	// Output:
	// printed
	// printed
	// printed
}
