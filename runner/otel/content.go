package otel

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
)

// maxText bounds a text of the content, in bytes.
const maxText = 16 << 10

func cut(s string) string { return clip.Bytes(s, maxText) }

type (
	object = map[string]any
	list   = []any
)

// conversation returns the content of a request and its answer.
func (r *reporter) conversation(w *runner.Work) object {
	all := object{inputMessages: messages(w.Request.Messages)}
	if w.Request.Instructions != "" {
		all[systemInstructions] = list{object{"type": "text", "content": cut(w.Request.Instructions)}}
	}
	if w.Response != nil {
		m := message(w.Response.Message)
		m["finish_reason"] = finish(w.Response)
		all[outputMessages] = list{m}
	}
	return all
}

// called returns the content of a call. The conventions take objects only.
func (r *reporter) called(w *runner.Work) object {
	all := object{}
	if args, ok := parsed(string(w.Arguments)).(object); ok {
		all[toolArguments] = args
	}
	if w.Result != nil {
		result, ok := parsed(w.Result.Result.Text()).(object)
		if !ok {
			result = object{"text": cut(w.Result.Result.Text())}
		}
		all[toolResult] = result
	}
	return all
}

func messages(all []llm.Message) list {
	out := make(list, len(all))
	for i, m := range all {
		out[i] = message(m)
	}
	return out
}

func message(m llm.Message) object {
	parts := make(list, 0, len(m.Parts))
	for _, p := range m.Parts {
		parts = append(parts, part(p))
	}
	return object{"role": string(m.Role), "parts": parts}
}

// part returns a part in the form of the conventions.
func part(p llm.Part) object {
	switch p := p.(type) {
	case llm.Text:
		return object{"type": "text", "content": cut(p.Text)}
	case llm.Refusal:
		return object{"type": "text", "content": cut(p.Text)}
	case llm.Reasoning:
		return object{"type": "reasoning", "content": cut(p.Text)}
	case llm.ToolCall:
		return object{"type": "tool_call", "id": p.ID, "name": p.Name, "arguments": parsed(p.Arguments)}
	case llm.ToolResult:
		return object{"type": "tool_call_response", "id": p.CallID, "response": cut(p.Text())}
	case llm.Image:
		return placeholder("image", max(len(p.Data), len(p.URL)))
	case llm.Audio:
		return placeholder("sound", len(p.Data))
	case llm.File:
		return placeholder("file", len(p.Data))
	}
	return placeholder(fmt.Sprintf("%T", p), 0)
}

// placeholder stands for bytes, which no backend can show.
func placeholder(what string, n int) object {
	return object{"type": "text", "content": fmt.Sprintf("[%s, %d bytes]", what, n)}
}

// parsed returns the value of a JSON text, or the text.
func parsed(text string) any {
	if len(text) > maxText {
		return cut(text)
	}
	dec := json.NewDecoder(bytes.NewReader([]byte(text)))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil || dec.More() {
		return text
	}
	return v
}

// content returns content as attributes.
func (r *reporter) content(all object) []attribute.KeyValue {
	attrs := make([]attribute.KeyValue, 0, len(all))
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if r.ContentAsText {
			attrs = append(attrs, attribute.String(key, text(all[key])))
			continue
		}
		attrs = append(attrs, attribute.KeyValue{Key: attribute.Key(key), Value: structured(all[key])})
	}
	return attrs
}

// text returns content as JSON.
func text(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return "" // cannot happen: content has texts, and values that were decoded
	}
	return string(data)
}

// structured returns content as a value of an attribute.
func structured(v any) attribute.Value {
	switch v := v.(type) {
	case string:
		return attribute.StringValue(v)
	case bool:
		return attribute.BoolValue(v)
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return attribute.Int64Value(n)
		}
		if f, err := v.Float64(); err == nil {
			return attribute.Float64Value(f)
		}
		return attribute.StringValue(v.String())
	case list:
		out := make([]attribute.Value, len(v))
		for i := range v {
			out[i] = structured(v[i])
		}
		return attribute.SliceValue(out...)
	case object:
		out := make([]attribute.KeyValue, 0, len(v))
		for _, key := range slices.Sorted(maps.Keys(v)) {
			out = append(out, attribute.KeyValue{Key: attribute.Key(key), Value: structured(v[key])})
		}
		return attribute.MapValue(out...)
	}
	return attribute.Value{}
}

// details reports the content of a request apart from traces.
func (r *reporter) details(ctx context.Context, w *runner.Work, provider, model string) {
	const name = "gen_ai.client.inference.operation.details"
	if !r.Content || !r.logs(ctx, name, log.SeverityDebug) {
		return
	}
	attrs := []attribute.KeyValue{attribute.String(opName, opChat), attribute.String(providerName, provider), attribute.String(requestModel, model)}
	attrs = append(attrs, r.content(r.conversation(w))...)
	r.emit(ctx, name, log.SeverityDebug, attrs)
}

// exception reports a failure as a log event.
func (r *reporter) exception(ctx context.Context, name, kind string, err error, attrs ...attribute.KeyValue) {
	if !r.logs(ctx, name, log.SeverityWarn) {
		return
	}
	attrs = append(attrs, attribute.String(errorType, kind), attribute.String("exception.type", kind))
	if r.Content && err != nil {
		attrs = append(attrs, attribute.String("exception.message", cut(err.Error())))
	}
	r.emit(ctx, name, log.SeverityWarn, attrs)
}

// logs reports whether somebody takes a log event.
func (r *reporter) logs(ctx context.Context, name string, severity log.Severity) bool {
	return r.logger.Enabled(ctx, log.EnabledParameters{EventName: name, Severity: severity})
}

func (r *reporter) emit(ctx context.Context, name string, severity log.Severity, attrs []attribute.KeyValue) {
	var rec log.Record
	rec.SetEventName(name)
	rec.SetTimestamp(time.Now())
	rec.SetSeverity(severity)
	rec.AddAttributes(attrs...)
	r.logger.Emit(ctx, rec)
}
