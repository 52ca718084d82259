package otel_test

import (
	"context"
	"fmt"
	"slices"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/otel"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// Spans of a run. In a service, the provider of the spans has an exporter for OTLP.
func Example() {
	ctx, spans := context.Background(), tracetest.NewInMemoryExporter()
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	getWeather := tool.Must(tool.New("get_weather", "Current weather of a city.", func(ctx context.Context, _ struct{}) (string, error) {
		_, span := tracers.Tracer("weather").Start(ctx, "SELECT weather") // as a database driver does
		span.End()
		return "rain", nil
	}))
	assistant := &agent.Agent{
		Name: "assistant", Tools: []tool.Tool{getWeather},
		Model: llmtest.NewScript(llmtest.Calls("get_weather", nil), llmtest.Text("It rains.")),
	}

	r := runner.Runner{Around: otel.Config{Tracers: tracers}.Around()}
	_, _ = r.Run(ctx, assistant, llm.User("Weather in Oslo?"))

	all := spans.GetSpans()
	for _, s := range all {
		at := slices.IndexFunc(all, func(o tracetest.SpanStub) bool { return o.SpanContext.SpanID() == s.Parent.SpanID() })
		if at >= 0 {
			fmt.Printf("%s, in %s\n", s.Name, all[at].Name)
		}
	}
	// Output:
	// chat, in invoke_agent assistant
	// SELECT weather, in execute_tool get_weather
	// execute_tool get_weather, in invoke_agent assistant
	// chat, in invoke_agent assistant
}
