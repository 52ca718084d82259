package otel_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/propagation"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"

	apitrace "go.opentelemetry.io/otel/trace"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/otel"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// tree returns the spans as lines, children below and inside of their parents, in the
// order of their starts.
func (b *backend) tree() (lines []string) {
	spans := slices.Clone(b.spans)
	slices.SortStableFunc(spans, func(x, y *trace.Span) int {
		return int(int64(x.GetStartTimeUnixNano()) - int64(y.GetStartTimeUnixNano()))
	})
	var walk func(parent, indent string)
	walk = func(parent, indent string) {
		for _, s := range spans {
			if string(s.GetParentSpanId()) == parent {
				line := indent + s.GetName() + " " + strings.ToLower(strings.TrimPrefix(s.GetKind().String(), "SPAN_KIND_"))
				if e, failed := attributes(s.GetAttributes())["error.type"]; failed {
					line += fmt.Sprintf(" error=%v status=%v", e, s.GetStatus().GetCode())
				}
				lines = append(lines, line)
				walk(string(s.GetSpanId()), indent+"  ")
			}
		}
	}
	walk("", "")
	return lines
}

func (b *backend) span(t *testing.T, name string) *trace.Span {
	t.Helper()
	at := slices.IndexFunc(b.spans, func(s *trace.Span) bool { return s.GetName() == name })
	require.GreaterOrEqual(t, at, 0, name)
	return b.spans[at]
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// TestTree: a run with a helper inside a call, a retry, a failed call and HTTP spans below
// is one tree.
func TestTree(t *testing.T) {
	t.Parallel()
	c, b, flush := telemetry(t)
	around := c.Around()
	script := llmtest.Script(t,
		llmtest.Text("").With(llmtest.Status(503, nil, "")), llmtest.Calls("ask", map[string]string{"what": "x"}), llmtest.Calls("broken", nil), llmtest.Text("Done."))
	client := script.Client()
	client.Transport = otelhttp.NewTransport(client.Transport, otelhttp.WithTracerProvider(c.Tracers), otelhttp.WithPropagators(propagation.TraceContext{}))
	r := runner.Runner{Around: around, Logger: quiet()}
	inner := &agent.Agent{Name: "helper", Model: llmtest.NewScript(llmtest.Text("Yes."))}
	ask := tool.Must(tool.New("ask", "Asks the helper.", func(ctx context.Context, _ struct {
		What string `json:"what"`
	}) (string, error) {
		result, err := r.Run(ctx, inner, llm.User("?"))
		return result.Text, err
	}))
	broken := tool.Must(tool.New("broken", "Breaks.", func(context.Context, struct{}) (string, error) { return "", errors.New("sdfkjh") }))
	model := openai.Config{HTTPClient: client, Key: "k", BaseURL: "http://model.test/v1"}.Model("gpt-4o-mini")
	_, err := r.Run(t.Context(), &agent.Agent{Name: "chief", Model: model, Tools: []tool.Tool{ask, broken}}, llm.User("Go."))
	require.NoError(t, err)
	flush()
	var got []string
	for _, line := range b.tree() {
		if !strings.HasPrefix(strings.TrimSpace(line), "HTTP") {
			got = append(got, line)
		}
	}
	require.Equal(t, []string{
		"invoke_agent chief internal",
		"  chat gpt-4o-mini client",
		"  execute_tool ask internal",
		"    invoke_agent helper internal",
		"      chat client",
		"  chat gpt-4o-mini client",
		"  execute_tool broken internal error=failed status=STATUS_CODE_ERROR",
		"  chat gpt-4o-mini client",
	}, got)
	below := 0
	for _, line := range b.tree() {
		if strings.HasPrefix(line, "    HTTP POST") {
			below++
		}
	}
	require.Equal(t, 4, below, "three requests and a retry")
	require.Equal(t, map[string]bool{"https://opentelemetry.io/schemas/gen-ai/0.1.0": true}, only(b.schemas, "gen-ai"))
}

func only(all map[string]bool, part string) map[string]bool {
	out := map[string]bool{}
	for s := range all {
		if strings.Contains(s, part) {
			out[s] = true
		}
	}
	return out
}

// answer is an answer with everything that an attribute reports.
func answer() llm.ModelFunc {
	script := llmtest.NewScript(
		llmtest.Calls("get_weather", map[string]any{"city": "Zürich-secret"}), llmtest.Text("The final-secret."))
	return func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		resp, err := script.Generate(ctx, req, sink)
		if resp != nil {
			resp.ID, resp.Model = "resp_1", "gpt-4o-mini-2026"
			resp.Usage = llm.Usage{InputTokens: 100, CachedTokens: 60, CacheWriteTokens: 20, InputAudioTokens: 10, OutputTokens: 30, ReasoningTokens: 5, OutputAudioTokens: 4}
		}
		return resp, err
	}
}

