package llmtest_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

// counting returns m with a count of the requests.
func counting(m llm.Model, requests *atomic.Int64) llm.Model {
	return llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		requests.Add(1)
		return m.Generate(ctx, req, sink)
	})
}

// keepsContract is a test of the wrapper counting: each rule of llm.Model is a subtest.
func keepsContract(t *testing.T) {
	llmtest.TestModel(t, func(t *testing.T, steps ...llmtest.Step) llm.Model {
		return counting(llmtest.Script(t, steps...), new(atomic.Int64))
	})
}

// A test checks that a Model of your own keeps the contract of llm.Model.
func ExampleTestModel() {
	_ = keepsContract // func TestCounting(t *testing.T) in your test file
}
