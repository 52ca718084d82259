package runner_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
)

// Two people answer the same question. The first answer counts, with the name and the words
// of the person, and the second person reads who was first.
func ExampleBy() {
	ctx := context.Background()
	model := llmtest.NewScript(llmtest.Calls("pay", map[string]string{"invoice": "R-17"}), llmtest.Text("It is paid."))
	desk, session := payer(model), runner.Runner{}.Session("desk-4")
	result, err := session.Run(ctx, desk, runner.By("bob", runner.Say(llm.User("Pay R-17."))))
	fmt.Println("paused:", errors.Is(err, runner.ErrPaused))
	p := result.Pending[0]
	fmt.Println("asked for by:", p.Persons)

	result, err = session.Run(ctx, desk, runner.By("ada", p.Approve(), "I have the contract here"))
	fmt.Println(result.Text, err)
	for _, d := range result.Decisions {
		fmt.Printf("%s: %s by %s: %s\n", d.Tool, d.What, d.Person, d.Words)
	}

	_, err = session.Run(ctx, desk, runner.By("cleo", p.Deny("too expensive")))
	if late, ok := errors.AsType[*runner.DecisionError](err); ok && late.Decided != nil {
		fmt.Println("cleo is late:", late.Decided.What, "by", late.Decided.Person)
	}
	// Output:
	// paused: true
	// asked for by: [bob]
	// It is paid. <nil>
	// pay: approved by ada: I have the contract here
	// cleo is late: approved by ada
}
