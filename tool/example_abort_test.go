package tool_test

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

var errClosed = errors.New("the office is closed")

// Abort ends the run. The caller finds the error of the function.
func ExampleAbort() {
	open := tool.Must(tool.New("open_door", "Opens the door.", func(context.Context, struct{}) (string, error) {
		return "", tool.Abort(errClosed)
	}))
	porter := &agent.Agent{Model: llmtest.NewScript(llmtest.Calls("open_door", nil)), Tools: []tool.Tool{open}}
	_, err := runner.Run(context.Background(), porter, llm.User("Open the door."))
	fmt.Println(errors.Is(err, errClosed), err)
	// Output:
	// true turn 1: tool open_door: the office is closed
}
