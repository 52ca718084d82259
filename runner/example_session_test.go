package runner_test

import (
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// A session keeps a conversation over several runs.
func ExampleSession() {
	ctx := context.Background()
	assistant := &agent.Agent{Model: llmtest.NewScript(llmtest.Text("Hello, Ada."), llmtest.Text("You are Ada."))}

	store := new(journal.Memory) // json.Marshal(store) has every session, for a file of yours
	s := runner.Runner{Journal: store}.Session("chat-7")
	result, err := s.Run(ctx, assistant, runner.Say(llm.User("I am Ada.")))
	if err == nil {
		result, err = s.Run(ctx, assistant, runner.Say(llm.User("Who am I?")))
	}
	fmt.Println(result.Text, len(result.Messages), err)
	// Output:
	// You are Ada. 4 <nil>
}
