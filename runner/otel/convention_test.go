package otel_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace/noop"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/internal/scenario"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/otel"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// convention is the table of the attributes: the type of each, and on which spans it may
// be (a: invoke_agent, c: chat, t: execute_tool; in capitals where it must be).
var convention = map[string]struct{ kind, spans string }{
	"gen_ai.operation.name":                 {"string", "ACT"},
	"gen_ai.provider.name":                  {"string", "C"},
	"gen_ai.agent.name":                     {"string", "AcT"},
	"gen_ai.conversation.id":                {"string", "act"},
	"gen_ai.output.type":                    {"string", "ac"},
	"error.type":                            {"string", "act"},
	"gen_ai.request.model":                  {"string", "ac"},
	"gen_ai.request.stream":                 {"true", "c"},
	"gen_ai.request.seed":                   {"int64", "ac"},
	"gen_ai.request.max_tokens":             {"int64", "c"},
	"gen_ai.request.temperature":            {"float64", "c"},
	"gen_ai.request.top_p":                  {"float64", "c"},
	"gen_ai.request.frequency_penalty":      {"float64", "c"},
	"gen_ai.request.presence_penalty":       {"float64", "c"},
	"gen_ai.request.stop_sequences":         {"[]interface {}", "c"},
	"gen_ai.request.reasoning.level":        {"string", "c"},
	"gen_ai.response.id":                    {"string", "c"},
	"gen_ai.response.model":                 {"string", "c"},
	"gen_ai.response.time_to_first_chunk":   {"float64", "c"},
	"server.address":                        {"string", "c"},
	"server.port":                           {"int64", "c"},
	"gen_ai.response.finish_reasons":        {"[]interface {}", "C"},
	"gen_ai.usage.input_tokens":             {"int64", "ac"},
	"gen_ai.usage.output_tokens":            {"int64", "ac"},
	"gen_ai.usage.cache_read.input_tokens":  {"int64", "c"},
	"gen_ai.usage.cache_write.input_tokens": {"int64", "c"},
	"gen_ai.usage.reasoning.output_tokens":  {"int64", "c"},
	"gen_ai.usage.audio.input_tokens":       {"int64", "c"},
	"gen_ai.usage.audio.output_tokens":      {"int64", "c"},
	"gen_ai.tool.name":                      {"string", "T"},
	"gen_ai.tool.type":                      {"string", "T"},
	"gen_ai.tool.call.id":                   {"string", "t"},
	"gen_ai.tool.description":               {"string", "t"},
	"mcp.method.name":                       {"string", "t"},
	"gen_ai.system_instructions":            {"[]interface {}", "c"},
	"gen_ai.input.messages":                 {"[]interface {}", "c"},
	"gen_ai.output.messages":                {"[]interface {}", "c"},
	"gen_ai.tool.call.arguments":            {"map[string]interface {}", "t"},
	"gen_ai.tool.call.result":               {"map[string]interface {}", "t"},
	"toolloop.run.resumed":                  {"true", "a"},
	"toolloop.run.paused":                   {"true", "at"},
	"toolloop.call":                         {"string", "T"},
	"toolloop.call.deferred":                {"true", "t"},
}

// hold compares a span with the table.
func hold(t *testing.T, name, kind string, attrs map[string]any) {
	t.Helper()
	op, _ := attrs["gen_ai.operation.name"].(string)
	want := map[string]struct{ letter, kind string }{"invoke_agent": {"a", "SPAN_KIND_INTERNAL"}, "chat": {"c", "SPAN_KIND_CLIENT"}, "execute_tool": {"t", "SPAN_KIND_INTERNAL"}}[op]
	require.NotEmpty(t, want.letter, "the operation of %s", name)
	require.Equal(t, want.kind, kind, name)
	require.True(t, name == op || strings.HasPrefix(name, op+" "), name)
	for key, v := range attrs {
		row, known := convention[key]
		require.True(t, known, "%s has %s", name, key)
		require.Contains(t, strings.ToLower(row.spans), want.letter, "%s has %s", name, key)
		if row.kind == "true" {
			require.Equal(t, true, v, key)
		} else {
			require.Equal(t, row.kind, fmt.Sprintf("%T", v), key)
		}
	}
	for key, row := range convention {
		if strings.Contains(row.spans, strings.ToUpper(want.letter)) {
			require.Contains(t, attrs, key, name)
		}
	}
}

