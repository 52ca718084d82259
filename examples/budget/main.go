// Budget is a day of one tenant. A cheap agent sorts messages, and an expensive agent
// answers the messages about orders. The runs of both agents share a budget in dollars.
// When the budget is used up, the current run gives a last answer, and the other messages
// stay for tomorrow.
// The agents and the prices are in desk.go. Without a key, script.go answers.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/examples/internal/cli"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

var messages = []string{
	"Where is my order W1001?",
	"You have won a car. Click here.",
	"Have W1002 and W1003 left the house?",
	"Please list the state of W2001, W2002, W2003, W2004, W2005 and W2006.",
	"Is W1004 there?",
}

func main() {
	app := cli.Bare()
	app.Own = true
	dollars := flag.Float64("dollars", 0.06, "what the tenant may spend today")
	app.Main("budget [flags]", func(app *cli.App) error {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		small, large := app.Provider.Model(app.Model), app.Provider.Model(app.Model)
		if app.Embedded {
			small, large = scripted("small"), scripted("large")
			app.Notice("OPENAI_API_KEY is not set: a script answers, and its tokens are invented.")
		}
		d := day{Out: app.Out, runner: runner.Runner{Budget: &runner.Budget{Cost: *dollars}, Cost: cost, AtLimit: runner.LastAnswer}}
		d.sorter, d.clerk = agents(small, large)
		return d.work(ctx)
	})
}

// A day is what one tenant may spend. Another tenant gets another day.
type day struct {
	*cli.Out      // embedded: the output of the program
	sorter, clerk *agent.Agent
	runner        runner.Runner // copies share the budget
}

func (d *day) work(ctx context.Context) error {
	for i, m := range messages {
		_, before := d.runner.Budget.Used()
		if before >= d.runner.Budget.Cost { // a further run would only fail with a LimitError
			d.Text(fmt.Sprintf("Nothing is left. %d of %d messages stay for tomorrow.\n", len(messages)-i, len(messages)))
			return nil
		}
		d.Text(fmt.Sprintf("%d  %s\n", i+1, m))
		if err := d.answer(ctx, m); err != nil {
			return fmt.Errorf("message %d: %w", i+1, err)
		}
		tokens, used := d.runner.Budget.Used()
		d.Note("   %.4f dollars, %.4f left (%d tokens so far)", used-before, max(d.runner.Budget.Cost-used, 0), tokens)
	}
	return nil
}

func (d *day) answer(ctx context.Context, message string) error {
	sorted, err := d.runner.Run(ctx, d.sorter, llm.User(message))
	if err != nil {
		return err
	}
	topic, err := runner.Output[topic](sorted)
	if err != nil || topic.Topic != "orders" {
		d.Text("   No answer: the message is not about orders.\n")
		return err
	}
	result, err := d.runner.Run(ctx, d.clerk, llm.User(message))
	if err != nil {
		return err
	}
	for _, e := range result.Events {
		if b, ok := e.Body.(event.LimitReached); ok {
			d.Note("   The %s is used up: this is the last answer of the day.", b.Limit)
		}
	}
	d.Text("   " + cli.OneLine(result.Text) + "\n")
	return nil
}
