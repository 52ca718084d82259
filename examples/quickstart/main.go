// Quickstart has an agent with two tools answer a question: the text streams,
// each tool call is shown as it runs, and the usage at the end.
package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/examples/internal/cli"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/tool"
)

const question = "What is the weather in Beijing and in Lisbon? Give the temperatures in Fahrenheit."

func main() { cli.Main("quickstart [flags] [question]", run) }

// A tool is a Go function. What the model is told of its arguments comes from
// the struct and its tags; arguments that do not fit never reach the function.

type weatherArgs struct {
	City string `json:"city" jsonschema_description:"City, e.g. Beijing"`
}

type weather struct {
	City    string  `json:"city"`
	Celsius float64 `json:"celsius"`
	Sky     string  `json:"sky"`
}

var table = map[string]weather{
	"beijing":  {"Beijing", 22, "clear"},
	"lisbon":   {"Lisbon", 27, "sunny"},
	"nairobi":  {"Nairobi", 19.5, "cloudy"},
	"new york": {"New York", 16, "rainy"},
}

func getWeather(_ context.Context, in weatherArgs) (weather, error) {
	w, ok := table[strings.ToLower(in.City)]
	if !ok { // the model reads this, and can do something about it
		known := slices.Sorted(maps.Keys(table))
		return w, fmt.Errorf("nothing is known of %q, only of %s", in.City, strings.Join(known, ", "))
	}
	return w, nil
}

type convertArgs struct {
	Celsius float64 `json:"celsius" jsonschema:"minimum=-273.15"`
	To      string  `json:"to" jsonschema:"enum=fahrenheit,enum=kelvin"`
}

type temperature struct {
	Degrees float64 `json:"degrees"`
	Unit    string  `json:"unit"`
}

func convert(_ context.Context, in convertArgs) (temperature, error) {
	if in.To == "kelvin" {
		return temperature{in.Celsius + 273.15, in.To}, nil
	}
	return temperature{in.Celsius*9/5 + 32, in.To}, nil
}

func assistant(model llm.Model) *agent.Agent {
	return &agent.Agent{
		Name:         "assistant",
		Instructions: "You answer questions about the weather. Use the tools, also to convert temperatures.",
		Model:        model,
		Tools: []tool.Tool{
			tool.Must(tool.New("get_weather", "Current weather of a city, in degrees Celsius.", getWeather)),
			tool.Must(tool.New("convert_temperature", "Converts a temperature from Celsius to another unit.", convert)),
		},
	}
}

func run(app *cli.App) error {
	model := app.Provider.Model(app.Model) // in a program of yours: openai.Model("gpt-4o-mini")
	message := llm.User(cmp.Or(strings.Join(app.Args, " "), question))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	r := runner.Runner{NoStream: app.NoStream}
	for e, err := range r.Stream(ctx, assistant(model), message) {
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
			app.Note("%s", b.Text)
		case event.RunFinished:
			app.Note("turns: %d, tokens: %d in, %d out", b.Turns, b.Usage.InputTokens, b.Usage.OutputTokens)
		}
	}
	return nil
}
