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

// An office has 300 tools. A request has the search and the tools that the model found.
func Example_deferredTools() {
	var tools []tool.Tool
	for _, thing := range []string{"invoice", "order", "parcel"} {
		for n := range 100 {
			tools = append(tools, tool.Must(tool.New(fmt.Sprintf("%s_report_%d", thing, n), fmt.Sprintf("Report %d about %ss.", n, thing),
				func(context.Context, struct{}) (string, error) { return "all is well", nil })))
		}
	}
	office := tool.Set{Name: "office", Deferred: true, List: func(context.Context) ([]tool.Tool, error) { return tools, nil }}
	script := llmtest.NewScript(
		llmtest.Calls("search_tools", map[string]string{"query": "report 42 about invoices"}),
		llmtest.Calls("invoice_report_42", nil),
		llmtest.Text("All is well."))
	result, err := runner.Run(context.Background(), &agent.Agent{Model: script, Toolsets: []tool.Set{office}}, llm.User("What does report 42 say?"))
	fmt.Println(result.Text, err)
	for _, request := range script.Requests() {
		fmt.Println(len(request.Tools), request.Tools[0].Name)
	}
	// Output:
	// All is well. <nil>
	// 1 search_tools
	// 6 search_tools
	// 6 search_tools
}
