package journal_test

import (
	"context"
	"fmt"
	"log"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// A program reads the events of a session, for example for a report.
func ExampleLog() {
	ctx := context.Background()
	store := new(journal.Memory)
	assistant := &agent.Agent{Model: llmtest.NewScript(llmtest.Text("Hello."))}
	if _, err := (runner.Runner{Journal: store}).Session("s").Run(ctx, assistant, runner.Say(llm.User("Hello."))); err != nil {
		log.Fatal(err)
	}
	session, err := store.Open(ctx, "s")
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()
	for e, err := range session.Events(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.Seq, e.Type())
	}
	// Output:
	// 1 run_started
	// 2 user_messaged
	// 3 turn_prepared
	// 4 model_answered
	// 5 run_finished
}
