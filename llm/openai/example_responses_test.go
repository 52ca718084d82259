package openai_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

type printPath struct{ next http.RoundTripper }

func (p printPath) RoundTrip(r *http.Request) (*http.Response, error) {
	fmt.Println(r.Method, r.URL.Path)
	return p.next.RoundTrip(r)
}

// The same conversation over both APIs. Without API, the client chooses.
func ExampleConfig_responses() {
	script := llmtest.NewScript(llmtest.Text("Hello."), llmtest.Text("Goodbye."))
	client := &http.Client{Transport: printPath{script}}
	history := []llm.Message{llm.User("Hello.")}
	for _, api := range []openai.API{openai.APIResponses, openai.APIChat} {
		m := openai.Config{HTTPClient: client, Key: "k", API: api}.Model("gpt-4o-mini")
		resp, err := m.Generate(context.Background(), &llm.Request{Messages: history}, nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(resp.Message.Text())
		history = append(history, resp.Message, llm.User("Goodbye."))
	}
	// Output:
	// POST /v1/responses
	// Hello.
	// POST /v1/chat/completions
	// Goodbye.
}
