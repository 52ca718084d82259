package queue_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/queue"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// Invoices wait in a database. Workers pay them, in any number of processes, and a person
// approves a payment in a process without an agent. A program for many days leaves
// UntilEmpty out, and takes its context from signal.NotifyContext.
func Example() {
	ctx := context.Background()
	dir, _ := os.MkdirTemp("", "queue")
	defer os.RemoveAll(dir)
	store, err := sqljournal.OpenSQLite(ctx, filepath.Join(dir, "invoices.db"))
	if err != nil {
		panic(err)
	}
	defer store.Close()
	q, err := queue.Open(ctx, store)
	if err != nil {
		panic(err)
	}

	pay := tool.Must(tool.New("pay", "Pays an invoice.", func(ctx context.Context, _ struct{}) (string, error) {
		return "paid", nil // with tool.CallFrom(ctx).Key, so that a repeated call does not pay again
	}, tool.NeedsApproval(), tool.Idempotent()))
	clerk := &agent.Agent{Name: "clerk", Tools: []tool.Tool{pay},
		Model: llmtest.NewScript(llmtest.Calls("pay", struct{}{}), llmtest.Text("Invoice 17 is paid."))}
	workers := queue.Workers{Queue: q, Agent: clerk, Count: 4, UntilEmpty: true}

	// A webhook may be delivered twice: the key says the message once.
	_, _ = q.Put(ctx, nil, queue.Job{Session: "invoice-17", Tenant: "miller"}, runner.Once("begin", llm.User("Pay invoice 17.")))
	_, _ = q.Put(ctx, nil, queue.Job{Session: "invoice-17", Tenant: "miller"}, runner.Once("begin", llm.User("Pay invoice 17.")))
	fmt.Println(workers.Run(ctx))

	for job, err := range q.Jobs(ctx, queue.Paused) { // what waits for a person
		fmt.Println(job.Session, job.Pending[0].ToolCall.Name, err)
		_, _ = q.Put(ctx, nil, queue.Job{Session: job.Session}, job.Pending[0].Approve())
	}
	fmt.Println(workers.Run(ctx))

	job, err := q.Get(ctx, nil, "invoice-17")
	fmt.Println(job.State, job.Note, err)
	// Output:
	// <nil>
	// invoice-17 pay <nil>
	// <nil>
	// done Invoice 17 is paid. <nil>
}
