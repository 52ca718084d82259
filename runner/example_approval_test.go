package runner_test

import (
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A program asks its user before a call runs. The function Decide gets each call that
// needs approval, and answers at once.
func Example_approval() {
	remove := tool.Must(tool.New("remove_file", "Removes a file.", func(_ context.Context, in struct {
		Name string `json:"name"`
	}) (string, error) {
		return "removed " + in.Name, nil
	}, tool.NeedsApproval()))

	r := runner.Runner{
		Model: llmtest.NewScript(
			llmtest.Calls("remove_file", map[string]string{"name": "old.log"}).
				And(llmtest.Calls("remove_file", map[string]string{"name": "accounts.db"})),
			llmtest.Text("I removed old.log.")),
		Decide: func(_ context.Context, p runner.Pending) (runner.Input, error) {
			fmt.Println("asked:", p.ToolCall.Name, p.ToolCall.Arguments)
			if p.ToolCall.Arguments == `{"name":"old.log"}` { // a program would ask its user here
				return p.Approve(), nil
			}
			return p.Deny("only log files"), nil
		},
	}
	result, err := r.Run(context.Background(), &agent.Agent{Tools: []tool.Tool{remove}}, llm.User("Clean up."))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, m := range result.Messages {
		for _, res := range m.Results() {
			fmt.Println(res.Text())
		}
	}
	// Output:
	// asked: remove_file {"name":"old.log"}
	// asked: remove_file {"name":"accounts.db"}
	// removed old.log
	// The call was denied: only log files. It did not run. Do not repeat it: go on without it, or ask the user.
}
