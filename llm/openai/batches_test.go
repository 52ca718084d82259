package openai_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/batched"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// TestBatches: the batches of a stream have the texts of its deltas, in their order, and the
// answer and the error are the same. A sink of Generate gets no batch.
func TestBatches(t *testing.T) {
	t.Parallel()
	batches := 0
	for seed := range uint64(300) {
		w := eventsOf(randomChunks(rand.New(rand.NewPCG(seed, 7)))...)
		req := helloStream()
		if seed%3 == 0 { // some answers are the arguments of a call
			req.Output = &llm.OutputFormat{Name: "answer", Schema: []byte(`{"type":"object"}`)}
		}
		c := w.config()
		if seed%3 == 0 {
			c.Profile = &openai.Profile{Output: openai.OutputTool}
		}
		m := c.Model("m")
		var plain, expanded []llm.Delta
		want, wantErr := m.Generate(t.Context(), req, func(d llm.Delta) {
			require.Nil(t, batched.Texts(d))
			plain = append(plain, d)
		})
		got, err := batched.Generate(t.Context(), m, req, func(d llm.Delta) {
			texts := batched.Texts(d)
			if texts == nil {
				expanded = append(expanded, d)
				return
			}
			batches++
			for _, text := range texts {
				expanded = append(expanded, llm.TextDelta{Text: text})
			}
		})
		require.Equal(t, want, got, "seed %d", seed)
		require.Equal(t, fmt.Sprint(wantErr), fmt.Sprint(err), "seed %d", seed)
		require.Equal(t, plain, expanded, "seed %d", seed)
	}
	require.Greater(t, batches, 100)
}

// randomChunks returns rows of chunks of one kind, and an end that may be missing.
func randomChunks(random *rand.Rand) (chunks []string) {
	for range 1 + random.IntN(5) {
		kind := random.IntN(5)
		for i := range random.IntN(50) {
			text := fmt.Sprintf(`%d\n`, i)
			chunks = append(chunks, fmt.Sprintf([]string{
				`{"choices":[{"index":0,"delta":{"content":"%s"}}]}`,
				`{"choices":[{"index":0,"delta":{"content":"%s"}}]}`,
				`{"choices":[{"index":0,"delta":{"reasoning_content":"%s"}}]}`,
				`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"%s"}}]}}]}`,
				`{"choices":[{"index":0,"delta":{"content":"%s\ud83d"}}]}`,
			}[kind], text))
		}
	}
	if random.IntN(4) > 0 {
		chunks = append(chunks, finishStop)
	}
	if random.IntN(4) > 0 {
		chunks = append(chunks, "[DONE]")
	}
	return chunks
}

var errBatch = errors.New("enough")

// TestBatchesEnd: a sink that ends the context gets no further batch.
func TestBatchesEnd(t *testing.T) {
	t.Parallel()
	chunk := `{"choices":[{"index":0,"delta":{"content":"word "}}]}`
	w := eventsOf(strings.Split(strings.Repeat(chunk+"\n", 200)+finishStop, "\n")...)
	ctx, cancel := context.WithCancelCause(t.Context())
	calls := 0
	_, err := batched.Generate(ctx, w.config().Model("m"), helloStream(), func(d llm.Delta) {
		if calls++; len(batched.Texts(d)) > 1 {
			cancel(errBatch)
			calls = 0
		}
	})
	require.ErrorIs(t, err, errBatch)
	require.Zero(t, calls)
}
