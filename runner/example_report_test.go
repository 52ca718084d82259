package runner_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/report"
)

// The page of a run, for a browser.
func Example_report() {
	ctx, page := context.Background(), new(strings.Builder)
	assistant := &agent.Agent{Name: "assistant", Model: llmtest.NewScript(llmtest.Text("It is 22 °C."))}
	result, err := runner.Run(ctx, assistant, llm.User("Weather in Beijing?"))
	_ = report.HTML(page, result.Events) // page is an io.Writer, such as a file
	fmt.Println(err, strings.Contains(page.String(), "It is 22 °C."))
	// Output: <nil> true
}
