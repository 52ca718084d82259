package openai_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// The kind of an error says what helps. The text has the provider's words, and never
// a key.
func ExampleConfig_errors() {
	server := &llmtest.Server{Model: llmtest.NewScript(llmtest.Text("Hello.")), Key: "the-right-key"}
	if err := server.Start(); err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	m := openai.Config{BaseURL: server.BaseURL, Key: "a-wrong-key"}.Model("gpt-4o-mini")
	_, err := m.Generate(context.Background(), &llm.Request{Messages: []llm.Message{llm.User("Hello.")}}, nil)
	if failure, ok := errors.AsType[*llm.APIError](err); ok {
		switch failure.Kind {
		case llm.KindAuth:
			fmt.Println("check the key")
		case llm.KindRateLimit, llm.KindOverloaded:
			fmt.Println("wait", failure.RetryAfter)
		}
		fmt.Println(failure.StatusCode, failure.Retryable())
	}
	// Output:
	// check the key
	// 401 false
}
