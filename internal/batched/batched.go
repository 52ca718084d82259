// Package batched carries the texts of many deltas at a time from the Models of this repository
// to the runner.
//
// A Delta is an interface, so each one is an allocation, and a lock of the runner's queue. A
// stream has thousands, and the consumer's events are as many allocations again. For the texts
// of Chat Completions, the client of openai therefore gives a sink that asks for batches a Batch
// in place of text deltas that came together; wrap.Retry passes batches on. All others get and
// give deltas: the Responses API, the other wrappers, a request that is sent again in another
// form, models and wrappers of programs, and runs with Runner.Around.
package batched

import (
	"context"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// A Batch is the texts of some [llm.TextDelta] in a row.
type Batch struct {
	llm.TextDelta // embedded: makes the Batch a Delta, and is empty

	texts []string
}

// Of returns b with the texts. The Delta and the texts are valid until the sink returns.
func (b *Batch) Of(texts []string) llm.Delta {
	b.texts = texts
	return b
}

// Texts returns the texts of a Batch, and nil for any other delta.
func Texts(d llm.Delta) []string {
	if b, ok := d.(*Batch); ok {
		return b.texts
	}
	return nil
}

// A Request is the parameter of the method GenerateBatches. Programs cannot name the type, so
// no Model of a program has the method by accident.
type Request struct{}

type model interface {
	GenerateBatches(ctx context.Context, req *llm.Request, sink func(llm.Delta), _ Request) (*llm.Response, error)
}

// Generate calls m.Generate. If m can, the sink gets a Batch in place of text deltas.
func Generate(ctx context.Context, m llm.Model, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
	if b, ok := m.(model); ok {
		return b.GenerateBatches(ctx, req, sink, Request{})
	}
	return m.Generate(ctx, req, sink)
}
