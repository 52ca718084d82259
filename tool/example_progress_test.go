package tool_test

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

// A function reports how far the work has come, and the consumer of Stream sees the
// reports. A new report replaces a report that nobody has read.
func ExampleCall_Progress() {
	shown := make(chan struct{}) // the consumer has shown the report
	scan := tool.Must(tool.New("scan", "Scans pages.", func(ctx context.Context, _ struct{}) (string, error) {
		tool.CallFrom(ctx).Progress(3, 12, "page 3")
		select {
		case <-shown:
		case <-ctx.Done():
		}
		return "12 pages", nil
	}))
	model := llmtest.NewScript(llmtest.Calls("scan", nil), llmtest.Text("I scanned 12 pages."))
	scanner := &agent.Agent{Model: model, Tools: []tool.Tool{scan}}
	for e, err := range runner.Stream(context.Background(), scanner, llm.User("Scan.")) {
		if err != nil {
			fmt.Println(err)
			return
		}
		if p, ok := e.Body.(event.ToolProgress); ok {
			fmt.Printf("%s: %.0f of %.0f, %s\n", p.Name, p.Done, p.Total, p.Message)
			close(shown)
		}
	}
	// Output:
	// scan: 3 of 12, page 3
}
