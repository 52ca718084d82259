package runner_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A model that calls tools without end is stopped. The conversation so far is valid,
// and a later run can continue with it.
func ExampleLimitError() {
	look := tool.Must(tool.New("look", "Looks again.",
		func(context.Context, struct{}) (string, error) { return "nothing new", nil }))
	r := runner.Runner{
		Model:            llmtest.NewScript(llmtest.Calls("look", nil).Forever()),
		MaxTurns:         3,                // answers of the model; the default is 30
		MaxInvalidRounds: 2,                // turns in a row with wrong calls only; the default is 3
		ToolTimeout:      time.Minute,      // of each call; the default is 2 minutes
		RunTimeout:       20 * time.Minute, // the default is 1 hour
	}
	result, err := r.Run(context.Background(), &agent.Agent{Tools: []tool.Tool{look}}, llm.User("Look."))
	if limit, ok := errors.AsType[*runner.LimitError](err); ok {
		fmt.Println(limit.Limit, limit.Max, "after", len(result.Messages), "messages")
	}
	// Output:
	// turns 3 after 7 messages
}