// TestConvention: in every scenario, with and without a stream, each span has the
// attributes of the table, and is the child of its run.
func TestConvention(t *testing.T) {
	t.Parallel()
	c, b, flush := telemetry(t)
	c.Content = true
	runs := 0
	for _, s := range scenario.All() {
		if s.Want.Took > 0 || s.HangUp > 0 {
			continue
		}
		for _, stream := range []bool{false, true} {
			s.Runner.Around = c.Around()
			s.Runner.Logger = quiet()
			ran := s.Run(t, scenario.Seats()[0], stream, scenario.Desk())
			require.Equal(t, s.Expected(stream).Calls, ran.Calls)
			runs++
		}
	}
	rich(t, c)
	flush()
	require.Greater(t, runs, 60)
	ids := map[string]bool{}
	for _, s := range b.spans {
		ids[string(s.GetSpanId())] = true
	}
	roots := 0
	for _, s := range b.spans {
		hold(t, s.GetName(), s.GetKind().String(), attributes(s.GetAttributes()))
		if len(s.GetParentSpanId()) == 0 {
			roots++
			continue
		}
		require.True(t, ids[string(s.GetParentSpanId())])
	}
	require.GreaterOrEqual(t, roots, runs-4, "a run that did not begin has no span")
}

// metricTable has the metrics: kind, unit, and the attributes that each point has.
var metricTable = map[string]string{
	"gen_ai.client.inference.time_to_first_chunk":            "histogram s gen_ai.operation.name gen_ai.provider.name gen_ai.request.model gen_ai.response.model",
	"gen_ai.client.inference.time_per_output_chunk":          "histogram s gen_ai.operation.name gen_ai.provider.name gen_ai.request.model",
	"gen_ai.client.inference.duration":                       "histogram s gen_ai.operation.name gen_ai.provider.name gen_ai.request.model gen_ai.response.model",
	"gen_ai.client.inference.operation.input_tokens":         "histogram {token} gen_ai.operation.name gen_ai.provider.name gen_ai.request.model gen_ai.response.model",
	"gen_ai.client.inference.operation.output_tokens":        "histogram {token} gen_ai.operation.name gen_ai.provider.name gen_ai.request.model gen_ai.response.model",
	"gen_ai.client.inference.usage.input_tokens":             "counter {token} gen_ai.operation.name gen_ai.provider.name gen_ai.request.model gen_ai.response.model gen_ai.token.modality",
	"gen_ai.client.inference.usage.output_tokens":            "counter {token} gen_ai.operation.name gen_ai.provider.name gen_ai.request.model gen_ai.response.model gen_ai.token.modality",
	"gen_ai.client.inference.usage.cache_read.input_tokens":  "counter {token} gen_ai.operation.name gen_ai.provider.name gen_ai.request.model gen_ai.response.model gen_ai.token.modality",
	"gen_ai.client.inference.usage.cache_write.input_tokens": "counter {token} gen_ai.operation.name gen_ai.provider.name gen_ai.request.model gen_ai.response.model gen_ai.token.modality",
	"gen_ai.client.inference.usage.reasoning.output_tokens":  "counter {token} gen_ai.operation.name gen_ai.provider.name gen_ai.request.model gen_ai.response.model gen_ai.token.modality",
	"gen_ai.invoke_agent.duration":                           "histogram s gen_ai.agent.name gen_ai.operation.name",
	"gen_ai.invoke_agent.inference_calls":                    "histogram {inference_call} gen_ai.agent.name",
	"gen_ai.invoke_agent.tool_calls":                         "histogram {tool_call} gen_ai.agent.name",
	"gen_ai.execute_tool.duration":                           "histogram s gen_ai.agent.name gen_ai.tool.name gen_ai.tool.type",
}

