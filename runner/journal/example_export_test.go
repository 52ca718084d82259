package journal_test

import (
	"bytes"
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// A finished session is archived as a text, deleted, and brought back.
func ExampleExport() {
	ctx := context.Background()
	store := new(journal.Memory)
	desk := &agent.Agent{Model: llmtest.NewScript(llmtest.Text("It is paid."), llmtest.Text("It was invoice 17."))}
	if _, err := (runner.Runner{Journal: store}).Session("invoice-17").Run(ctx, desk, runner.Say(llm.User("Pay."))); err != nil {
		fmt.Println(err)
	}

	var archive bytes.Buffer // usually a file
	seq, err := journal.Export(ctx, store, "invoice-17", &archive)
	if err == nil {
		err = store.Delete(ctx, "invoice-17", seq) // nothing is deleted if the session has gone on meanwhile
	}
	fmt.Println(seq, bytes.Count(archive.Bytes(), []byte("\n")), err)

	name, err := journal.Import(ctx, store, "", &archive)
	if err == nil { // try something else from the answer on
		err = journal.Fork(ctx, store, name, 0, "another-try")
	}
	result, _ := runner.Runner{Journal: store}.Session("another-try").Run(ctx, desk, runner.Say(llm.User("Which?")))
	fmt.Println(name, result.Text, err)
	// Output:
	// 5 6 <nil>
	// invoice-17 It was invoice 17. <nil>
}
