package runnertest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestHomemade is what the author of the loop tests it with. It finds nothing,
// and TestPlanted makes it find a mistake each.
func TestHomemade(t *testing.T) {
	t.Parallel()
	for _, part := range []struct {
		name string
		test func(*testing.T)
	}{
		{"flow", homemadeFlow}, {"no JSON", homemadeNoJSON}, {"tool error", homemadeToolError},
		{"cut off", homemadeCutOff}, {"cancelled", homemadeCancelled}, {"silent", homemadeSilent},
	} {
		t.Run(part.name, func(t *testing.T) { synctest.Test(t, part.test) })
	}
	t.Run("every fault", homemadeEveryFault)
}

// A till notes the refunds that were made.
type till []string

// run runs the loop, with the mistake that was planted if there is one.
func (p *till) run(ctx context.Context, m llm.Model) (*runner.Result, error) {
	h := newHomemade(m, toolbox{"look": p.look, "refund": p.refund})
	for _, plant := range plants {
		if plant.name == os.Getenv(planted) {
			plant.spoil(h)
		}
	}
	return h.run(ctx, "Where is my order?")
}

func (p *till) look(ctx context.Context, arguments json.RawMessage) (string, error) {
	var in lookArgs
	if err := json.Unmarshal(arguments, &in); err != nil {
		return "", err
	}
	return in.Order + " was sent.", waiting(ctx, in.Seconds)
}

func (p *till) refund(_ context.Context, arguments json.RawMessage) (string, error) {
	var in refundArgs
	if err := json.Unmarshal(arguments, &in); err != nil {
		return "", err
	}
	if in.Order == "W0" {
		return "", errors.New("no order W0")
	}
	*p = append(*p, fmt.Sprintf("refund %s %d cents", in.Order, in.Cents))
	return "Refunded.", nil
}

var homemadeSteps = []llmtest.Step{
	llmtest.Text("Let me look.").And(look("W1", 5), look("W2", 3)),
	refund("W1", 250).When(llmtest.HasResult("look")),
	sent,
}

func homemadeFlow(t *testing.T) {
	script := llmtest.Script(t, homemadeSteps...)
	var p till
	start := time.Now()
	result, err := p.run(t.Context(), script)
	require.NoError(t, err)
	require.Equal(t, sentText, result.Text)
	require.Equal(t, []string{"look", "look", "refund"}, runnertest.Order(result))
	require.Equal(t, till{"refund W1 250 cents"}, p)
	require.True(t, runnertest.Overlapped(result, "look", "look"), "the calls of an answer run at the same time")
	require.Equal(t, 5*time.Second, time.Since(start))
	require.Equal(t, answers(3), result.Usage)

	requests := script.Requests()
	read := requests[1].Messages
	require.Equal(t, []string{"W1 was sent.", "W2 was sent."}, []string{read[2].Results()[0].Text(), read[3].Results()[0].Text()}, "what the model read")
	for i, next := range requests[1:] {
		before := requests[i].Messages
		require.Equal(t, before, next.Messages[:len(before)], "a conversation only grows")
	}
}

func homemadeNoJSON(t *testing.T) {
	var p till
	result, err := p.run(t.Context(), llmtest.Script(t, llmtest.Calls("look", `{"order":`), sorry))
	require.NoError(t, err)
	require.Equal(t, tool.Failed, runnertest.Calls[lookArgs](t, result, "look")[0].Failure, "what was no call has no effect")
}

func homemadeToolError(t *testing.T) {
	var p till
	result, err := p.run(t.Context(), llmtest.Script(t, refund("W0", 250), sorry))
	require.NoError(t, err)
	require.Equal(t, tool.Failed, runnertest.Calls[refundArgs](t, result, "refund")[0].Failure)
}

func homemadeCutOff(t *testing.T) {
	var p till
	_, err := p.run(t.Context(), llmtest.Script(t, refund("W1", 250).Finish("length")))
	require.Error(t, err)
	require.Empty(t, p)
}

func homemadeCancelled(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var p till
	start := time.Now()
	_, err := p.run(ctx, llmtest.Script(t, look("W1", 60)))
	require.Equal(t, 2*time.Second, time.Since(start))
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func homemadeSilent(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var p till
	_, err := p.run(ctx, llmtest.Script(t, sent.With(llmtest.Stall(1, 0))))
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

// homemadeEveryFault: whatever goes wrong, the run is whole or has an error that
// no patience helps against, and nobody is paid twice.
func homemadeEveryFault(t *testing.T) {
	llmtest.EveryFault(t, homemadeSteps, func(t *testing.T, script *llmtest.Model) {
		synctest.Test(t, func(t *testing.T) {
			var p till
			result, err := p.run(t.Context(), script)
			if e, ok := errors.AsType[*llm.APIError](err); ok && !e.Retryable() {
				require.LessOrEqual(t, len(p), 1)
				return
			}
			require.NoError(t, err)
			require.Equal(t, sentText, result.Text)
			require.Equal(t, till{"refund W1 250 cents"}, p)
			require.NoError(t, script.Done())
		})
	})
}
