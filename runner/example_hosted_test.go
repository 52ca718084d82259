package runner_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
)

// Tools that the provider runs stand in the agent's settings, in the provider's
// words. What they came to is kept with the message, as it came.
func Example_hostedTools() {
	assistant := newAssistant(answerWithSource())
	assistant.Settings.HostedTools = []json.RawMessage{
		json.RawMessage(`{"type":"mcp","server_label":"docs","server_url":"https://docs.example.com/mcp"}`),
		json.RawMessage(`{"type":"web_search"}`),
	}
	result, err := runner.Run(context.Background(), assistant, llm.User("When did Oslo get its name back?"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Text)
	answer := result.Messages[len(result.Messages)-1]
	for _, member := range answer.Extra {
		fmt.Println(member.Name, member.Value)
	}
	// Output:
	// In 1925.
	// annotations [{"type":"url_citation","url_citation":{"url":"https://example.com/oslo"}}]
}

// answerWithSource is an answer as a provider gives it that has searched.
func answerWithSource() llm.Model {
	return llmtest.NewScript(llmtest.Reply(func(context.Context, *llm.Request) (*llm.Response, error) {
		return &llm.Response{Message: llm.Message{
			Parts: llm.Parts{llm.Text{Text: "In 1925."}},
			Extra: []llm.Member{{Name: "annotations", Value: `[{"type":"url_citation","url_citation":{"url":"https://example.com/oslo"}}]`}},
		}}, nil
	}))
}
