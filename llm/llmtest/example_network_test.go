package llmtest_test

import (
	"testing"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// staysOffline is a test that fails if the client sends a request to another machine.
func staysOffline(t *testing.T) {
	llmtest.NoNetwork(t)
	script := llmtest.Script(t, llmtest.Text("Hello."))
	model := openai.Config{HTTPClient: script.Client(), Key: "k"}.Model("gpt-4o-mini")
	_, err := model.Generate(t.Context(), &llm.Request{Messages: []llm.Message{llm.User("Hi.")}}, nil)
	if err != nil {
		t.Fatal(err)
	}
}

// A test makes sure that it never uses the network.
func ExampleNoNetwork() {
	_ = staysOffline // func TestOffline(t *testing.T) in your test file
}
