package runner_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// A person stops the answer. What was streamed stays readable, and no model reads it.
func ExampleRunner_keepPartial() {
	ctx, stop := context.WithCancelCause(context.Background())
	model := llm.ModelFunc(func(ctx context.Context, _ *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		sink(llm.TextDelta{Text: "The invoice was paid on "})
		stop(errors.New("stopped by the user"))
		<-ctx.Done()
		return nil, context.Cause(ctx)
	})
	r := runner.Runner{Journal: new(journal.Memory), KeepPartial: -1} // 2 * time.Second survives a crash, too
	session := r.Session("chat-7")
	for _, err := range session.Stream(ctx, &agent.Agent{Model: model}, runner.Say(llm.User("Was it paid?"))) {
		if err != nil {
			fmt.Println(err)
		}
	}
	state, err := session.State(context.Background())
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s: %q, %d message\n", state.Status, state.Partial.Text, len(state.Messages))
	// Output:
	// context canceled: stopped by the user
	// failed: "The invoice was paid on ", 1 message
}
