package runner_test

import (
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// Stream yields each event of a run as it happens.
func ExampleStream() {
	ctx := context.Background()
	type args struct {
		City string `json:"city"`
	}
	assistant := &agent.Agent{
		Model: llmtest.NewScript(llmtest.Calls("get_weather", args{"Beijing"}), llmtest.Text("It is 22 °C.")),
		Tools: []tool.Tool{tool.Must(tool.New("get_weather", "Current weather of a city.",
			func(_ context.Context, in args) (string, error) { return in.City + ": 22 °C", nil }))},
	}

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
	// r1.t1.c0 Beijing: 22 °C
	// It is 22 °C.
}
