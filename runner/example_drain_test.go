package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A process that must end stops its runs between two turns. The next process continues.
func ExampleDrain() {
	ctx := context.Background()
	stop, sigterm := context.WithCancel(ctx) // in a program: signal.NotifyContext
	backup := tool.Must(tool.New("backup", "Makes a backup.", func(context.Context, struct{}) (string, error) {
		sigterm() // the process is told to end, and the backup ends first
		return "42 files", nil
	}))
	operator := &agent.Agent{Name: "operator", Tools: []tool.Tool{backup},
		Model: llmtest.NewScript(llmtest.Calls("backup", struct{}{}), llmtest.Text("42 files are safe."))}

	session := runner.Runner{}.Session("nightly")
	_, err := session.Run(runner.Drain(ctx, stop), operator, runner.Say(llm.User("Back up.")))
	fmt.Println(errors.Is(err, runner.ErrDrained))

	result, err := session.Run(ctx, operator)
	fmt.Println(result.Text, err)
	// Output:
	// true
	// 42 files are safe. <nil>
}

// An answer of a person can wait in a table until a worker has the session.
func ExampleParseInput() {
	ctx := context.Background()
	pay := tool.Must(tool.New("pay", "Pays.", func(context.Context, struct{}) (string, error) { return "paid", nil }, tool.NeedsApproval()))
	clerk := &agent.Agent{Name: "clerk", Tools: []tool.Tool{pay},
		Model: llmtest.NewScript(llmtest.Calls("pay", struct{}{}), llmtest.Text("The invoice is paid."))}

	session := runner.Runner{}.Session("invoice-17")
	result, _ := session.Run(ctx, clerk, runner.Say(llm.User("Pay invoice 17.")))
	row, _ := json.Marshal(result.Pending[0].Approve()) // in the process of the person

	answer, _ := runner.ParseInput(row) // in the process of the worker
	result, err := session.Run(ctx, clerk, answer)
	fmt.Println(result.Text, err)
	// Output:
	// The invoice is paid. <nil>
}
