package otel

import (
	"context"
	"sync"
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
	// empty model is not reported. A model says its name once, so a Model of yours that
	// changes the models inside needs this function, and Server.
	Model func(*runner.Work) (provider, model string)
	// Server returns the server of a request as a host, or as a host and port such as
	// "localhost:11434". Nil means the server of a model of package openai, also inside of
	// wrappers, unless the wrappers have models of several servers. An empty text is not
	// reported.
	Server func(*runner.Work) string
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
	metrics *metrics  // nil without Meters
	buffers sync.Pool // of *[]attribute.KeyValue

	mu       sync.RWMutex
	prepared map[work]*prepared   // guarded by mu
	named    map[llm.Model]naming // guarded by mu
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
}

type runKey struct{}

func (r *reporter) around(ctx context.Context, w *runner.Work) (context.Context, func()) {
	switch w.Kind {
	case "run":
		return r.run(ctx, w)
	case "model":
		return r.chat(ctx, w)
	case "tool":
		return r.tool(ctx, w)
	}
	return ctx, nil
}

// start starts a span. more are options beside the prepared ones.
func (r *reporter) start(ctx context.Context, p *prepared, began time.Time, more ...trace.SpanStartOption) (context.Context, trace.Span) {
	if r.tracer == nil {
		return ctx, noSpan
	}
	options := p.start
	if r.metrics != nil { // a metric beside a span has its duration
		options = append(options[:len(options):len(options)], trace.WithTimestamp(began))
	}
	if len(more) > 0 {
		options = append(options[:len(options):len(options)], more...)
	}
	return r.tracer.Start(ctx, p.span, options...)
}

// noSpan records nothing.
var noSpan = trace.SpanFromContext(context.Background())

// now returns the time if something needs it.
func (r *reporter) now() (t time.Time) {
	if r.metrics != nil {
		t = time.Now()
	}
	return t
}

