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

// An agent is a tool of another agent: a function runs the inner agent with the
// context of its call.
func Example_agentAsTool() {
	translator := &agent.Agent{
		Name:         "translator",
		Instructions: "Translate to French.",
		Model:        llmtest.NewScript(llmtest.Text("Bonjour.")),
	}
	translate := tool.Must(tool.New("translate", "Translates a text to French.", func(ctx context.Context, in struct {
		Text string `json:"text"`
	}) (string, error) {
		result, err := runner.Run(ctx, translator, llm.User(in.Text))
		return result.Text, err
	}))
	writer := &agent.Agent{
		Name: "writer",
		Model: llmtest.NewScript(
			llmtest.Calls("translate", map[string]string{"text": "Hello."}),
			llmtest.Text("In French: Bonjour.")),
		Tools: []tool.Tool{translate},
	}
	result, err := runner.Run(context.Background(), writer, llm.User("How do I say hello?"))
	fmt.Println(result.Text, err)
	// Output:
	// In French: Bonjour. <nil>
}