// rich runs an agent with all settings that an attribute reports.
func rich(t *testing.T, c otel.Config) {
	t.Helper()
	weather := tool.Must(tool.New("get_weather", "Current weather of a city.", func(_ context.Context, in struct {
		City string `json:"city"`
	}) (map[string]any, error) {
		return map[string]any{"rain": true, "mm": 2.5, "note": "result-secret", "days": []int{1, 2}}, nil
	}))
	c.Model = func(w *runner.Work) (string, string) { return "openai", "gpt-4o-mini" }
	a := &agent.Agent{Name: "desk", Instructions: "instructions-secret", Model: answer(), Tools: []tool.Tool{weather}, Settings: llm.Settings{
		Temperature: new(0.5), TopP: new(0.9), MaxOutputTokens: 500, Stop: []string{"END"}, Seed: new(int64(7)), FrequencyPenalty: new(0.1), PresencePenalty: new(0.2), ReasoningEffort: "low",
	}}
	s := runner.Runner{Around: c.Around(), Logger: quiet()}.Session("chat-7")
	for _, err := range s.Stream(t.Context(), a, runner.Say(llm.User("user-secret"))) {
		require.NoError(t, err)
	}
}

// TestAttributes holds every attribute of every span by value and by type.
func TestAttributes(t *testing.T) {
	t.Parallel()
	c, b, flush := telemetry(t)
	rich(t, c)
	flush()
	base := func(op string, more map[string]any) map[string]any {
		all := map[string]any{"gen_ai.operation.name": op, "gen_ai.agent.name": "desk", "gen_ai.conversation.id": "chat-7"}
		for k, v := range more {
			all[k] = v
		}
		return all
	}
	require.Equal(t, base("invoke_agent", map[string]any{"gen_ai.usage.input_tokens": int64(200), "gen_ai.usage.output_tokens": int64(60)}), attributes(b.span(t, "invoke_agent desk").GetAttributes()))
	got := attributes(b.span(t, "chat gpt-4o-mini").GetAttributes())
	require.Positive(t, got["gen_ai.response.time_to_first_chunk"])
	delete(got, "gen_ai.response.time_to_first_chunk")
	require.Equal(t, base("chat", map[string]any{
		"gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-4o-mini", "gen_ai.request.stream": true, "gen_ai.request.seed": int64(7),
		"gen_ai.request.max_tokens": int64(500), "gen_ai.request.temperature": 0.5, "gen_ai.request.top_p": 0.9, "gen_ai.request.frequency_penalty": 0.1,
		"gen_ai.request.presence_penalty": 0.2, "gen_ai.request.stop_sequences": []any{"END"}, "gen_ai.request.reasoning.level": "low",
		"gen_ai.response.id": "resp_1", "gen_ai.response.model": "gpt-4o-mini-2026", "gen_ai.response.finish_reasons": []any{"tool_call"},
		"gen_ai.usage.input_tokens": int64(100), "gen_ai.usage.output_tokens": int64(30), "gen_ai.usage.cache_read.input_tokens": int64(60),
		"gen_ai.usage.cache_write.input_tokens": int64(20), "gen_ai.usage.reasoning.output_tokens": int64(5),
		"gen_ai.usage.audio.input_tokens": int64(10), "gen_ai.usage.audio.output_tokens": int64(4),
	}), got)
	call := b.span(t, "execute_tool get_weather")
	got = attributes(call.GetAttributes())
	require.NotEmpty(t, got["gen_ai.tool.call.id"])
	delete(got, "gen_ai.tool.call.id")
	require.Equal(t, base("execute_tool", map[string]any{
		"gen_ai.tool.name": "get_weather", "gen_ai.tool.type": "function", "gen_ai.tool.description": "Current weather of a city.", "toolloop.call": "r1.t1.c0",
	}), got)
	require.Equal(t, trace.Status_STATUS_CODE_UNSET, call.GetStatus().GetCode())
}

