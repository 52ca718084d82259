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

// The first turn must plan. Later turns can do everything, with a smaller model.
func ExampleRunner_beforeTurn() {
	work := func(context.Context, struct{}) (string, error) { return "ok", nil }
	tools := []tool.Tool{tool.Must(tool.New("plan", "Plans.", work)), tool.Must(tool.New("build", "Builds.", work))}
	large := llmtest.NewScript(llmtest.Calls("plan", nil))
	small := llmtest.NewScript(llmtest.Calls("build", nil), llmtest.Text("Built."))
	r := runner.Runner{
		Model: small,
		BeforeTurn: func(_ context.Context, info agent.Info) (runner.Change, error) {
			if info.Turn > 1 {
				return runner.Change{}, nil // no change
			}
			return runner.Change{Model: large, Offer: []string{"plan"}, ToolChoice: llm.ToolRequired}, nil
		},
	}
	result, err := r.Run(context.Background(), &agent.Agent{Tools: tools}, llm.User("Build it."))
	fmt.Println(result.Text, err)
	fmt.Println(len(large.Requests()[0].Tools), len(small.Requests()[0].Tools))
	// Output:
	// Built. <nil>
	// 1 2
}
