package runner_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

type WeatherArgs struct {
	City string `json:"city" jsonschema_description:"City, e.g. Beijing"`
	Unit string `json:"unit,omitempty" jsonschema:"enum=celsius,enum=fahrenheit"`
}

type Weather struct {
	City    string  `json:"city"`
	Degrees float64 `json:"degrees"`
}

type ExportArgs struct {
	Year int `json:"year" jsonschema:"minimum=2020"`
}

func getWeather(_ context.Context, in WeatherArgs) (Weather, error) {
	return Weather{City: in.City, Degrees: 22}, nil
}

// newAssistant makes the agent of the examples. Its model is a script, so that
// they run anywhere; yours would be openai.Model("gpt-4o-mini").
func newAssistant(model llm.Model) *agent.Agent {
	return &agent.Agent{
		Name:         "assistant",
		Instructions: "You answer questions about the weather.",
		Model:        model,
		Tools:        []tool.Tool{tool.Must(tool.New("get_weather", "Current weather of a city.", getWeather))},
	}
}

func scripted() llm.Model {
	return llmtest.NewScript(
		llmtest.Calls("get_weather", WeatherArgs{City: "Beijing"}),
		llmtest.Text("It is 22 °C."))
}

func ExampleRun() {
	ctx := context.Background()
	assistant := newAssistant(scripted())
	result, err := runner.Run(ctx, assistant, llm.User("What is it like in Beijing?"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Text)
	for _, m := range result.Messages {
		fmt.Println(m.Role, m.Text(), m.Calls())
	}
	// Output:
	// It is 22 °C.
	// user What is it like in Beijing? []
	// assistant  [{call_1 get_weather {"city":"Beijing"} []}]
	// tool  []
	// assistant It is 22 °C. []
}

func ExampleStream() {
	ctx := context.Background()
	assistant := newAssistant(scripted())
	for e, err := range runner.Stream(ctx, assistant, llm.User("What is it like in Beijing?")) {
		if err != nil {
			fmt.Println(err)
			return
		}
		switch b := e.Body.(type) {
		case event.TextDelta:
			fmt.Print(b.Text)
		case event.ToolCallStarted:
			fmt.Println(b.Call, b.Name, b.Arguments)
		case event.ToolCallFinished:
			fmt.Println(b.Call, b.Result.Text())
		}
	}
	// Output:
	// r1.t1.c0 get_weather {"city":"Beijing"}
	// r1.t1.c0 {"city":"Beijing","degrees":22}
	// It is 22 °C.
}

func ExampleSession() {
	ctx := context.Background()
	assistant := newAssistant(llmtest.NewScript(llmtest.Text("Hello, Ada."), llmtest.Text("You are Ada.")))
	store := new(journal.Memory) // json.Marshal(store) has every session, for a file of yours
	s := runner.Runner{Journal: store}.Session("chat-7")
	result, err := s.Run(ctx, assistant, runner.Say(llm.User("I am Ada.")))
	if err == nil {
		result, err = s.Run(ctx, assistant, runner.Say(llm.User("Who am I?")))
	}
	fmt.Println(result.Text, len(result.Messages), err)
	// Output:
	// You are Ada. 4 <nil>
}

// What went wrong is asked of the error; the work so far comes with it.
func ExampleRunner_Run_errors() {
	ctx := context.Background()
	assistant := newAssistant(scripted())
	r := runner.Runner{MaxTurns: 1}
	result, err := r.Run(ctx, assistant, llm.User("What is it like in Beijing?"))
	if limit, ok := errors.AsType[*runner.LimitError](err); ok {
		fmt.Println("limit:", limit.Limit, "after", len(result.Messages), "messages")
	}
	if api, ok := errors.AsType[*llm.APIError](err); ok {
		fmt.Println("provider:", api.Kind, api.Retryable(), api.RetryAfter)
	}
	// Output:
	// limit: turns after 3 messages
}

// A tool says what its error means: text for the model, a hint to call again,
// nothing that the model may read, or the end of the run.
func Example_toolErrors() {
	ctx := context.Background()
	refund := tool.Must(tool.New("refund", "Refunds an order.", func(_ context.Context, in struct {
		Order string `json:"order"`
	}) (string, error) {
		switch in.Order {
		case "W1":
			return "", errors.New("order W1 was not paid")
		case "":
			return "", tool.Retry("Ask the user for the order first.")
		case "W2":
			return "", tool.Hide(errors.New("ledger-3: connection refused"))
		}
		return "", tool.Abort(errors.New("the till is closed"))
	}))
	call := func(order string) llmtest.Step { return llmtest.Calls("refund", map[string]string{"order": order}) }
	r := runner.Runner{Model: llmtest.NewScript(call("W1").And(call(""), call("W2")), call("W3"))}
	result, err := r.Run(ctx, &agent.Agent{Tools: []tool.Tool{refund}}, llm.User("Refund all."))
	for _, m := range result.Messages {
		for _, res := range m.Results() {
			fmt.Println(res.Text())
		}
	}
	fmt.Println(err)
	// Output:
	// order W1 was not paid
	// Ask the user for the order first.
	// Send the call again with corrected arguments.
	// The tool failed. The reason is not for you to see; the same call may fail again.
	// The tool ended the run.
	// turn 2: tool refund: the till is closed
}

// What a model wrote that does not fit the schema never reaches the function: the
// model reads what to mend, all of it at once.
func Example_invalidArguments() {
	script := llmtest.NewScript(
		llmtest.Calls("get_weather", `{"unit":"kelvin"}`),
		llmtest.Calls("get_weather", WeatherArgs{City: "Beijing"}),
		llmtest.Text("It is 22 °C."))
	result, err := runner.Run(context.Background(), newAssistant(script), llm.User("What is it like in Beijing?"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Messages[2].Results()[0].Text())
	// Output:
	// Arguments for get_weather do not match its schema (2 problems):
	// - (top level): required property "city" is missing (string: City, e.g. Beijing)
	// - /unit: must be one of "celsius", "fahrenheit"; got the string "kelvin"
	// Send the call again with corrected arguments.
}

// A tool says of its function what a runner has to know.
func Example_toolOptions() {
	export := func(ctx context.Context, in ExportArgs) (string, error) {
		tool.CallFrom(ctx).Progress(1, 2, "reading the ledger") // an event.ToolProgress for who watches
		return "ledger.csv", nil
	}
	ledger, err := tool.New("export", "Exports the ledger of a year.", export,
		tool.Timeout(10*time.Minute), // else 2 minutes; a call that hangs is left behind, and the run goes on
		tool.Concurrency(2),          // calls at the same time, over all runs
		tool.Alone(),                 // beside no other call of its turn
		tool.Idempotent(),            // may run again after a crash, with the same tool.CallFrom(ctx).Key
		tool.MaxResult(64<<10))       // bytes; the model is told how much was cut
	if err != nil {
		fmt.Println(err)
		return
	}
	script := llmtest.NewScript(llmtest.Calls("export", ExportArgs{Year: 2026}), llmtest.Text("Here it is."))
	result, err := runner.Run(context.Background(), &agent.Agent{Model: script, Tools: []tool.Tool{ledger}}, llm.User("Export 2026."))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(result.Messages[2].Results()[0].Text())
	// Output:
	// ledger.csv
}
