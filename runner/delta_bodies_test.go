package runner_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
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
	for e, err := range runner.Stream(t.Context(), &agent.Agent{Model: model}, llm.User("Oslo?")) {
		require.NoError(t, err)
		if e.Seq == 0 {
			require.False(t, e.Time.IsZero())
			bodies = append(bodies, e.Body)
			seen <- struct{}{}
		}
	}
	require.Len(t, bodies, len(deltas))
	return bodies
}
