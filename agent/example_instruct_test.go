package agent_test

import (
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
)

// Instruct builds the instructions anew before each turn, here from the session. A
// program would look up the customer of the session.
func ExampleAgent_instruct() {
	script := llmtest.NewScript(llmtest.Text("Good morning, Ada."))
	clerk := &agent.Agent{
		Model: script,
		Instruct: func(_ context.Context, info agent.Info) (string, error) {
			return fmt.Sprintf("You talk to customer %s. This is turn %d.", info.Session, info.Turn), nil
		},
	}
	_, err := runner.Runner{}.Session("ada").Run(context.Background(), clerk, runner.Say(llm.User("Good morning.")))
	fmt.Println(script.Requests()[0].Instructions, err)
	// Output:
	// You talk to customer ada. This is turn 1. <nil>
}