// TestMetrics holds the name, kind, unit and attributes of every metric, and the sums.
func TestMetrics(t *testing.T) {
	t.Parallel()
	c, b, flush := telemetry(t)
	rich(t, c)
	flush()
	got, sums := map[string]string{}, map[string]float64{}
	for _, m := range b.metrics {
		got[m.GetName()], sums[m.GetName()] = described(m)
	}
	require.Equal(t, metricTable, got)
	for name, want := range map[string]float64{
		"gen_ai.client.inference.usage.input_tokens": 200, "gen_ai.client.inference.usage.output_tokens": 60,
		"gen_ai.client.inference.usage.cache_read.input_tokens": 120, "gen_ai.client.inference.usage.cache_write.input_tokens": 40,
		"gen_ai.client.inference.usage.reasoning.output_tokens": 10, "gen_ai.invoke_agent.inference_calls": 2, "gen_ai.invoke_agent.tool_calls": 1,
	} {
		require.InDelta(t, want, sums[name], 0, name)
	}
}

func described(m *metrics.Metric) (string, float64) {
	var sum float64
	keys := map[string]bool{}
	note := func(all []*common.KeyValue) {
		for key := range attributes(all) {
			keys[key] = true
		}
	}
	kind := "counter"
	for _, p := range m.GetSum().GetDataPoints() {
		sum += float64(p.GetAsInt())
		note(p.GetAttributes())
	}
	for _, p := range m.GetHistogram().GetDataPoints() {
		kind = "histogram"
		sum += p.GetSum()
		note(p.GetAttributes())
	}
	var names []string
	for key := range keys {
		names = append(names, key)
	}
	slices.Sort(names)
	return kind + " " + m.GetUnit() + " " + strings.Join(names, " "), sum
}

// TestOldNames: the names before are added, not put in place of the new names.
func TestOldNames(t *testing.T) {
	t.Parallel()
	c, b, flush := telemetry(t)
	c.OldNames = true
	rich(t, c)
	flush()
	got := attributes(b.span(t, "chat gpt-4o-mini").GetAttributes())
	require.Equal(t, "openai", got["gen_ai.system"])
	require.Equal(t, int64(20), got["gen_ai.usage.cache_creation.input_tokens"])
	require.Equal(t, int64(20), got["gen_ai.usage.cache_write.input_tokens"])
	var names []string
	for _, m := range b.metrics {
		names = append(names, m.GetName())
	}
	require.Subset(t, names, []string{"gen_ai.client.operation.duration", "gen_ai.client.token.usage", "gen_ai.client.inference.duration"})
}

// BenchmarkRun measures a run of ten turns with a model on a loopback port: without Around,
// with an Around that does nothing, without the SDK, with the SDK and no exporter, with a
// sampler that drops all, and with an exporter to a loopback port.
func BenchmarkRun(b *testing.B) {
	step := tool.Must(tool.New("step", "Steps.", func(context.Context, struct{}) (string, error) { return "done", nil }))
	for _, way := range []struct {
		name   string
		around func(context.Context, *runner.Work) (context.Context, func())
	}{
		{"without", nil},
		{"idle", func(ctx context.Context, _ *runner.Work) (context.Context, func()) { return ctx, nil }},
		{"no SDK", otel.Config{Tracers: noop.NewTracerProvider()}.Around()},
		{"no exporter", otel.Config{Tracers: sdktrace.NewTracerProvider()}.Around()},
		{"not sampled", otel.Config{Tracers: sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))}.Around()},
		{"exporter", otel.Config{Tracers: exporting(b)}.Around()},
	} {
		b.Run(way.name, func(b *testing.B) {
			calls := func(req *llm.Request) bool { return len(req.Messages) < 20 }
			script := llmtest.NewScript(llmtest.Calls("step", nil).When(calls).Forever(), llmtest.Text("Done.").Forever())
			server := script.Serve()
			defer server.Close()
			a := &agent.Agent{Model: openai.Config{BaseURL: server.BaseURL, Key: "k"}.Model("m"), Tools: []tool.Tool{step}}
			r := runner.Runner{Around: way.around, Logger: quiet(), MaxTurns: -1, Limits: runner.Limits{Repeats: -1}}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Run(b.Context(), a, llm.User("Go.")); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// exporting returns spans that go to a server that throws them away.
func exporting(b *testing.B) *sdktrace.TracerProvider {
	b.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	b.Cleanup(server.Close)
	spans, err := otlptracehttp.New(b.Context(), otlptracehttp.WithEndpointURL(server.URL))
	require.NoError(b, err)
	tracers := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans))
	b.Cleanup(func() { _ = tracers.Shutdown(context.Background()) }) //nolint:usetesting // b.Context has ended
	return tracers
}
