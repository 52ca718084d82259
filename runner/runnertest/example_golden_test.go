package runnertest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
)

// A golden file holds the transcript of a run. TOOLLOOP_UPDATE=1 writes the file.
func ExampleGolden() {
	t := new(testing.T) // the t of your test
	r := runner.Runner{Model: llmtest.NewScript(llmtest.Calls("refund", RefundArgs{"W1", 5}), llmtest.Text("It is on its way."))}
	result, err := r.Run(context.Background(), newShop(), llm.User("Refund W1."))
	if err != nil {
		fmt.Println(err)
		return
	}
	runnertest.Golden(t, result, "testdata/example_golden.txt")
	fmt.Println("failed:", t.Failed())
	// Output:
	// failed: false
}
