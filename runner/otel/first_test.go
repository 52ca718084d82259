package otel_test

import (
	"context"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/log/embedded"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/otel"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// inMemory is a Config whose spans and metrics stay in memory.
func inMemory() (otel.Config, *tracetest.InMemoryExporter, *sdkmetric.ManualReader) {
	spans, meters := tracetest.NewInMemoryExporter(), sdkmetric.NewManualReader()
	return otel.Config{
		Tracers: sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)),
		Meters:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(meters)),
	}, spans, meters
}

// chats returns the attributes of the requests.
func chats(spans *tracetest.InMemoryExporter) (all []map[attribute.Key]any) {
	for _, s := range spans.GetSpans() {
		attrs := map[attribute.Key]any{}
		for _, kv := range s.Attributes {
			attrs[kv.Key] = kv.Value.AsInterface()
		}
		if attrs["gen_ai.operation.name"] == "chat" {
			all = append(all, attrs)
		}
	}
	return all
}

// TestFirstChunk: the time from the request to the first piece of a streamed answer, in the
// span and in the metric, and the times between the pieces. Other answers have none.
func TestFirstChunk(t *testing.T) {
	t.Parallel()
	for _, way := range []struct {
		stream, metrics bool
		seconds         any
	}{{true, true, 3.0}, {true, false, 3.0}, {false, true, nil}} {
		synctest.Test(t, func(t *testing.T) {
			c, spans, meters := inMemory()
			if !way.metrics {
				c.Meters = nil
			}
			script := llmtest.Script(t, llmtest.Text("one two three"))
			script.Delay = 3 * time.Second
			for _, err := range (runner.Runner{Around: c.Around(), NoStream: !way.stream}).Stream(t.Context(), &agent.Agent{Model: script}, llm.User("Go.")) {
				require.NoError(t, err)
			}
			require.Equal(t, way.seconds, chats(spans)[0]["gen_ai.response.time_to_first_chunk"])
			var data metricdata.ResourceMetrics
			require.NoError(t, meters.Collect(t.Context(), &data))
			var sums, between []float64
			for _, scope := range data.ScopeMetrics {
				for _, m := range scope.Metrics {
					if h, ok := m.Data.(metricdata.Histogram[float64]); ok && m.Name == "gen_ai.client.inference.time_to_first_chunk" {
						sums = append(sums, h.DataPoints[0].Sum)
					} else if ok && m.Name == "gen_ai.client.inference.time_per_output_chunk" {
						between = append(between, h.DataPoints[0].Sum, float64(h.DataPoints[0].Count))
					}
				}
			}
			if way.stream && way.metrics {
				require.Equal(t, []float64{3}, sums)
				require.Equal(t, []float64{6, 2}, between)
			} else {
				require.Empty(t, sums)
				require.Empty(t, between)
			}
		})
	}
}

// TestServer: the server of a request, as far as one is known.
func TestServer(t *testing.T) {
	t.Parallel()
	script := llmtest.Script(t, llmtest.Text("Yes.").Forever())
	away := func(base string) llm.Model {
		return openai.Config{BaseURL: base, Key: "k", HTTPClient: script.Client()}.Model(`m"1`)
	}
	here := away("http://model.test:8080/v1")
	type server struct{ model, address, port any }
	for _, way := range []struct {
		model  llm.Model
		server func(*runner.Work) string
		want   server
	}{
		{here, nil, server{`m"1`, "model.test", int64(8080)}},
		{away("https://user:pw@API.test/v1?x=1"), nil, server{`m"1`, "api.test", nil}},
		{away("http://[::1]:80/v1"), nil, server{`m"1`, "::1", int64(80)}},
		{new(wrap.Limiter).Model(wrap.Fallback{}.Model(here, here)), nil, server{`m"1`, "model.test", int64(8080)}},
		{wrap.Fallback{}.Model(here, away("http://other.test/v1")), nil, server{`m"1`, nil, nil}},
		{script, nil, server{nil, nil, nil}},
		{script, func(*runner.Work) string { return "gpu-7" }, server{nil, "gpu-7", nil}},
	} {
		c, spans, _ := inMemory()
		c.Server = way.server
		_, err := runner.Runner{Around: c.Around(), Logger: quiet()}.Run(t.Context(), &agent.Agent{Model: way.model}, llm.User("Go."))
		require.NoError(t, err)
		got := chats(spans)[0]
		require.Equal(t, way.want, server{got["gen_ai.request.model"], got["server.address"], got["server.port"]})
	}
}

// A deaf logger takes the events of one name.
type deaf struct {
	embedded.Logger
	takes string
	took  []string
}

func (d *deaf) Enabled(_ context.Context, p log.EnabledParameters) bool {
	return p.EventName == d.takes
}
func (d *deaf) Emit(_ context.Context, r log.Record) { d.took = append(d.took, r.EventName()) }

type deafLogs struct {
	embedded.LoggerProvider
	logger *deaf
}

func (d deafLogs) Logger(string, ...log.LoggerOption) log.Logger { return d.logger }

// TestDeafLogger: a logger gets the log events that it wants.
func TestDeafLogger(t *testing.T) {
	t.Parallel()
	d := &deaf{takes: "gen_ai.execute_tool.exception"}
	fails(t, otel.Config{Logs: deafLogs{logger: d}, Content: true})
	require.Equal(t, []string{"gen_ai.execute_tool.exception"}, d.took)
}

// A keeper is a span of somebody else, which keeps the memory of its attributes.
type keeper struct {
	noop.Span
	kept *[][]attribute.KeyValue
}

func (keeper) IsRecording() bool                        { return true }
func (k keeper) SetAttributes(kv ...attribute.KeyValue) { *k.kept = append(*k.kept, kv) }

