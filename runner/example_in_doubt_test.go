package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A process died while a call ran. Nobody knows whether the letter was sent, so the
// next run pauses, and a person who has looked decides.
func ExamplePending_Happened() {
	ctx := context.Background()
	store := new(journal.Memory)
	var crashed []byte // the journal at the time of the crash
	send := tool.Must(tool.New("send_letter", "Sends a letter.", func(context.Context, struct{}) (string, error) {
		var err error
		crashed, err = json.Marshal(store)
		return "sent", err
	}))
	clerk := &agent.Agent{Tools: []tool.Tool{send}}
	r := runner.Runner{Journal: store, Model: llmtest.NewScript(llmtest.Calls("send_letter", nil), llmtest.Text("Done."))}
	if _, err := r.Session("s").Run(ctx, clerk, runner.Say(llm.User("Send the letter."))); err != nil {
		log.Fatal(err)
	}

	// The next process reads the journal as the crash left it.
	next := new(journal.Memory)
	if err := json.Unmarshal(crashed, next); err != nil {
		log.Fatal(err)
	}
	r = runner.Runner{Journal: next, Model: llmtest.NewScript(llmtest.Text("The letter is on its way."))}
	result, err := r.Session("s").Run(ctx, clerk)
	fmt.Println("paused:", errors.Is(err, runner.ErrPaused), "- in doubt:", result.Pending[0].InDoubt)

	// The alternatives are NotHappened, RunAgain and Unknown.
	result, err = r.Session("s").Run(ctx, clerk, result.Pending[0].Happened(llm.Text{Text: "The letter was sent."}))
	fmt.Println(result.Text, err)
	// Output:
	// paused: true - in doubt: true
	// The letter is on its way. <nil>
}
