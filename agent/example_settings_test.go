package agent_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/runner"
)

// printBodies prints each request on its way to the provider.
type printBodies struct{ next http.RoundTripper }

func (p printBodies) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	fmt.Printf("%s\n", body)
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return p.next.RoundTrip(r)
}

// Settings go into each request. Extra has members that only one provider knows.
func ExampleAgent_settings() {
	client := &http.Client{Transport: printBodies{llmtest.NewScript(llmtest.Text("Hello."))}}
	assistant := &agent.Agent{
		Model: openai.Config{HTTPClient: client, BaseURL: "http://localhost:8000", Key: "k"}.Model("qwen3"),
		Settings: llm.Settings{
			Temperature:     new(0.2),
			MaxOutputTokens: 500,
			Extra:           []llm.Member{{Name: "top_k", Value: "20"}},
		},
	}
	result, err := runner.Run(context.Background(), assistant, llm.User("Hello."))
	fmt.Println(result.Text, err)
	// Output:
	// {"model":"qwen3","messages":[{"role":"user","content":"Hello."}],"temperature":0.2,"max_completion_tokens":500,"top_k":20}
	// Hello. <nil>
}
