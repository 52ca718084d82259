package llmtest_test

import (
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

// A script answers requests in place of a model: first with a call, then with a text.
func ExampleNewScript() {
	script := llmtest.NewScript(
		llmtest.Text("Let me see.").And(llmtest.Calls("get_weather", map[string]string{"city": "Beijing"})),
		llmtest.Text("It is 22 °C."))

	for range 2 {
		resp, err := script.Generate(context.Background(), &llm.Request{
			Messages: []llm.Message{llm.User("What is it like in Beijing?")},
		}, nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(resp.Message.Text(), resp.Message.Calls())
	}
	fmt.Println(script.Done())
	// Output:
	// Let me see. [{call_1 get_weather {"city":"Beijing"} []}]
	// It is 22 °C. []
	// <nil>
}
