package runnertest_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/internal/scenario"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A bank keeps a ledger of what it paid by the key that it was told. While it pays
// for the first time, the process that told it dies.
type bank struct {
	ledger map[string]refundArgs
	told   int
	die    func()
}

func (b *bank) refund(ctx context.Context, in refundArgs) (string, error) {
	b.told++
	b.ledger[tool.CallFrom(ctx).Key] = in
	if b.told == 1 {
		b.die()
		<-ctx.Done()
		return "", ctx.Err()
	}
	return "Refunded.", nil
}

// TestRefundOnce: whatever goes wrong with the model, at whatever step, a run
// comes to its end or has an error that says why, and the session can go on where
// it was. In all of that the money is paid out exactly once.
func TestRefundOnce(t *testing.T) {
	t.Parallel()
	steps := []llmtest.Step{refund("W1", 250), llmtest.Text("It is on its way.")}
	for _, seat := range scenario.Seats() {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, stream %v", seat.Name, stream), func(t *testing.T) {
				t.Parallel()
				llmtest.EveryFault(t, steps, func(t *testing.T, script *llmtest.Model) {
					synctest.Test(t, func(t *testing.T) {
						refundOnce(t, runner.Runner{Model: seat.Model(t, script)}, stream)
						require.NoError(t, script.Done())
					})
				})
			})
		}
	}
}

func refundOnce(t *testing.T, r runner.Runner, stream bool) {
	b := &bank{ledger: map[string]refundArgs{}}
	cashier := &agent.Agent{Name: "cashier", Tools: []tool.Tool{
		tool.Must(tool.New("refund", "Refunds an order.", b.refund, tool.Idempotent())),
	}}
	session := r.Session("W1")
	in := []runner.Input{runner.Say(llm.User("Refund W1, please."))}
	var answer string
	for range 3 { // the fault may end a run, and so does the death of the process
		ctx, die := context.WithCancel(t.Context())
		defer die()
		b.die = die
		var err error
		if answer, err = converse(ctx, session, cashier, stream, in...); err == nil {
			break
		}
		e, ok := errors.AsType[*llm.APIError](err)
		require.True(t, ok && !e.Retryable() || errors.Is(err, context.Canceled), "%v", err)
		in = nil // go on
	}
	require.Equal(t, "It is on its way.", answer)
	require.Equal(t, []refundArgs{{"W1", 250, nil}}, slices.Collect(maps.Values(b.ledger)))
	require.Equal(t, 2, b.told, "under the same key")
}

// converse runs a session, streaming or not, and returns the answer.
func converse(ctx context.Context, s *runner.Session, a *agent.Agent, stream bool, in ...runner.Input) (answer string, err error) {
	if !stream {
		result, err := s.Run(ctx, a, in...)
		return result.Text, err
	}
	for e, err := range s.Stream(ctx, a, in...) {
		if err != nil {
			return "", err
		}
		if b, ok := e.Body.(event.ModelAnswered); ok {
			answer = b.Message.Text()
		}
	}
	return answer, nil
}
