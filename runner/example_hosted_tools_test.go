package runner_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
)

// Hosted tools run at the provider. The settings of the agent list these tools in the
// provider's own form, and the message has the provider's results as extra members.
func Example_hostedTools() {
	assistant := &agent.Agent{Model: searchingModel()}
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

// searchingModel answers like a provider that has searched the web.
func searchingModel() llm.Model {
	return llmtest.NewScript(llmtest.Reply(func(context.Context, *llm.Request) (*llm.Response, error) {
		return &llm.Response{Message: llm.Message{
			Parts: llm.Parts{llm.Text{Text: "In 1925."}},
			Extra: []llm.Member{{Name: "annotations", Value: `[{"type":"url_citation","url_citation":{"url":"https://example.com/oslo"}}]`}},
		}}, nil
	}))
}
