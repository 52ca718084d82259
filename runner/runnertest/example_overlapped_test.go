package runnertest_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// The calls of a turn run at the same time.
func ExampleOverlapped() {
	var all sync.WaitGroup // each call waits for the others, so they must run at the same time
	all.Add(3)
	meet := tool.Must(tool.New("meet", "Waits for the others.", func(context.Context, struct{}) (string, error) {
		all.Done()
		all.Wait()
		return "", nil
	}))
	call := llmtest.Calls("meet", nil)
	model := llmtest.NewScript(call.And(call, call), llmtest.Text("Done."))
	result, err := runner.Run(context.Background(), &agent.Agent{Model: model, Tools: []tool.Tool{meet}}, llm.User("Meet."))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(runnertest.Overlapped(result, "meet", "meet"), runnertest.MaxConcurrent(result))
	// Output:
	// true 3
}
