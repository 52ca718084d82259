package otel

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
)

// The boundaries of the histograms in the conventions.
var (
	requestSeconds = []float64{.01, .02, .04, .08, .16, .32, .64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92}
	runSeconds     = []float64{.1, .2, .4, .8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 204.8, 409.6}
	counts         = []float64{1, 2, 4, 8, 16, 32, 64, 128}
	tokenBounds    = []float64{1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864}
)

// metrics are the instruments. Nil measures nothing.
type metrics struct {
	chatSeconds, runSeconds, toolSeconds           metric.Float64Histogram
	chatFirst, chatPieces                          metric.Float64Histogram
	runRequests, runCalls                          metric.Int64Histogram
	input, output, cacheRead, cacheWrite, thinking metric.Int64Counter
	inputs, outputs                                metric.Int64Histogram

	oldSeconds metric.Float64Histogram // nil without OldNames
	oldTokens  metric.Int64Histogram
}

// newMetrics makes the instruments. The API returns an instrument that does nothing with
// each error.
func newMetrics(m metric.Meter, old bool) *metrics {
	seconds := func(name, description string, bounds []float64) metric.Float64Histogram {
		h, _ := m.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(description), metric.WithExplicitBucketBoundaries(bounds...))
		return h
	}
	histogram := func(name, unit, description string, bounds []float64) metric.Int64Histogram {
		h, _ := m.Int64Histogram(name, metric.WithUnit(unit), metric.WithDescription(description), metric.WithExplicitBucketBoundaries(bounds...))
		return h
	}
	tokens := func(name, description string) metric.Int64Counter {
		c, _ := m.Int64Counter("gen_ai.client.inference.usage."+name, metric.WithUnit("{token}"), metric.WithDescription(description))
		return c
	}
	all := &metrics{
		chatSeconds: seconds("gen_ai.client.inference.duration", "Duration of a request to a model, with its retries.", requestSeconds),
		chatFirst:   seconds("gen_ai.client.inference.time_to_first_chunk", "Time from a request to the first piece of a streamed answer.", requestSeconds),
		chatPieces:  seconds("gen_ai.client.inference.time_per_output_chunk", "Time from one piece of a streamed answer to the next.", requestSeconds),
		runSeconds:  seconds("gen_ai.invoke_agent.duration", "Duration of a run.", runSeconds),
		toolSeconds: seconds("gen_ai.execute_tool.duration", "Duration of a call of a tool's function.", requestSeconds),
		runRequests: histogram("gen_ai.invoke_agent.inference_calls", "{inference_call}", "Requests of a run.", counts),
		runCalls:    histogram("gen_ai.invoke_agent.tool_calls", "{tool_call}", "Calls of tools in a run.", counts),
		inputs:      histogram("gen_ai.client.inference.operation.input_tokens", "{token}", "Tokens of a request.", tokenBounds),
		outputs:     histogram("gen_ai.client.inference.operation.output_tokens", "{token}", "Tokens of an answer.", tokenBounds),
		input:       tokens("input_tokens", "Tokens of requests."),
		output:      tokens("output_tokens", "Tokens of answers."),
		cacheRead:   tokens("cache_read.input_tokens", "Tokens of requests that the provider had in its cache."),
		cacheWrite:  tokens("cache_write.input_tokens", "Tokens of requests that the provider wrote to its cache."),
		thinking:    tokens("reasoning.output_tokens", "Tokens of answers for reasoning."),
	}
	if old {
		all.oldSeconds = seconds("gen_ai.client.operation.duration", "Duration of a request to a model, with its retries.", requestSeconds)
		all.oldTokens = histogram("gen_ai.client.token.usage", "{token}", "Tokens of a request or an answer.", tokenBounds)
	}
	return all
}

func (m *metrics) run(ctx context.Context, p *prepared, state *run, took time.Duration, failure string) {
	if m == nil {
		return
	}
	m.runSeconds.Record(ctx, took.Seconds(), p.set(setKey{failure: failure}).record...)
	m.runRequests.Record(ctx, state.requests.Load(), p.calls.record...)
	m.runCalls.Record(ctx, state.calls.Load(), p.calls.record...)
}

func (m *metrics) chat(ctx context.Context, p *prepared, w *runner.Work, took, first time.Duration, failure string) {
	if m == nil {
		return
	}
	model := ""
	if w.Response != nil {
		model = w.Response.Model
	}
	ended := p.set(setKey{model: model, failure: failure}).record
	m.chatSeconds.Record(ctx, took.Seconds(), ended...)
	if m.oldSeconds != nil {
		m.oldSeconds.Record(ctx, took.Seconds(), ended...)
	}
	answer := p.set(setKey{model: model}).record
	if first >= 0 {
		m.chatFirst.Record(ctx, first.Seconds(), answer...)
	}
	if w.Response == nil {
		return
	}
	u := w.Response.Usage
	m.inputs.Record(ctx, u.InputTokens, answer...)
	m.outputs.Record(ctx, u.OutputTokens, answer...)
	add := func(c metric.Int64Counter, n int64, modality string) {
		if n > 0 {
			c.Add(ctx, n, p.set(setKey{model: model, extra: tokenModality, value: modality}).add...)
		}
	}
	add(m.input, u.InputTokens-u.InputAudioTokens, rest(u.InputAudioTokens))
	add(m.input, u.InputAudioTokens, "audio")
	add(m.output, u.OutputTokens-u.OutputAudioTokens, rest(u.OutputAudioTokens))
	add(m.output, u.OutputAudioTokens, "audio")
	add(m.cacheRead, u.CachedTokens, "unknown")
	add(m.cacheWrite, u.CacheWriteTokens, "unknown")
	add(m.thinking, u.ReasoningTokens, "text")
	if m.oldTokens != nil {
		m.oldTokens.Record(ctx, u.InputTokens, p.set(setKey{model: model, extra: oldTokenType, value: "input"}).record...)
		m.oldTokens.Record(ctx, u.OutputTokens, p.set(setKey{model: model, extra: oldTokenType, value: "output"}).record...)
	}
}

// pieces returns a function that measures the time between the pieces of an answer. The model
// of the answer is not known yet. Nil means that nobody reads the metric.
func (m *metrics) pieces(ctx context.Context, p *prepared) func(llm.Delta) {
	if !m.chatPieces.Enabled(ctx) {
		return nil
	}
	var last time.Time
	record := p.set(setKey{}).record
	return func(d llm.Delta) {
		switch d.(type) {
		case llm.Notice:
			return
		case llm.Restarted:
			last = time.Time{}
			return
		}
		now := time.Now()
		if !last.IsZero() {
			m.chatPieces.Record(ctx, now.Sub(last).Seconds(), record...)
		}
		last = now
	}
}

// rest returns the modality of the tokens that are not audio. Without a report about audio
// nobody knows: the request can have pictures.
func rest(audio int64) string {
	if audio > 0 {
		return "text"
	}
	return "unknown"
}

func (m *metrics) tool(ctx context.Context, p *prepared, took time.Duration, failure string) {
	if m != nil {
		m.toolSeconds.Record(ctx, took.Seconds(), p.set(setKey{failure: failure}).record...)
	}
}
