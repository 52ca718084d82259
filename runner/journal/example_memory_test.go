package journal_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// All sessions of a Memory are one JSON value, which a program can store anywhere.
func ExampleMemory() {
	ctx := context.Background()
	assistant := &agent.Agent{Model: llmtest.NewScript(llmtest.Text("Hello, Ada."), llmtest.Text("You are Ada."))}
	before := new(journal.Memory)
	r := runner.Runner{Journal: before}
	if _, err := r.Session("chat-7").Run(ctx, assistant, runner.Say(llm.User("I am Ada."))); err != nil {
		log.Fatal(err)
	}
	stored, err := json.Marshal(before)
	if err != nil {
		log.Fatal(err)
	}

	after := new(journal.Memory)
	if err := json.Unmarshal(stored, after); err != nil {
		log.Fatal(err)
	}
	r = runner.Runner{Journal: after}
	result, err := r.Session("chat-7").Run(ctx, assistant, runner.Say(llm.User("Who am I?")))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Text, len(result.Messages))
	// Output:
	// You are Ada. 4
}
