package runner_test

import (
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// The Result has the tokens of the whole run. Each answer has its own tokens, and the
// usage in the provider's form, where some providers state a price.
func ExampleResult_usage() {
	assistant := &agent.Agent{Model: llmtest.NewScript(
		llmtest.Text("Hello.").Usage(llm.Usage{InputTokens: 1200, CachedTokens: 1000, OutputTokens: 50, TotalTokens: 1250}))}
	result, err := runner.Run(context.Background(), assistant, llm.User("Hello."))
	if err != nil {
		fmt.Println(err)
		return
	}
	// Prices in dollars for a million tokens.
	const input, cached, output = 0.40, 0.10, 1.60
	u := result.Usage
	cost := float64(u.InputTokens-u.CachedTokens)*input + float64(u.CachedTokens)*cached + float64(u.OutputTokens)*output
	fmt.Printf("%d tokens, %.6f dollars\n", u.TotalTokens, cost/1e6)
	for _, e := range result.Events {
		if answer, ok := e.Body.(event.ModelAnswered); ok {
			fmt.Println("turn", answer.Turn, answer.Usage.InputTokens, answer.Usage.OutputTokens)
		}
	}
	// Output:
	// 1250 tokens, 0.000260 dollars
	// turn 1 1200 50
}
