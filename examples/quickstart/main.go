// Quickstart has an agent with two tools answer a question: the text streams,
// each tool call is shown as it runs, and the usage at the end.
//
// The tools and the agent are in assistant.go, which can be copied; this file
// has the flags and the printing of the examples.
package main

import (
	"context"
	"os"
	"os/signal"

	"github.com/seed-916e8f6a/toolloop/examples/internal/cli"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
)

const question = "What is the weather in Beijing and in Lisbon? Give the temperatures in Fahrenheit."

func main() { cli.Main("quickstart [flags] [question]", run) }

func run(app *cli.App) error {
	model := app.Provider.Model(app.Model)
	asked, err := app.Question(question)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	r := runner.Runner{NoStream: app.NoStream}
	for e, err := range r.Stream(ctx, assistant(model), llm.User(asked)) {
		if err != nil {
			return err
		}
		app.PrintEvent(e)
	}
	return nil
}
