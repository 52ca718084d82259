package report_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/report"
)

// TestPartialAnswer: the recorded beginning of an answer shows until the answer is there.
func TestPartialAnswer(t *testing.T) {
	t.Parallel()
	tell := &teller{now: start}
	tell.tell(0, event.RunStarted{Run: 1, Agent: "clerk", ID: "x"}, event.UserMessaged{Message: llm.User("Pay.")}, event.TurnPrepared{Turn: 1, Agent: "clerk"},
		event.AnswerStreamed{Turn: 1, Reasoning: "Hm."}, event.AnswerStreamed{Turn: 1, Text: "I old"}, event.AnswerStreamed{Turn: 1, Text: "I pay ", Again: true})
	tell.tell(time.Second, event.AnswerStreamed{Turn: 1, Text: "the in"})
	for _, end := range []event.Body{nil, event.RunFailed{Run: 1, Turns: 1, Error: "stopped"}} {
		events := tell.events
		if end != nil {
			events = append(events, event.Event{Seq: 8, Time: start, Body: end})
		}
		var b strings.Builder
		require.NoError(t, report.Markdown(&b, events))
		require.Contains(t, b.String(), "no answer is recorded")
		require.Contains(t, b.String(), "answer so far")
		require.Contains(t, b.String(), "I pay the in")
		require.NotContains(t, b.String(), "old")
	}
	tell.tell(0, event.ModelAnswered{Turn: 1, Message: llm.Assistant("I pay the invoice."), Finish: llm.FinishOf("stop", "")}, event.RunFinished{Run: 1, Turns: 1})
	var b strings.Builder
	require.NoError(t, report.Markdown(&b, tell.events))
	require.NotContains(t, b.String(), "so far")
}
