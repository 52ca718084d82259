package runner_test

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// Options say how a function may run.
func Example_toolOptions() {
	type ExportArgs struct {
		Year int `json:"year" jsonschema:"minimum=2020"`
	}
	export := func(ctx context.Context, in ExportArgs) (string, error) {
		tool.CallFrom(ctx).Progress(1, 2, "reading the ledger") // becomes an event.ToolProgress
		return "ledger.csv", nil
	}
	ledger, err := tool.New("export", "Exports the ledger of a year.", export,
		tool.Timeout(10*time.Minute), // the default is 2 minutes; a hung call never hangs the run
		tool.Concurrency(2),          // at most two calls at the same time, over all runs
		tool.Alone(),                 // while the tool runs, no other call of the turn runs
		tool.Idempotent(),            // may run again after a crash, with the same tool.CallFrom(ctx).Key
		tool.MaxResult(64<<10))       // bytes; a note for the model says how much was cut
	if err != nil {
		fmt.Println(err)
		return
	}
	script := llmtest.NewScript(llmtest.Calls("export", ExportArgs{Year: 2026}), llmtest.Text("Here it is."))
	result, err := runner.Run(context.Background(), &agent.Agent{Model: script, Tools: []tool.Tool{ledger}}, llm.User("Export 2026."))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Messages[2].Results()[0].Text())
	// Output:
	// ledger.csv
}