type keepers struct {
	noop.TracerProvider
	kept *[][]attribute.KeyValue
}

type keeping struct {
	noop.Tracer
	kept *[][]attribute.KeyValue
}

func (k keepers) Tracer(string, ...trace.TracerOption) trace.Tracer { return keeping{kept: k.kept} }
func (k keeping) Start(ctx context.Context, _ string, _ ...trace.SpanStartOption) (context.Context, trace.Span) {
	return ctx, keeper{kept: k.kept}
}

// TestKeepingSpan: a span that keeps its attributes has them still when the next span has
// ended.
func TestKeepingSpan(t *testing.T) {
	t.Parallel()
	var kept [][]attribute.KeyValue
	around := otel.Config{Tracers: keepers{kept: &kept}}.Around()
	for _, id := range []string{"first", "second"} {
		w := &runner.Work{Kind: "model", Model: openai.Config{Key: "k"}.Model("m"), Request: &llm.Request{}}
		_, end := around(t.Context(), w)
		w.Response = &llm.Response{ID: id}
		end()
	}
	require.Contains(t, kept[0], attribute.String("gen_ai.response.id", "first"))
	require.Contains(t, kept[1], attribute.String("gen_ai.response.id", "second"))
}

// TestDescription: each span has the description of its own tool, also if another tool of the
// agent had the same name.
func TestDescription(t *testing.T) {
	t.Parallel()
	c, spans, _ := inMemory()
	around := c.Around()
	for _, description := range []string{"Looks left.", "Looks right."} {
		look := tool.Must(tool.New("look", description, func(context.Context, struct{}) (string, error) { return "", nil }))
		_, end := around(t.Context(), &runner.Work{Kind: "tool", Agent: "a", Tool: look})
		end()
		all := spans.GetSpans()
		require.Contains(t, all[len(all)-1].Attributes, attribute.String("gen_ai.tool.description", description))
	}
}

// pieces reports a run of ten turns with ten calls, as package runner does.
func pieces(ctx context.Context, around func(context.Context, *runner.Work) (context.Context, func()), m llm.Model, step tool.Tool) {
	req := &llm.Request{Stream: true}
	resp := &llm.Response{ID: "x", Model: "m", Finish: llm.FinishOf("stop", ""), Usage: llm.Usage{InputTokens: 20, OutputTokens: 10, TotalTokens: 30}}
	result := &event.ToolCallFinished{Call: "r1.t1.c0", Result: llm.ToolResult{Parts: llm.Parts{llm.Text{Text: "done"}}}}
	ctx, end := around(ctx, &runner.Work{Kind: "run", Agent: "a", Session: "s"})
	for i := range 21 {
		w := &runner.Work{Kind: "model", Agent: "a", Session: "s", Model: m, Request: req}
		if i%2 == 1 {
			w = &runner.Work{Kind: "tool", Agent: "a", Session: "s", Tool: step, Call: "r1.t1.c0", ID: "call_1"}
		}
		_, end := around(ctx, w)
		w.Response, w.Result, w.FirstDelta = resp, result, time.Unix(1, 0)
		end()
	}
	end()
}

// ways are the settings that TestAllocations and the benchmarks measure, and the most
// allocations and bytes for a piece of work. Of the bytes, 408 are the Work itself, and with
// a recorded span 1,850 are the SDK's.
var ways = []struct {
	name              string
	allocations, most float64
	c                 func() otel.Config
}{
	{"no SDK", 5, 640, func() otel.Config { return otel.Config{Tracers: noop.NewTracerProvider()} }},
	{"no exporter", 10, 2500, func() otel.Config { return otel.Config{Tracers: sdktrace.NewTracerProvider()} }},
	{"not sampled", 8, 1100, func() otel.Config {
		return otel.Config{Tracers: sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample()))}
	}},
	{"metrics without a reader", 4, 640, func() otel.Config { return otel.Config{Meters: sdkmetric.NewMeterProvider()} }},
	{"metrics", 5, 640, func() otel.Config {
		return otel.Config{Meters: sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))}
	}},
}

// TestAllocations bounds what a piece of work costs.
func TestAllocations(t *testing.T) { //nolint:paralleltest // counts allocations
	step := tool.Must(tool.New("step", "Steps.", func(context.Context, struct{}) (string, error) { return "done", nil }))
	m := openai.Config{Key: "k"}.Model("m")
	for _, way := range ways {
		around := way.c().Around()
		each, bytes := testing.AllocsPerRun(100, func() { pieces(t.Context(), around, m, step) })/22, allocated(func() { pieces(t.Context(), around, m, step) })/22
		t.Logf("%s: %.1f allocations and %.0f bytes for each piece of work", way.name, each, bytes)
		require.LessOrEqual(t, each, way.allocations*slack, way.name)
		require.LessOrEqual(t, bytes, way.most*slack, way.name)
	}
}

// allocated returns the bytes that a call of f allocates, as testing.AllocsPerRun does.
func allocated(f func()) float64 {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const times = 100
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range times {
		f()
	}
	runtime.ReadMemStats(&after)
	return float64(after.TotalAlloc-before.TotalAlloc) / times
}

// BenchmarkAround measures the pieces of a run of ten turns, without the run.
func BenchmarkAround(b *testing.B) {
	step := tool.Must(tool.New("step", "Steps.", func(context.Context, struct{}) (string, error) { return "done", nil }))
	m := openai.Config{Key: "k"}.Model("m")
	for _, way := range ways {
		b.Run(way.name, func(b *testing.B) {
			around := way.c().Around()
			b.ReportAllocs()
			for b.Loop() {
				pieces(b.Context(), around, m, step)
			}
		})
	}
}
