package runner_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// TestKnown: an answer that is given again after a crash is known, and an answer that differs in
// anything is that of a loser, also if the events have only the redacted answer.
func TestKnown(t *testing.T) {
	t.Parallel()
	edit := func(text string) func(runner.Pending) runner.Input {
		return func(p runner.Pending) runner.Input { return p.Edit(json.RawMessage(text)) }
	}
	for name, tt := range map[string]struct {
		inDoubt        bool
		answer, others func(runner.Pending) runner.Input
	}{
		"approve": {false, runner.Pending.Approve, edit(`{"order":"W1","cents":20000}`)},
		"approve always": {false, func(p runner.Pending) runner.Input { return p.ApproveAlways(event.EveryCall) },
			func(p runner.Pending) runner.Input { return p.ApproveAlways(event.SameArguments) }},
		"approve once": {false, runner.Pending.Approve, func(p runner.Pending) runner.Input { return p.ApproveAlways(event.SameArguments) }},
		"deny": {false, func(p runner.Pending) runner.Input { return p.Deny("no, hunter2") },
			func(p runner.Pending) runner.Input { return p.Deny("no, ***") }},
		"edit": {false, edit(`{ "cents":1, "order":"W1" }`), edit(`{"order":"W1","cents":2}`)},
		"happened": {true, func(p runner.Pending) runner.Input { return p.Happened(llm.Text{Text: "paid with hunter2"}) },
			func(p runner.Pending) runner.Input { return p.Happened(llm.Text{Text: "paid with ***"}) }},
		"happened somehow": {true, func(p runner.Pending) runner.Input { return p.Happened() }, runner.Pending.NotHappened},
		"unknown":          {true, runner.Pending.Unknown, runner.Pending.RunAgain},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x, j := new(till), journal.Journal(new(journal.Memory))
			a := newAgent(x.refund(over100))
			var p runner.Pending
			if tt.inDoubt {
				j, _ = crashedRefund(t)
				_, err := runner.Runner{Model: llmtest.NewScript(), Journal: j}.Session("s").Run(t.Context(), a)
				require.ErrorIs(t, err, runner.ErrPaused)
				pending, err := runner.Runner{Journal: j}.Session("s").Pending(t.Context())
				require.NoError(t, err)
				p = pending[0]
			} else {
				_, p = asks(t, j, x)
			}
			const words = "hunter2 says so"
			_, err := runner.Runner{Model: llmtest.Script(t, llmtest.Text("Done.")), Journal: j, Redact: hideHunter}.Session("s").Run(t.Context(), a, runner.By("ada", tt.answer(p), words))
			require.NoError(t, err)
			for _, again := range []struct {
				in    runner.Input
				known bool
			}{
				{runner.By("ada", tt.answer(p), words), true}, {runner.By("bob", tt.answer(p), words), false},
				{runner.By("ada", tt.answer(p), "*** says so"), false}, {runner.By("ada", tt.others(p), words), false},
			} {
				_, err := runner.Runner{Model: llmtest.NewScript(), Journal: j, Redact: hideHunter}.Session("s").Run(t.Context(), a, stored(t, again.in))
				unfit, ok := errors.AsType[*runner.DecisionError](err)
				require.True(t, ok, "%v", err)
				require.NotNil(t, unfit.Decided)
				require.Equal(t, again.known, unfit.Known, "%v", err)
			}
		})
	}
}

// TestDecideOfTheWrongKind: a policy that approves everything meets a call in doubt. The call waits for a
// person, and the log says why.
func TestDecideOfTheWrongKind(t *testing.T) {
	t.Parallel()
	j, _ := crashedRefund(t)
	a := newAgent(new(till).refund(over100))
	var log strings.Builder
	policy := runner.Runner{
		Model: llmtest.NewScript(), Journal: j, Logger: slog.New(slog.NewTextHandler(&log, nil)),
		Decide: func(_ context.Context, p runner.Pending) (runner.Input, error) { return p.Approve(), nil },
	}
	result, err := policy.Session("s").Run(t.Context(), a)
	require.ErrorIs(t, err, runner.ErrPaused)
	require.True(t, result.Pending[0].InDoubt)
	require.Contains(t, log.String(), `level=WARN msg="Decide gave an answer of the wrong kind, so a person must answer"`)
	policy.Model = llmtest.Script(t, llmtest.Text("Done."))
	_, err = policy.Session("s").Run(t.Context(), a, result.Pending[0].Happened())
	require.NoError(t, err)

	j2, x2 := new(journal.Memory), new(till)
	a2, _ := asks(t, j2, x2)
	policy.Journal, policy.Model = j2, llmtest.NewScript()
	policy.Decide = func(_ context.Context, p runner.Pending) (runner.Input, error) { return p.RunAgain(), nil }
	_, err = policy.Session("s").Run(t.Context(), a2)
	require.ErrorIs(t, err, runner.ErrPaused)
	require.Empty(t, x2.all())
}
