package llmtest_test

import (
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

// The script keeps the requests, so a test can look at what the model was asked.
func ExampleModel_Requests() {
	script := llmtest.NewScript(llmtest.Text("Hello."))
	_, _ = script.Generate(context.Background(), &llm.Request{
		Instructions: "Be brief.",
		Messages:     []llm.Message{llm.User("Hi.")},
	}, nil)
	for _, req := range script.Requests() {
		fmt.Println(req.Instructions, req.Messages[0].Text())
	}
	// Output:
	// Be brief. Hi.
}
