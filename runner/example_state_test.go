package runner_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// Another process looks at a session without opening it, and answers the question.
func ExampleSession_State() {
	ctx := context.Background()
	pay := tool.Must(tool.New("pay", "Pays.", func(context.Context, struct{}) (string, error) { return "paid", nil }, tool.NeedsApproval()))
	desk := &agent.Agent{Model: llmtest.NewScript(llmtest.Calls("pay", nil), llmtest.Text("It is paid.")), Tools: []tool.Tool{pay}}
	office := runner.Runner{Journal: new(journal.Memory)} // a store that the processes share
	_, err := office.Session("invoice-17").Run(ctx, desk, runner.Once("begin", llm.User("Pay.")))
	if !errors.Is(err, runner.ErrPaused) {
		fmt.Println(err)
	}

	s := office.Session("invoice-17")
	state, err := s.State(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(state.Status, state.Open[0].Call, state.Messages[state.Open[0].Placeholder].Results()[0].Text())
	_, err = s.Run(ctx, desk, state.Pending[0].Approve())
	state, _ = s.State(ctx)
	fmt.Println(state.Status, state.Text, err)
	// Output:
	// paused r1.t1.c0 The call has no result yet: it waits for approval, and has not run.
	// finished It is paid. <nil>
}
