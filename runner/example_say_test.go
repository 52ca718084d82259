package runner_test

import (
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// The user says something while a tool is running. The model reads it with the result.
func ExampleSession_Say() {
	search := tool.Must(tool.New("search", "Searches.", func(context.Context, struct{}) (string, error) { return "3 flights", nil }))
	model := llmtest.NewScript(llmtest.Calls("search", nil), llmtest.Text("The train leaves at nine."))
	ctx := context.Background()
	s := runner.Runner{Model: model}.Session("trip")
	for e, err := range s.Stream(ctx, &agent.Agent{Tools: []tool.Tool{search}}, runner.Say(llm.User("To Rome, please."))) {
		if err != nil {
			fmt.Println(err)
			return
		}
		if _, ok := e.Body.(event.ToolCallStarted); ok { // usually in another goroutine
			if err := s.Say(ctx, llm.User("By train!")); err != nil {
				fmt.Println(err)
			}
		}
	}
	for _, m := range model.Requests()[1].Messages {
		fmt.Printf("%s %q\n", m.Role, m.Text())
	}
	// Output:
	// user "To Rome, please."
	// assistant ""
	// tool ""
	// user "By train!"
}
