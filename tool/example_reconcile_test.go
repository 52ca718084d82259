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

// After a crash, the tool itself finds out whether the call happened: it looks for the
// key of the call in the outside world.
func ExampleReconcile() {
	ctx := context.Background()
	store := new(journal.Memory)
	var crashed []byte          // the journal at the time of the crash
	sent := map[string]string{} // the letters of the post office, by key
	send := tool.Must(tool.New("send_letter", "Sends a letter.", func(ctx context.Context, _ struct{}) (string, error) {
		sent[tool.CallFrom(ctx).Key] = "letter 7"
		var err error
		crashed, err = json.Marshal(store)
		return "sent", err
	}, tool.Reconcile(func(_ context.Context, c tool.Call, _ json.RawMessage) (string, bool, error) {
		letter, happened := sent[c.Key]
		return "sent as " + letter, happened, nil
	})))
	clerk := &agent.Agent{Tools: []tool.Tool{send}}

	r := runner.Runner{Journal: store, Model: llmtest.NewScript(llmtest.Calls("send_letter", nil), llmtest.Text("Sent."))}
	if _, err := r.Session("desk").Run(ctx, clerk, runner.Say(llm.User("Send it."))); err != nil {
		log.Fatal(err)
	}

	next := new(journal.Memory)
	if err := json.Unmarshal(crashed, next); err != nil {
		log.Fatal(err)
	}
	r = runner.Runner{Journal: next, Model: llmtest.NewScript(llmtest.Text("It is on its way."))}
	result, err := r.Session("desk").Run(ctx, clerk) // no message: the session continues
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(result.Messages[2].Results()[0].Text())
	fmt.Println("letters:", len(sent))
	// Output:
	// sent as letter 7
	// letters: 1
}
