package otel

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
)

// A Config says what is reported, and to whom. The zero value reports nothing.
type Config struct {
	// Tracers makes the spans. Nil means no spans.
	Tracers trace.TracerProvider
	// Meters makes the metrics. Nil means no metrics.
	Meters metric.MeterProvider
	// Logs makes the log events: gen_ai.client.inference.exception for a request that
	// failed, gen_ai.execute_tool.exception for a call that failed, and with Content
	// gen_ai.client.inference.operation.details. Nil means no log events.
	Logs log.LoggerProvider
	// Model returns the names of the provider and the model of a request, for example
	// "openai" and "gpt-4o-mini"; see gen_ai.provider.name in the conventions. Nil means
	// "openai", and the model of the request or the name of a model of package openai. An
	// empty model is not reported.
	Model func(*runner.Work) (provider, model string)
	// Content adds instructions, messages, arguments, results and the texts of errors. A
	// text is cut after 16 KiB.
	Content bool
	// ContentAsText makes each member of Content a JSON text, for backends that cannot read
	// attributes with a structure.
	ContentAsText bool
	// OldNames adds the attributes and metrics of the conventions up to 1.41.
	OldNames bool
}

// A reporter is a Config with its instruments.
type reporter struct {
	Config  // embedded: a reporter is a Config in use
	tracer  trace.Tracer
	logger  log.Logger
	metrics *metrics // nil without Meters
}

// Around returns a function for [runner.Runner.Around]. The function is safe for concurrent
// use. Call Around once for a program: instruments are made here. An instrument that cannot
// be made is left out. Without any provider, Around returns nil, and a run costs nothing
// more.
func (c Config) Around() func(context.Context, *runner.Work) (context.Context, func()) {
	if c.Tracers == nil && c.Meters == nil && c.Logs == nil {
		return nil
	}
	r := &reporter{Config: c}
	if c.Tracers != nil {
		r.tracer = c.Tracers.Tracer(scope, trace.WithSchemaURL(schemaURL))
	}
	if c.Logs != nil {
		r.logger = c.Logs.Logger(scope, log.WithSchemaURL(schemaURL))
	}
	if c.Meters != nil {
		r.metrics = newMetrics(c.Meters.Meter(scope, metric.WithSchemaURL(schemaURL)), c.OldNames)
	}
	return r.around
}

// A run counts what happens in a run.
type run struct {
	requests, calls atomic.Int64
	input, output   atomic.Int64
	tokens          atomic.Bool // whether a request reported tokens

	model llm.Model // of the last request; the requests of a run do not overlap
	name  string    // of model
}

type runKey struct{}

func (r *reporter) around(ctx context.Context, w *runner.Work) (context.Context, func()) {
	began := time.Now()
	switch w.Kind {
	case "run":
		return r.run(ctx, w, began)
	case "model":
		return r.chat(ctx, w, began)
	case "tool":
		return r.tool(ctx, w, began)
	}
	return ctx, nil
}

// start starts a span. The attributes at the start are those that samplers look at.
func (r *reporter) start(ctx context.Context, name string, kind trace.SpanKind, began time.Time, attrs []attribute.KeyValue, links ...trace.Link) (context.Context, trace.Span) {
	if r.tracer == nil {
		return ctx, trace.SpanFromContext(context.Background())
	}
	options := make([]trace.SpanStartOption, 0, 4)
	options = append(options, trace.WithSpanKind(kind), trace.WithAttributes(attrs...))
	if r.metrics != nil { // a metric beside a span has its duration
		options = append(options, trace.WithTimestamp(began))
	}
	if len(links) > 0 {
		options = append(options, trace.WithLinks(links...))
	}
	return r.tracer.Start(ctx, name, options...)
}

// end ends a span with the error of its work.
func (r *reporter) end(span trace.Span, ended time.Time, kind string, err error) {
	if kind != "" {
		text := ""
		if r.Content && err != nil {
			text = cut(err.Error())
		}
		span.SetAttributes(attribute.String(errorType, kind))
		span.SetStatus(codes.Error, text)
	}
	if r.metrics == nil {
		span.End()
		return
	}
	span.End(trace.WithTimestamp(ended))
}

