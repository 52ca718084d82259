package runner_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
)

// The type of an error says what ended the run. Run returns the work so far beside
// the error.
func ExampleRunner_Run_errors() {
	assistant := &agent.Agent{Model: llmtest.NewScript(llmtest.Fail(
		&llm.APIError{Kind: llm.KindQuota, Provider: "openai", StatusCode: 429, Message: "You have no credit left."}))}

	result, err := runner.Run(context.Background(), assistant, llm.User("Hello."))
	if api, ok := errors.AsType[*llm.APIError](err); ok {
		fmt.Println("provider:", api.Kind, "- retry later:", api.Retryable())
	}
	if limit, ok := errors.AsType[*runner.LimitError](err); ok {
		fmt.Println("limit:", limit.Limit, limit.Max)
	}
	if finish, ok := errors.AsType[*runner.FinishError](err); ok {
		fmt.Println("unusable answer:", finish.Reason)
	}
	fmt.Println(err)
	fmt.Println(len(result.Messages), "message so far")
	// Output:
	// provider: quota - retry later: false
	// turn 1: openai: 429 quota: You have no credit left.
	// 1 message so far
}
