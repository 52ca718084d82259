package runner_test

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A Payment is the argument of the tool.
type Payment struct {
	Invoice int `json:"invoice"`
	Cents   int `json:"cents"`
}

// A fakeBank makes a transfer once for each key, and tells the key to its webhook.
type fakeBank struct{ key string }

func (b *fakeBank) transfer(key string, _ Payment) (id string, err error) {
	b.key = key
	return "transfer-1", nil
}

// A back-office job begins once, waits for a person, and then for a result from outside. Each
// step can happen in another process, on another day.
func ExamplePending_Result() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "sessions")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	bank := new(fakeBank)
	model := llmtest.NewScript(llmtest.Calls("pay", Payment{17, 9900}), llmtest.Text("Invoice 17 is paid."))

	pay := tool.Must(tool.New("pay", "Pays an invoice.", func(ctx context.Context, in Payment) (string, error) {
		id, err := bank.transfer(tool.CallFrom(ctx).Key, in)
		return "", cmp.Or(err, tool.Later(id)) // the bank confirms the transfer tomorrow
	}, tool.NeedsApproval(), tool.Idempotent(), tool.LateWithin(72*time.Hour, "The bank is silent: tell the accountant.")))
	clerk := &agent.Agent{Name: "clerk", Model: model, Tools: []tool.Tool{pay}}
	session := runner.Runner{Journal: journal.Dir{Path: dir}}.Session("invoice-17")

	// A worker says the first message once, however often it gets the job.
	result, err := session.Run(ctx, clerk, runner.Once("begin", llm.User("Pay invoice 17.")))
	fmt.Println(err, result.Pending[0].ToolCall.Arguments)

	// A person approves the payment.
	result, err = session.Run(ctx, clerk, result.Pending[0].Approve())
	fmt.Println(err, result.Pending[0].Handle)

	// The webhook of the bank knows the key of the call. The result counts once.
	booked := runner.Pending{Key: bank.key}.Result(llm.Text{Text: "booked"})
	for range 2 {
		result, err = session.Run(ctx, clerk, booked)
		fmt.Println(result.Text, err)
	}
	// Output:
	// runner: the run is paused: tool calls wait for a decision or a result {"invoice":17,"cents":9900}
	// runner: the run is paused: tool calls wait for a decision or a result transfer-1
	// Invoice 17 is paid. <nil>
	// Invoice 17 is paid. <nil>
}
