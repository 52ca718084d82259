package llmtest_test

import (
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// The script answers an HTTP client. The test uses no network, and the client
// encodes and decodes as in production.
func ExampleModel_RoundTrip() {
	script := llmtest.NewScript(llmtest.Text("Hello."))
	model := openai.Config{HTTPClient: script.Client(), Key: "sk-test"}.Model("gpt-4o-mini")

	resp, err := model.Generate(context.Background(), &llm.Request{Messages: []llm.Message{llm.User("Hi.")}}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Message.Text(), script.Requests()[0].Model)
	// Output:
	// Hello. gpt-4o-mini
}
