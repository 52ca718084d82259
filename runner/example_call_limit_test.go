package runner_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// All runs of a program share a bound on tool calls.
func ExampleCallLimit() {
	var running, most atomic.Int64
	fetch := tool.Must(tool.New("fetch", "Fetches a page.", func(context.Context, struct{}) (string, error) {
		most.Store(max(most.Load(), running.Add(1)))
		defer running.Add(-1)
		return "a page", nil
	}))
	limit := runner.NewCallLimit(1)

	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			call := llmtest.Calls("fetch", nil)
			r := runner.Runner{Calls: limit, Model: llmtest.NewScript(call.And(call, call), llmtest.Text("Done."))}
			if _, err := r.Run(context.Background(), &agent.Agent{Tools: []tool.Tool{fetch}}, llm.User("Fetch.")); err != nil {
				fmt.Println(err)
			}
		})
	}
	all.Wait()
	fmt.Println("calls at the same time:", most.Load())
	// Output:
	// calls at the same time: 1
}
