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

type WeatherArgs struct {
	City string `json:"city" jsonschema_description:"City, e.g. Beijing"`
	Unit string `json:"unit,omitempty" jsonschema:"enum=celsius,enum=fahrenheit"`
}

type Weather struct {
	City    string  `json:"city"`
	Degrees float64 `json:"degrees"`
}

func getWeather(_ context.Context, in WeatherArgs) (Weather, error) {
	return Weather{City: in.City, Degrees: 22}, nil
}

// An agent answers a question with a Go function. A script stands in for the model,
// so that the example runs anywhere; a program has openai.Model("gpt-4o-mini") there.
func ExampleRun() {
	assistant := &agent.Agent{
		Name:         "assistant",
		Instructions: "You answer questions about the weather.",
		Model: llmtest.NewScript(
			llmtest.Calls("get_weather", WeatherArgs{City: "Beijing"}),
			llmtest.Text("It is 22 °C.")),
		Tools: []tool.Tool{tool.Must(tool.New("get_weather", "Current weather of a city.", getWeather))},
	}
	result, err := runner.Run(context.Background(), assistant, llm.User("What is it like in Beijing?"))
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
