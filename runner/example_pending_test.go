package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// payer returns the agent. Each process makes its own.
func payer(model llm.Model) *agent.Agent {
	return &agent.Agent{Model: model, Tools: []tool.Tool{
		tool.Must(tool.New("pay", "Pays an invoice.", func(_ context.Context, in struct {
			Invoice string `json:"invoice"`
		}) (string, error) {
			return "paid " + in.Invoice, nil
		}, tool.NeedsApproval())),
	}}
}

// A person decides about a call days later, in another process. The call that waits
// travels as JSON, for example to a web page.
func ExamplePending() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "sessions")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	// The first process ends while the call waits.
	first := runner.Runner{Journal: journal.Dir{Path: dir}}
	model := llmtest.NewScript(llmtest.Calls("pay", map[string]string{"invoice": "R-17"}))
	result, err := first.Session("desk-4").Run(ctx, payer(model), runner.Say(llm.User("Pay R-17.")))
	fmt.Println("paused:", errors.Is(err, runner.ErrPaused))
	question, err := json.Marshal(result.Pending[0])
	if err != nil {
		log.Fatal(err)
	}

	// The second process gets the decision and continues.
	second := runner.Runner{Journal: journal.Dir{Path: dir}}
	var p runner.Pending
	if err := json.Unmarshal(question, &p); err != nil {
		log.Fatal(err)
	}
	result, err = second.Session("desk-4").Run(ctx, payer(llmtest.NewScript(llmtest.Text("It is paid."))), p.Approve())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Text)

	// The same decision does not fit a second time.
	_, err = second.Session("desk-4").Run(ctx, payer(llmtest.NewScript()), p.Approve())
	_, refused := errors.AsType[*runner.DecisionError](err)
	fmt.Println("refused:", refused)
	// Output:
	// paused: true
	// It is paid.
	// refused: true
}
