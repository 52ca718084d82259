package journal_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// Each session is a file. Any process of the machine continues a session by its name.
func ExampleDir() {
	ctx := context.Background()
	path, err := os.MkdirTemp("", "sessions")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(path)
	assistant := &agent.Agent{Model: llmtest.NewScript(llmtest.Text("Hello, Ada."), llmtest.Text("You are Ada."))}

	morning := runner.Runner{Journal: journal.Dir{Path: path}}
	if _, err := morning.Session("chat-7").Run(ctx, assistant, runner.Say(llm.User("I am Ada."))); err != nil {
		log.Fatal(err)
	}
	evening := runner.Runner{Journal: journal.Dir{Path: path}} // in another process
	result, err := evening.Session("chat-7").Run(ctx, assistant, runner.Say(llm.User("Who am I?")))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Text)

	for s, err := range (journal.Dir{Path: path}).List(ctx, journal.Filter{}) {
		fmt.Println(s.Session, s.Status, s.Run, err)
	}
	// Output:
	// You are Ada.
	// chat-7 finished 2 <nil>
}
