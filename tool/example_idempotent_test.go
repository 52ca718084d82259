package tool_test

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
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A process dies after a payment and before the end of the call is recorded. The next
// process calls the function again, with the same key, and the bank pays once.
func ExampleIdempotent() {
	ctx := context.Background()
	store := new(journal.Memory)
	var crashed []byte          // the journal at the time of the crash
	bank := map[string]string{} // the payments by key; in a database, a unique index
	pay := tool.Must(tool.New("pay", "Pays an invoice.", func(ctx context.Context, _ struct{}) (string, error) {
		key := tool.CallFrom(ctx).Key
		if _, paid := bank[key]; paid {
			fmt.Println("the bank knows the key")
		} else {
			bank[key] = "50.00 euros"
		}
		if crashed == nil {
			var err error
			if crashed, err = json.Marshal(store); err != nil {
				return "", err
			}
		}
		return "paid " + bank[key], nil
	}, tool.Idempotent()))
	clerk := &agent.Agent{Tools: []tool.Tool{pay}}

	r := runner.Runner{Journal: store, Model: llmtest.NewScript(llmtest.Calls("pay", nil), llmtest.Text("Paid."))}
	if _, err := r.Session("invoice-17").Run(ctx, clerk, runner.Say(llm.User("Pay."))); err != nil {
		log.Fatal(err)
	}

	next := new(journal.Memory)
	if err := json.Unmarshal(crashed, next); err != nil {
		log.Fatal(err)
	}
	r = runner.Runner{Journal: next, Model: llmtest.NewScript(llmtest.Text("The invoice is paid."))}
	result, err := r.Session("invoice-17").Run(ctx, clerk) // no message: the session continues
	fmt.Println(result.Text, err)
	fmt.Println("payments:", len(bank))
	// Output:
	// the bank knows the key
	// The invoice is paid. <nil>
	// payments: 1
}
