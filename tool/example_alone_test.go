package tool_test

import (
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// The calls of a turn run at the same time. A tool with Alone waits for the earlier
// calls, and the later calls wait for the tool.
func ExampleAlone() {
	stock := 0
	count := tool.Must(tool.New("count_stock", "Counts the stock.", func(context.Context, struct{}) (int, error) {
		return stock, nil
	}))
	add := tool.Must(tool.New("add_stock", "Adds ten pieces.", func(context.Context, struct{}) (string, error) {
		stock += 10 // no lock: no other call of the turn runs now
		return "added", nil
	}, tool.Alone()))

	model := llmtest.NewScript(
		llmtest.Calls("count_stock", nil).And(llmtest.Calls("add_stock", nil), llmtest.Calls("count_stock", nil)),
		llmtest.Text("There are ten."))
	result, err := runner.Run(context.Background(), &agent.Agent{Model: model, Tools: []tool.Tool{count, add}}, llm.User("Add ten."))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range result.Messages {
		for _, r := range m.Results() {
			fmt.Println(r.Name, r.Text())
		}
	}
	// Output:
	// count_stock 0
	// add_stock added
	// count_stock 10
}
