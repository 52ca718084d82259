package tool_test

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A call that takes too long fails, and the run goes on. The model reads why.
func ExampleTimeout() {
	search := tool.Must(tool.New("search", "Searches the archive.", func(ctx context.Context, _ struct{}) (string, error) {
		<-ctx.Done() // a slow search that watches its context
		return "", ctx.Err()
	}, tool.Timeout(10*time.Millisecond)))
	model := llmtest.NewScript(llmtest.Calls("search", nil), llmtest.Text("The archive is slow today."))
	result, err := runner.Run(context.Background(), &agent.Agent{Model: model, Tools: []tool.Tool{search}}, llm.User("Search."))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Messages[2].Results()[0].Text())
	fmt.Println(result.Text)
	// Output:
	// The tool did not finish within 10ms and was given up. It may have had an effect all the same: check before you call it again.
	// The archive is slow today.
}
