package runner_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A provider is busy. The client waits and sends the request again, and a notice
// tells the user about the wait. The models of package openai retry by default.
func ExampleStream_retries() {
	script := llmtest.NewScript(
		llmtest.Fail(&llm.APIError{Kind: llm.KindRateLimit, Provider: "openai", StatusCode: 429, Message: "slow down"}),
		llmtest.Text("Hello."))
	assistant := &agent.Agent{Model: wrap.Retry{MinDelay: time.Millisecond}.Model(script)}

	for e, err := range runner.Stream(context.Background(), assistant, llm.User("Hello.")) {
		if err != nil {
			fmt.Println(err)
			return
		}
		switch b := e.Body.(type) {
		case event.Notice:
			reason, _, _ := strings.Cut(b.Text, ";") // the wait follows
			fmt.Println("notice:", reason)
		case event.TextDelta:
			fmt.Print(b.Text)
		}
	}
	// Output:
	// notice: openai: 429 rate_limit: slow down
	// Hello.
}