// TestNoContent: without Content nothing that somebody said leaves the process, in no
// signal, and never an idempotency key.
func TestNoContent(t *testing.T) {
	t.Parallel()
	c, b, flush := telemetry(t)
	rich(t, c)
	fails(t, c)
	flush()
	require.NotContains(t, b.raw.String(), "secret")
	require.NotEmpty(t, b.logs)
}

// fails runs an agent whose call and whose request fail.
func fails(t *testing.T, c otel.Config) (key string) {
	t.Helper()
	broken := tool.Must(tool.New("broken", "Breaks.", func(ctx context.Context, _ struct{}) (string, error) {
		key = tool.CallFrom(ctx).Key
		return "", errors.New("error-secret")
	}))
	model := llmtest.NewScript(llmtest.Calls("broken", nil), llmtest.Fail(&llm.APIError{Kind: llm.KindAuth, Provider: "p", Message: "api-secret"}))
	_, err := runner.Runner{Around: c.Around(), Logger: quiet()}.Run(t.Context(), &agent.Agent{Name: "desk", Model: model, Tools: []tool.Tool{broken}}, llm.User("user-secret"))
	require.Error(t, err)
	return key
}

// TestContent: with Content the messages are there, in the form of the conventions, as
// structures or as JSON, and still no idempotency key.
func TestContent(t *testing.T) {
	t.Parallel()
	for _, asText := range []bool{false, true} {
		c, b, flush := telemetry(t)
		c.Content, c.ContentAsText = true, asText
		rich(t, c)
		key := fails(t, c)
		flush()
		require.NotEmpty(t, key)
		require.NotContains(t, b.raw.String(), key)
		chat, call := attributes(b.span(t, "chat gpt-4o-mini").GetAttributes()), attributes(b.span(t, "execute_tool get_weather").GetAttributes())
		if asText {
			require.JSONEq(t, `[{"type":"text","content":"instructions-secret"}]`, chat["gen_ai.system_instructions"].(string))
			require.JSONEq(t, `[{"role":"user","parts":[{"type":"text","content":"user-secret"}]}]`, chat["gen_ai.input.messages"].(string))
			require.JSONEq(t, `{"city":"Zürich-secret"}`, call["gen_ai.tool.call.arguments"].(string))
			continue
		}
		require.Equal(t, []any{map[string]any{"role": "user", "parts": []any{map[string]any{"type": "text", "content": "user-secret"}}}}, chat["gen_ai.input.messages"])
		out := chat["gen_ai.output.messages"].([]any)[0].(map[string]any)
		require.Equal(t, "assistant", out["role"])
		require.Equal(t, "tool_call", out["finish_reason"])
		part := out["parts"].([]any)[0].(map[string]any)
		require.Equal(t, []any{"tool_call", "get_weather", map[string]any{"city": "Zürich-secret"}}, []any{part["type"], part["name"], part["arguments"]})
		require.Equal(t, map[string]any{"rain": true, "mm": 2.5, "note": "result-secret", "days": []any{int64(1), int64(2)}}, call["gen_ai.tool.call.result"])
	}
}

