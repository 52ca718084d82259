package wrap_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// All runs of a program stay within the limits of one account.
func ExampleLimiter() {
	account := &wrap.Limiter{RequestsPerMinute: 500, TokensPerMinute: 30_000, AtOnce: 4}
	script := llmtest.NewScript(llmtest.Text("Hello.").Forever())
	m := account.Model(script) // and account.Model(another) for a second model

	var runs sync.WaitGroup
	for range 20 {
		runs.Go(func() { // at most four at the same time
			if _, err := m.Generate(context.Background(), &llm.Request{Messages: []llm.Message{llm.User("Hello.")}}, nil); err != nil {
				fmt.Println(err)
			}
		})
	}
	runs.Wait()
	fmt.Println(len(script.Requests()), "requests")
	// Output:
	// 20 requests
}
