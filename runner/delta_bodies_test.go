package runner_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/internal/batched"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// TestDeltasTogether: events that stand in one array are the events of deltas that come one
// at a time, whatever kinds of deltas come in which order. With slow, the model waits for
// the consumer after each delta, so that no event stands beside another.
func TestDeltasTogether(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		deltas := randomDeltas(seed)
		require.Equal(t, deltaEvents(t, deltas, true), deltaEvents(t, deltas, false), "seed %d", seed)
	}
}

// A batcher is a model that can give its sink batches.
type batcher struct {
	deltas []llm.Delta
	random *rand.Rand
}

// Generate implements [llm.Model].
func (m batcher) Generate(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) {
	return nil, errors.New("the runner wants no batches")
}

// GenerateBatches gives the sink rows of text deltas as batches, of up to 100 texts.
func (m batcher) GenerateBatches(_ context.Context, _ *llm.Request, sink func(llm.Delta), _ batched.Request) (*llm.Response, error) {
	var batch batched.Batch
	for rest := m.deltas; len(rest) > 0; {
		var texts []string
		for most := 1 + m.random.IntN(100); len(texts) < most && len(texts) < len(rest); {
			d, ok := rest[len(texts)].(llm.TextDelta)
			if !ok {
				break
			}
			texts = append(texts, d.Text)
		}
		if len(texts) == 0 {
			sink(rest[0])
			rest = rest[1:]
			continue
		}
		sink(batch.Of(texts))
		clear(texts) // they are valid until the sink returns
		rest = rest[len(texts):]
	}
	return &llm.Response{Message: llm.Assistant("end"), Finish: llm.FinishOf("stop", "")}, nil
}

// TestBatchesOfDeltas: the events of batches are the events of the deltas.
func TestBatchesOfDeltas(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		deltas := randomDeltas(seed)
		model := batcher{deltas, rand.New(rand.NewPCG(seed, 2))}
		require.Equal(t, deltaEvents(t, deltas, true), streamedBodies(t, model, func() {}), "seed %d", seed)
	}
}

// TestNilDelta: a Model that gives nil deltas is told of in notices, and no text shows.
func TestNilDelta(t *testing.T) {
	t.Parallel()
	want := event.Notice{Text: "unknown delta <nil>"}
	for _, slow := range []bool{true, false} {
		require.Equal(t, []event.Body{want, want, want, want, want}, deltaEvents(t, make([]llm.Delta, 5), slow))
	}
}

// randomDeltas returns rows of deltas of one kind, of 1 to 40 deltas.
func randomDeltas(seed uint64) (deltas []llm.Delta) {
	random := rand.New(rand.NewPCG(seed, 1))
	for range 20 {
		kind := random.IntN(6)
		for range 1 + random.IntN(40) {
			text := strconv.Itoa(len(deltas))
			deltas = append(deltas, []llm.Delta{
				llm.TextDelta{Text: text}, llm.TextDelta{Text: text}, llm.ReasoningDelta{Text: text}, llm.CallDelta{Index: 1, Arguments: text},
				llm.Notice{Text: text}, llm.Restarted{Err: errors.New(text)},
			}[kind])
		}
	}
	return deltas
}

// deltaEvents returns the events of deltas in a stream.
func deltaEvents(t *testing.T, deltas []llm.Delta, slow bool) (bodies []event.Body) {
	t.Helper()
	seen := make(chan struct{}, len(deltas))
	model := llm.ModelFunc(func(_ context.Context, _ *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		for _, d := range deltas {
			if sink(d); slow {
				<-seen
			}
		}
		return &llm.Response{Message: llm.Assistant("end"), Finish: llm.FinishOf("stop", "")}, nil
	})
	bodies = streamedBodies(t, model, func() { seen <- struct{}{} })
	require.Len(t, bodies, len(deltas))
	return bodies
}

// streamedBodies returns the bodies of the events of deltas, and calls saw after each.
func streamedBodies(t *testing.T, model llm.Model, saw func()) (bodies []event.Body) {
	t.Helper()
	for e, err := range runner.Stream(t.Context(), &agent.Agent{Model: model}, llm.User("Oslo?")) {
		require.NoError(t, err)
		if e.Seq == 0 {
			require.False(t, e.Time.IsZero())
			bodies = append(bodies, e.Body)
			saw()
		}
	}
	return bodies
}
