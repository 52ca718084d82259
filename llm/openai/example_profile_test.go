package openai_test

import (
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// A profile says how requests to a provider differ. This server knows only the old
// name of the bound on tokens, and refuses one more member.
func ExampleProfileFor() {
	script := llmtest.NewScript(llmtest.Text("Hello."))
	const baseURL = "http://models.example.com/v1"
	profile := openai.ProfileFor(baseURL, "our-model") // begin with the known facts
	profile.MaxTokensField = "max_tokens"
	profile.Omit = append(profile.Omit, "seed")

	m := openai.Config{BaseURL: baseURL, HTTPClient: script.Client(), Key: "k", Profile: &profile}.Model("our-model")
	_, err := m.Generate(context.Background(), &llm.Request{
		Messages: []llm.Message{llm.User("Hello.")},
		Settings: llm.Settings{MaxOutputTokens: 100, Seed: new(int64(7))},
	}, nil)
	sent := script.Requests()[0]
	fmt.Println(sent.MaxOutputTokens, sent.Seed == nil, err)
	// Output:
	// 100 true <nil>
}
