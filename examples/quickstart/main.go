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
	"github.com/seed-916e8f6a/toolloop/runner/event"
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
		if app.JSON {
			app.PrintJSON(e)
			continue
		}
		switch b := e.Body.(type) {
		case event.UserMessaged:
			app.Note("> %s", b.Message.Text())
		case event.TextDelta:
			app.Text(b.Text)
		case event.ModelAnswered:
			app.Answer(b.Message.Text())
		case event.ToolCallStarted:
			app.Note("[%s] %s %s", b.Call, b.Name, b.Arguments)
		case event.ToolCallFinished:
			app.Note("[%s] %s", b.Call, cli.Outcome(b))
		case event.OutputRejected:
			app.Void("asked again: %s", b.Reason)
		case event.Restarted:
			app.Void("asked again: %s", b.Error)
		case event.Notice:
			app.Notice("%s", b.Text)
		case event.RunFinished:
			app.Note("turns: %d, tokens: %d in, %d out", b.Turns, b.Usage.InputTokens, b.Usage.OutputTokens)
		}
	}
	return nil
}
