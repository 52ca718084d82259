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

type spanKey struct{}

// A tracer in ten lines: the context of each piece of work knows the work around it.
func Example_around() {
	r := runner.Runner{Around: func(ctx context.Context, w *runner.Work) (context.Context, func()) {
		outer, _ := ctx.Value(spanKey{}).(string)
		span := outer + "/" + w.Kind
		if w.Kind == "tool" {
			span += ":" + w.Tool.Name()
		}
		return context.WithValue(ctx, spanKey{}, span), func() { fmt.Println(span, w.Err) }
	}}
	script := llmtest.NewScript(llmtest.Calls("get_weather", map[string]string{"city": "Oslo"}), llmtest.Text("It rains."))
	getWeather := tool.Must(tool.New("get_weather", "Current weather of a city.", func(ctx context.Context, in struct {
		City string `json:"city"`
	}) (string, error) {
		fmt.Println("in", ctx.Value(spanKey{}))
		return "rain", nil
	}))
	_, _ = r.Run(context.Background(), &agent.Agent{Model: script, Tools: []tool.Tool{getWeather}}, llm.User("Weather in Oslo?"))
	// Output:
	// /run/model <nil>
	// in /run/tool:get_weather
	// /run/tool:get_weather <nil>
	// /run/model <nil>
	// /run <nil>
}
