package journal_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A page lists what waits for a person, and reads the questions, without opening a session.
func ExampleReader() {
	ctx := context.Background()
	pay := tool.Must(tool.New("pay", "Pays.", func(context.Context, struct{}) (string, error) { return "paid", nil }, tool.NeedsApproval()))
	store := new(journal.Memory) // or a Dir, or a database of sqljournal
	for name, step := range map[string]llmtest.Step{"invoice-1": llmtest.Text("Nothing to pay."), "invoice-2": llmtest.Calls("pay", nil)} {
		desk := &agent.Agent{Name: "desk", Model: llmtest.NewScript(step), Tools: []tool.Tool{pay}}
		_, err := runner.Runner{Journal: store}.Session(name).Run(ctx, desk, runner.Once("begin", llm.User("Pay.")))
		if err != nil && !errors.Is(err, runner.ErrPaused) {
			fmt.Println(err)
		}
	}

	for s, err := range store.List(ctx, journal.Filter{Prefix: "invoice-", Status: journal.Paused}) {
		fmt.Println(s.Session, s.Status, s.Agent, err)
		for e, err := range store.Read(ctx, s.Session, 0) {
			if b, ok := e.Body.(event.ApprovalAsked); ok {
				fmt.Println(b.Call, b.Name, b.Arguments, err)
			}
		}
	}
	// Output:
	// invoice-2 paused desk <nil>
	// r1.t1.c0 pay {} <nil>
}
