package runnertest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
)

// TestPartialAnswer: a transcript shows the beginning of an answer that did not come, in one
// piece, and nothing of one that came.
func TestPartialAnswer(t *testing.T) {
	t.Parallel()
	transcript := func(bodies ...event.Body) string {
		r := new(runner.Result)
		for i, b := range append([]event.Body{event.RunStarted{Run: 1, Agent: "clerk", ID: "x"}, event.TurnPrepared{Turn: 1, Agent: "clerk"}}, bodies...) {
			r.Events = append(r.Events, event.Event{Seq: int64(i) + 1, Body: b})
		}
		return runnertest.Transcript(r)
	}
	old, one, two := event.AnswerStreamed{Turn: 1, Text: "old"}, event.AnswerStreamed{Turn: 1, Reasoning: "Hm.", Text: "I ", Again: true}, event.AnswerStreamed{Turn: 1, Text: "pay"}
	const partial = "run 1: clerk\n\npartial answer of turn 1\n  reasoning\n    Hm.\n  text\n    I pay\n"
	require.Equal(t, partial, transcript(old, one, two))
	require.Equal(t, partial+"\nfailed after 1 turn, 0 tokens in, 0 out\n    stopped\n", transcript(old, one, two, event.RunFailed{Run: 1, Turns: 1, Error: "stopped"}))
	require.Equal(t, "run 1: clerk\n\npartial answer of turn 1\n    pay\n", transcript(two))
	require.NotContains(t, transcript(one, two, event.ModelAnswered{Turn: 1, Message: llm.Assistant("I pay."), Finish: llm.FinishOf("stop", "")}), "partial")
}
