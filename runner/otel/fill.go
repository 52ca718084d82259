package otel

import (
	"reflect"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// fill gives a span the attributes that add adds. A span of the SDK copies attributes, so
// the next span gets the same memory. Nobody has promised that other spans copy.
func (r *reporter) fill(span trace.Span, add func([]attribute.KeyValue) []attribute.KeyValue) {
	if !ofSDK(span) {
		span.SetAttributes(add(nil)...)
		return
	}
	b, ok := r.buffers.Get().(*[]attribute.KeyValue)
	if !ok {
		b = new(make([]attribute.KeyValue, 0, 16))
	}
	*b = add((*b)[:0])
	span.SetAttributes(*b...)
	clear(*b) // the memory must not keep content
	r.buffers.Put(b)
}

// ofSDK reports whether a span is one of the SDK, which this package does not import.
func ofSDK(span trace.Span) bool {
	t := reflect.TypeOf(span)
	return t.Kind() == reflect.Pointer && t.Elem().PkgPath() == "go.opentelemetry.io/otel/sdk/trace"
}
