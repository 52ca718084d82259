package runner_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// inMemory returns an agent whose model is a function: the model makes calls calls in
// each of turns turns, then writes a text in deltas deltas. What the model itself
// allocates is made before.
func inMemory(turns, calls, deltas int) *agent.Agent {
	answers := make([]*llm.Response, turns)
	for t := range answers {
		parts := make(llm.Parts, calls)
		for i := range parts {
			parts[i] = llm.ToolCall{ID: fmt.Sprintf("call_%d_%d", t, i), Name: "get_weather", Arguments: fmt.Sprintf(`{"city":"Oslo-%03d%d"}`, t, i)}
		}
		answers[t] = &llm.Response{Message: llm.Message{Role: llm.RoleAssistant, Parts: parts}, Finish: llm.FinishOf("tool_calls", "")}
	}
	last := &llm.Response{Message: llm.Assistant("Warm."), Finish: llm.FinishOf("stop", "")}
	var delta llm.Delta = llm.TextDelta{Text: "word "}
	model := llm.ModelFunc(func(_ context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		turn := (len(req.Messages) - 1) / (calls + 1)
		if turn < turns {
			r := *answers[turn]
			return &r, nil
		}
		for range deltas {
			sink(delta)
		}
		r := *last
		return &r, nil
	})
	return &agent.Agent{Instructions: "Be brief.", Model: model, Tools: []tool.Tool{weather()}}
}

// A run of ten turns with four calls each, with a model in memory.
func BenchmarkRun(b *testing.B) {
	a := inMemory(10, 4, 0)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := runner.Run(b.Context(), a, llm.User("Oslo?")); err != nil {
			b.Fatal(err)
		}
	}
}

// The deltas of one answer: to a consumer, and to nobody.
func BenchmarkDeltas(b *testing.B) {
	a := inMemory(0, 0, 2000)
	b.Run("stream", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, err := range runner.Stream(b.Context(), a, llm.User("Oslo?")) {
				if err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	b.Run("run", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := runner.Run(b.Context(), a, llm.User("Oslo?")); err != nil {
				b.Fatal(err)
			}
		}
	})
}
