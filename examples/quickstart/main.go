// Quickstart runs an agent with two tools on one question. The program streams the
// answer, and prints each tool call and the usage.
//
// The tools and the agent are in assistant.go, a file to copy. This file has the
// flags and the output of the examples.
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