// TestLogs: failures are log events of their trace.
func TestLogs(t *testing.T) {
	t.Parallel()
	c, b, flush := telemetry(t)
	fails(t, c)
	flush()
	names := map[string]map[string]any{}
	for _, l := range b.logs {
		names[l.GetEventName()] = attributes(l.GetAttributes())
		require.NotEmpty(t, l.GetTraceId())
		require.NotEmpty(t, l.GetSpanId())
	}
	require.Equal(t, map[string]map[string]any{
		"gen_ai.client.inference.exception": {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "error.type": "auth", "exception.type": "auth"},
		"gen_ai.execute_tool.exception":     {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "broken", "error.type": "failed", "exception.type": "failed"},
	}, names)
}

// TestResumed: the rest of a run in another process is a span of its own with a link to
// the first, and a call that ended is not reported again.
func TestResumed(t *testing.T) {
	t.Parallel()
	c, b, flush := telemetry(t)
	store := new(journal.Memory)
	free := tool.Must(tool.New("look", "Looks.", func(context.Context, struct{}) (string, error) { return "seen", nil }))
	pay := tool.Must(tool.New("pay", "Pays.", func(context.Context, struct{}) (string, error) { return "paid", nil }, tool.NeedsApproval()))
	script := llmtest.Script(t, llmtest.Calls("look", nil).And(llmtest.Calls("pay", nil)), llmtest.Text("Paid."))
	a := &agent.Agent{Name: "desk", Model: script, Tools: []tool.Tool{free, pay}}
	session := func() *runner.Session {
		return runner.Runner{Journal: store, Around: c.Around(), Logger: quiet()}.Session("s")
	}
	result, err := session().Run(t.Context(), a, runner.Say(llm.User("Pay.")))
	require.ErrorIs(t, err, runner.ErrPaused)
	_, err = session().Run(t.Context(), a, result.Pending[0].Approve())
	require.NoError(t, err)
	flush()
	require.Equal(t, []string{
		"invoke_agent desk internal", "  chat client", "  execute_tool look internal",
		"invoke_agent desk internal", "  execute_tool pay internal", "  chat client",
	}, b.tree())
	var first, second *trace.Span
	for _, s := range b.spans {
		switch attrs := attributes(s.GetAttributes()); {
		case attrs["toolloop.run.paused"] == true:
			first = s
		case attrs["toolloop.run.resumed"] == true:
			second = s
		}
	}
	require.NotNil(t, first)
	require.NotNil(t, second)
	require.Equal(t, trace.Status_STATUS_CODE_UNSET, first.GetStatus().GetCode())
	require.Len(t, second.GetLinks(), 1)
	require.Equal(t, first.GetSpanId(), second.GetLinks()[0].GetSpanId())
	require.Equal(t, first.GetTraceId(), second.GetLinks()[0].GetTraceId())
	require.Equal(t, map[string]any{"toolloop.link": "resumed"}, attributes(second.GetLinks()[0].GetAttributes()))
}

// TestMCPMeta: the trace goes out with a call, as the conventions for MCP want it.
func TestMCPMeta(t *testing.T) {
	t.Parallel()
	c, b, flush := telemetry(t)
	var meta map[string]any
	remote := tool.Must(tool.New("remote", "Calls a server.", func(ctx context.Context, _ struct{}) (string, error) {
		meta = otel.MCPMeta(ctx)
		require.True(t, apitrace.SpanContextFromContext(ctx).IsValid())
		return "ok", nil
	}))
	_, err := runner.Runner{Around: c.Around()}.Run(t.Context(), &agent.Agent{Model: llmtest.Script(t, llmtest.Calls("remote", nil), llmtest.Text("Done.")), Tools: []tool.Tool{remote}}, llm.User("Go."))
	require.NoError(t, err)
	flush()
	call := b.span(t, "execute_tool remote")
	require.Equal(t, fmt.Sprintf("00-%x-%x-01", call.GetTraceId(), call.GetSpanId()), meta["traceparent"])
	require.Equal(t, "tools/call", attributes(call.GetAttributes())["mcp.method.name"])
	require.Empty(t, otel.MCPMeta(context.Background()))
}

// TestZero: a Config without providers reports nothing and disturbs nothing.
func TestZero(t *testing.T) {
	t.Parallel()
	rich(t, otel.Config{Content: true, OldNames: true})
	fails(t, otel.Config{})
	_ = http.DefaultClient
}
