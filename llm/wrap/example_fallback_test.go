package wrap_test

import (
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// Fallback asks the second model while the first is down.
func ExampleFallback() {
	busy := &llm.APIError{Kind: llm.KindOverloaded, Provider: "openai", StatusCode: 503}
	first := llmtest.NewScript(llmtest.Fail(busy)) // asked once
	second := llmtest.NewScript(llmtest.Text("Hello."), llmtest.Text("Hello again."))
	m := wrap.Fallback{}.Model(first, second)

	for range 2 {
		resp, err := m.Generate(context.Background(), &llm.Request{Messages: []llm.Message{llm.User("Hello.")}}, func(d llm.Delta) {
			if notice, ok := d.(llm.Notice); ok {
				fmt.Println("notice:", notice.Text)
			}
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(resp.Message.Text())
	}
	// Output:
	// notice: openai: 503 overloaded; asking model 2 of 2
	// Hello.
	// notice: model 1 of 2 is down (openai: 503 overloaded); asking model 2 of 2
	// Hello again.
}