// end ends a span with the error of its work.
func (r *reporter) end(span trace.Span, ended time.Time, kind string, err error) {
	if !span.IsRecording() {
		span.End()
		return
	}
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

func (r *reporter) run(ctx context.Context, w *runner.Work) (context.Context, func()) {
	began := r.now()
	p := r.prepare(work{op: opAgent, agent: w.Agent})
	state := new(run)
	within, span := r.start(context.WithValue(ctx, runKey{}, state), p, began, runOptions(w)...)
	if !w.Resumed {
		w.Trace = traceOf(span.SpanContext())
	}
	return within, func() {
		ended := r.now()
		kind := kindOf(w.Err)
		if isPaused(w.Err) {
			kind = ""
			span.SetAttributes(attribute.Bool(runPaused, true))
		}
		if state.tokens.Load() && span.IsRecording() {
			span.SetAttributes(attribute.Int64(usageInput, state.input.Load()), attribute.Int64(usageOutput, state.output.Load()))
		}
		r.metrics.run(within, p, state, ended.Sub(began), kind)
		r.end(span, ended, kind, w.Err)
	}
}

// runOptions are those of the span of a run beside the prepared ones.
func runOptions(w *runner.Work) (options []trace.SpanStartOption) {
	var attrs []attribute.KeyValue
	if w.Session != "" {
		attrs = append(attrs, attribute.String(conversationID, w.Session))
	}
	if w.Resumed {
		attrs = append(attrs, attribute.Bool(runResumed, true))
		if first := spanOf(w.Trace); first.IsValid() {
			options = append(options, trace.WithLinks(trace.Link{SpanContext: first, Attributes: []attribute.KeyValue{attribute.String(linkKind, "resumed")}}))
		}
	}
	if len(attrs) > 0 {
		options = append(options, trace.WithAttributes(attrs...))
	}
	return options
}

func (r *reporter) chat(ctx context.Context, w *runner.Work) (context.Context, func()) {
	began := r.now()
	asked := began
	if w.Request.Stream && asked.IsZero() {
		asked = time.Now() // for the time to the first piece
	}
	state, _ := ctx.Value(runKey{}).(*run)
	what := work{op: opChat, agent: w.Agent}
	what.provider, what.name, what.server = r.names(w)
	p := r.prepare(what)
	within, span := r.start(ctx, p, began)
	if w.Request.Stream && r.metrics != nil {
		w.Heard = r.metrics.pieces(within, p)
	}
	return within, func() {
		ended := r.now()
		kind := kindOf(w.Err)
		if state != nil {
			state.add(w.Response)
		}
		first := w.FirstDelta.Sub(asked)
		if w.FirstDelta.IsZero() {
			first = -1
		}
		if span.IsRecording() {
			r.fill(span, func(attrs []attribute.KeyValue) []attribute.KeyValue { return r.chatted(attrs, w, first) })
		}
		r.metrics.chat(within, p, w, ended.Sub(began), first, kind)
		if r.logger != nil {
			if kind != "" {
				r.exception(within, "gen_ai.client.inference.exception", kind, w.Err, attribute.String(opName, opChat), attribute.String(providerName, p.provider))
			}
			r.details(within, w, p.provider, p.name)
		}
		r.end(span, ended, kind, w.Err)
	}
}

// add counts a request.
func (s *run) add(p *llm.Response) {
	s.requests.Add(1)
	if p != nil {
		s.tokens.Store(true)
		s.input.Add(p.Usage.InputTokens)
		s.output.Add(p.Usage.OutputTokens)
	}
}

func (r *reporter) tool(ctx context.Context, w *runner.Work) (context.Context, func()) {
	began := r.now()
	p := r.prepare(work{op: opTool, agent: w.Agent, name: w.Tool.Name()})
	if state, ok := ctx.Value(runKey{}).(*run); ok {
		state.calls.Add(1)
	}
	within, span := r.start(ctx, p, began)
	return within, func() {
		ended := r.now()
		kind := toolKind(w)
		if isDeferred(w) { // the result is no part of the span
			kind = ""
			span.SetAttributes(attribute.Bool(callDeferred, true))
		}
		if w.Result == nil && isPaused(w.Err) { // in the run of a helper
			kind = ""
			span.SetAttributes(attribute.Bool(runPaused, true))
		}
		if span.IsRecording() {
			r.fill(span, func(attrs []attribute.KeyValue) []attribute.KeyValue { return r.executed(attrs, w, p) })
		}
		r.metrics.tool(within, p, ended.Sub(began), kind)
		var err error
		if kind != "" {
			if err = toolError(w); r.logger != nil {
				r.exception(within, "gen_ai.execute_tool.exception", kind, err, attribute.String(opName, opTool), attribute.String(toolName, w.Tool.Name()))
			}
		}
		r.end(span, ended, kind, err)
	}
}

// executed adds the attributes of a call.
func (r *reporter) executed(attrs []attribute.KeyValue, w *runner.Work, p *prepared) []attribute.KeyValue {
	if w.Session != "" {
		attrs = append(attrs, attribute.String(conversationID, w.Session))
	}
	if w.ID != "" {
		attrs = append(attrs, attribute.String(toolCallID, w.ID))
	}
	attrs = append(attrs, attribute.String(callRef, string(w.Call)), p.description(w.Tool))
	if r.Content {
		attrs = append(attrs, r.content(r.called(w))...)
	}
	return attrs
}

// chatted adds the attributes of a request and its answer. first is the time until the
// first piece of the answer, or negative.
func (r *reporter) chatted(attrs []attribute.KeyValue, w *runner.Work, first time.Duration) []attribute.KeyValue {
	if w.Session != "" {
		attrs = append(attrs, attribute.String(conversationID, w.Session))
	}
	attrs = requested(attrs, w.Request)
	if first >= 0 {
		attrs = append(attrs, attribute.Float64(responseFirst, first.Seconds()))
	}
	attrs = r.answered(attrs, w.Response)
	if r.Content {
		attrs = append(attrs, r.content(r.conversation(w))...)
	}
	return attrs
}

// requested adds the attributes of a request.
func requested(attrs []attribute.KeyValue, q *llm.Request) []attribute.KeyValue {
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

// answered adds the attributes of the answer to a request.
func (r *reporter) answered(attrs []attribute.KeyValue, p *llm.Response) []attribute.KeyValue {
	if p == nil {
		return append(attrs, finishAttribute("error"))
	}
	attrs = append(attrs, finishAttribute(finish(p)), attribute.Int64(usageInput, p.Usage.InputTokens), attribute.Int64(usageOutput, p.Usage.OutputTokens))
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

// finishAttribute returns the finish reasons of an answer, without memory for the usual ones.
func finishAttribute(reason string) attribute.KeyValue {
	if kv, ok := usualFinish()[reason]; ok {
		return kv
	}
	return attribute.StringSlice(finishReasons, []string{reason})
}

var usualFinish = sync.OnceValue(func() map[string]attribute.KeyValue {
	all := map[string]attribute.KeyValue{}
	for _, reason := range []string{"stop", "tool_call", "length", "error"} {
		all[reason] = attribute.StringSlice(finishReasons, []string{reason})
	}
	return all
})

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
