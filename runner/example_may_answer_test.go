package runner_test

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
)

// Who asked for a payment may not approve it.
func Example_fourEyes() {
	ctx := context.Background()
	errOwn := errors.New("you asked for it yourself")
	r := runner.Runner{
		Model: llmtest.NewScript(llmtest.Calls("pay", map[string]string{"invoice": "R-17"}), llmtest.Text("It is paid.")),
		MayAnswer: func(_ context.Context, p runner.Pending, d runner.Decision) error {
			if d.What != "denied" && (d.Person == "" || slices.Contains(p.Persons, d.Person)) {
				return errOwn
			}
			return nil
		},
	}
	desk, session := payer(nil), r.Session("desk-4")
	result, err := session.Run(ctx, desk, runner.By("bob", runner.Say(llm.User("Pay R-17."))))
	fmt.Println("paused:", errors.Is(err, runner.ErrPaused))
	p := result.Pending[0]

	_, err = session.Run(ctx, desk, runner.By("bob", p.Approve()))
	fmt.Println("bob is refused:", errors.Is(err, errOwn))
	result, err = session.Run(ctx, desk, runner.By("ada", p.Approve()), runner.Say(llm.User("But only this once.")))
	fmt.Println(result.Text, err)
	// Output:
	// paused: true
	// bob is refused: true
	// It is paid. <nil>
}
