package runner_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A user cancels a run while a tool works. The run waits for the tool, and the
// history is valid: every call has a result.
func ExampleRunner_Run_cancel() {
	ctx, cancel := context.WithCancelCause(context.Background())
	search := tool.Must(tool.New("search", "Searches for a long time.", func(ctx context.Context, _ struct{}) (string, error) {
		cancel(errors.New("the user pressed ^C"))
		<-ctx.Done() // a function watches its context
		return "", context.Cause(ctx)
	}))
	searcher := &agent.Agent{Model: llmtest.NewScript(llmtest.Calls("search", nil)), Tools: []tool.Tool{search}}

	result, err := runner.Run(ctx, searcher, llm.User("Search."))
	fmt.Println(err)
	for _, m := range result.Messages {
		fmt.Println(m.Role, m.Text(), len(m.Calls()), len(m.Results()))
	}
	// Output:
	// context canceled: the user pressed ^C
	// user Search. 0 0
	// assistant  1 0
	// tool  0 1
}
