package runner_test

import (
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// Arguments that do not fit the schema never reach the function. The model reads all
// mistakes at once, and can send a correct call.
func Example_invalidArguments() {
	type args struct {
		City string `json:"city" jsonschema_description:"City, e.g. Beijing"`
		Unit string `json:"unit,omitempty" jsonschema:"enum=celsius,enum=fahrenheit"`
	}
	assistant := &agent.Agent{
		Model: llmtest.NewScript(
			llmtest.Calls("get_weather", `{"unit":"kelvin"}`),
			llmtest.Calls("get_weather", args{City: "Beijing"}),
			llmtest.Text("It is 22 °C.")),
		Tools: []tool.Tool{tool.Must(tool.New("get_weather", "Current weather of a city.",
			func(context.Context, args) (string, error) { return "22 °C", nil }))},
	}
	result, err := runner.Run(context.Background(), assistant, llm.User("What is it like in Beijing?"))
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