func named(op, name string) string {
	if name == "" {
		return op
	}
	return op + " " + name
}

// common returns the attributes of all spans.
func common(op string, w *runner.Work) []attribute.KeyValue {
	attrs := make([]attribute.KeyValue, 0, 12)
	attrs = append(attrs, attribute.String(opName, op), attribute.String(agentName, w.Agent))
	if w.Session != "" {
		attrs = append(attrs, attribute.String(conversationID, w.Session))
	}
	return attrs
}

func (r *reporter) run(ctx context.Context, w *runner.Work, began time.Time) (context.Context, func()) {
	attrs := common(opAgent, w)
	var links []trace.Link
	if w.Resumed {
		attrs = append(attrs, attribute.Bool(runResumed, true))
		if first := spanOf(w.Trace); first.IsValid() {
			links = append(links, trace.Link{SpanContext: first, Attributes: []attribute.KeyValue{attribute.String(linkKind, "resumed")}})
		}
	}
	state := new(run)
	ctx, span := r.start(context.WithValue(ctx, runKey{}, state), named(opAgent, w.Agent), trace.SpanKindInternal, began, attrs, links...)
	if !w.Resumed {
		w.Trace = traceOf(span.SpanContext())
	}
	return ctx, func() {
		ended := time.Now()
		kind := kindOf(w.Err)
		if isPaused(w.Err) {
			kind = ""
			span.SetAttributes(attribute.Bool(runPaused, true))
		}
		if state.tokens.Load() {
			span.SetAttributes(attribute.Int64(usageInput, state.input.Load()), attribute.Int64(usageOutput, state.output.Load()))
		}
		r.metrics.run(ctx, w, state, ended.Sub(began), kind)
		r.end(span, ended, kind, w.Err)
	}
}

func (r *reporter) chat(ctx context.Context, w *runner.Work, began time.Time) (context.Context, func()) {
	state, _ := ctx.Value(runKey{}).(*run)
	provider, model := r.names(w, state)
	attrs := append(common(opChat, w), attribute.String(providerName, provider))
	if model != "" {
		attrs = append(attrs, attribute.String(requestModel, model))
	}
	if r.OldNames {
		attrs = append(attrs, attribute.String(oldSystem, provider))
	}
	ctx, span := r.start(ctx, named(opChat, model), trace.SpanKindClient, began, attrs)
	if span.IsRecording() {
		span.SetAttributes(requested(w.Request)...)
	}
	return ctx, func() {
		ended := time.Now()
		kind := kindOf(w.Err)
		if state != nil {
			state.requests.Add(1)
			if w.Response != nil {
				state.tokens.Store(true)
				state.input.Add(w.Response.Usage.InputTokens)
				state.output.Add(w.Response.Usage.OutputTokens)
			}
		}
		if span.IsRecording() {
			span.SetAttributes(r.answered(w)...)
			if r.Content {
				span.SetAttributes(r.content(r.conversation(w))...)
			}
		}
		r.metrics.chat(ctx, w, provider, model, ended.Sub(began), kind)
		if kind != "" {
			r.exception(ctx, "gen_ai.client.inference.exception", ended, kind, w.Err, attribute.String(opName, opChat), attribute.String(providerName, provider))
		}
		r.details(ctx, w, provider, model, ended)
		r.end(span, ended, kind, w.Err)
	}
}

