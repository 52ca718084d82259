package wrap_test

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// Retry sends a failed request again. The wait doubles each time, and an error that
// cannot pass is returned at once.
func ExampleRetry() {
	busy := llmtest.Fail(&llm.APIError{Kind: llm.KindOverloaded, Provider: "openai", StatusCode: 503})
	wrong := llmtest.Fail(&llm.APIError{Kind: llm.KindAuth, Provider: "openai", StatusCode: 401, Message: "wrong key"})
	script := llmtest.NewScript(busy, busy, llmtest.Text("Hello."), wrong)
	m := wrap.Retry{Attempts: 5, MinDelay: time.Millisecond}.Model(script)

	for range 2 {
		resp, err := m.Generate(context.Background(), &llm.Request{Messages: []llm.Message{llm.User("Hello.")}}, nil)
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(resp.Message.Text())
	}
	fmt.Println(len(script.Requests()), "requests")
	// Output:
	// Hello.
	// openai: 401 auth: wrong key
	// 4 requests
}
