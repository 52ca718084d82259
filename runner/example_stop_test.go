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

// The result of a tool is the answer of the run. The model writes no text afterwards.
func Example_finalTool() {
	type ticket struct {
		Title string `json:"title"`
	}
	file := tool.Must(tool.New("file_ticket", "Files the ticket.",
		func(_ context.Context, in ticket) (ticket, error) { return in, nil }, tool.Final()))
	model := llmtest.NewScript(llmtest.Calls("file_ticket", ticket{"The printer is on fire"}))
	result, err := runner.Run(context.Background(), &agent.Agent{Model: model, Tools: []tool.Tool{file}}, llm.User("It burns!"))
	if err != nil {
		fmt.Println(err)
		return
	}
	answer, err := runner.Output[ticket](result)
	fmt.Println(answer.Title, err)
	// Output:
	// The printer is on fire <nil>
}

// A run stops after four turns, or when it has used 100 tokens.
func ExampleRunner_stopWhen() {
	look := tool.Must(tool.New("look", "Looks.", func(context.Context, struct{}) (string, error) { return "nothing", nil }))
	r := runner.Runner{
		Model:    llmtest.NewScript(llmtest.Calls("look", nil).Forever()),
		StopWhen: func(info agent.Info) bool { return info.Turn >= 4 || info.Usage.TotalTokens > 100 },
	}
	result, err := r.Run(context.Background(), &agent.Agent{Tools: []tool.Tool{look}}, llm.User("Look."))
	fmt.Println(result.Turns, err)
	// Output:
	// 4 <nil>
}