func (r *reporter) tool(ctx context.Context, w *runner.Work, began time.Time) (context.Context, func()) {
	name := w.Tool.Name()
	attrs := append(common(opTool, w), attribute.String(toolName, name), attribute.String(toolType, "function"))
	if w.ID != "" {
		attrs = append(attrs, attribute.String(toolCallID, w.ID))
	}
	if state, ok := ctx.Value(runKey{}).(*run); ok {
		state.calls.Add(1)
	}
	ctx, span := r.start(ctx, named(opTool, name), trace.SpanKindInternal, began, attrs)
	if span.IsRecording() {
		span.SetAttributes(attribute.String(callRef, string(w.Call)), attribute.String(toolDescription, cut(w.Tool.Def().Description)))
	}
	return ctx, func() {
		ended := time.Now()
		kind := toolKind(w)
		if isDeferred(w) { // the result is no part of the span
			kind = ""
			span.SetAttributes(attribute.Bool(callDeferred, true))
		}
		if w.Result == nil && isPaused(w.Err) { // in the run of a helper
			kind = ""
			span.SetAttributes(attribute.Bool(runPaused, true))
		}
		if r.Content && span.IsRecording() {
			span.SetAttributes(r.content(r.called(w))...)
		}
		r.metrics.tool(ctx, w, ended.Sub(began), kind)
		if kind != "" {
			r.exception(ctx, "gen_ai.execute_tool.exception", ended, kind, toolError(w), attribute.String(opName, opTool), attribute.String(toolName, name))
		}
		r.end(span, ended, kind, toolError(w))
	}
}

// requested returns the attributes of a request.
func requested(q *llm.Request) []attribute.KeyValue {
	var attrs []attribute.KeyValue
	add := func(kv attribute.KeyValue) { attrs = append(attrs, kv) }
	double := func(key string, v *float64) {
		if v != nil {
			add(attribute.Float64(key, *v))
		}
	}
	if q.Stream {
		add(attribute.Bool(requestStream, true))
	}
	if q.Seed != nil {
		add(attribute.Int64(requestSeed, *q.Seed))
	}
	if q.MaxOutputTokens != 0 {
		add(attribute.Int64(requestMaxTokens, q.MaxOutputTokens))
	}
	double(requestTemp, q.Temperature)
	double(requestTopP, q.TopP)
	double(requestFrequency, q.FrequencyPenalty)
	double(requestPresence, q.PresencePenalty)
	if len(q.Stop) > 0 {
		add(attribute.StringSlice(requestStop, q.Stop))
	}
	if q.ReasoningEffort != "" {
		add(attribute.String(requestReasoning, q.ReasoningEffort))
	}
	if q.Output != nil {
		form := "json"
		if q.Output.Type == "text" {
			form = "text"
		}
		add(attribute.String(outputType, form))
	}
	return attrs
}

// answered returns the attributes of the answer to a request.
func (r *reporter) answered(w *runner.Work) []attribute.KeyValue {
	p := w.Response
	if p == nil {
		return []attribute.KeyValue{attribute.StringSlice(finishReasons, []string{"error"})}
	}
	attrs := []attribute.KeyValue{
		attribute.StringSlice(finishReasons, []string{finish(p)}),
		attribute.Int64(usageInput, p.Usage.InputTokens), attribute.Int64(usageOutput, p.Usage.OutputTokens),
	}
	for _, t := range []struct {
		key string
		n   int64
	}{
		{usageCacheRead, p.Usage.CachedTokens}, {usageCacheWrite, p.Usage.CacheWriteTokens}, {usageReasoning, p.Usage.ReasoningTokens},
		{usageAudioInput, p.Usage.InputAudioTokens}, {usageAudioOutput, p.Usage.OutputAudioTokens},
	} {
		if t.n != 0 {
			attrs = append(attrs, attribute.Int64(t.key, t.n))
		}
	}
	if r.OldNames && p.Usage.CacheWriteTokens != 0 {
		attrs = append(attrs, attribute.Int64(oldCacheWrite, p.Usage.CacheWriteTokens))
	}
	if p.ID != "" {
		attrs = append(attrs, attribute.String(responseID, p.ID))
	}
	if p.Model != "" {
		attrs = append(attrs, attribute.String(responseModel, p.Model))
	}
	return attrs
}

// finish returns the finish reason in the words of the conventions.
func finish(p *llm.Response) string {
	switch p.Finish.Reason {
	case llm.FinishToolCalls:
		return "tool_call"
	case "":
		return "stop"
	}
	return string(p.Finish.Reason)
}

// traceOf returns a traceparent.
func traceOf(s trace.SpanContext) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(trace.ContextWithSpanContext(context.Background(), s), carrier)
	return carrier["traceparent"]
}

// spanOf reads a traceparent.
func spanOf(text string) trace.SpanContext {
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": text})
	return trace.SpanContextFromContext(ctx)
}
