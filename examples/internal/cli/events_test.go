package cli

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

func TestPrintEvent(t *testing.T) {
	t.Parallel()
	events := []event.Event{
		{Body: event.RunStarted{}},
		{Body: event.UserMessaged{Message: llm.User("Pay.")}},
		{Body: event.TextDelta{Text: "Not"}},
		{Body: event.Restarted{Error: "connection reset"}},
		{Body: event.ToolCallStarted{Call: "r1.t1.c0", Name: "pay", Arguments: "{}"}},
		{Body: event.ApprovalAsked{Call: "r1.t1.c1", Name: "pay", Arguments: "{}"}},
		{Body: event.ApprovalDecided{Call: "r1.t1.c1", Approved: true}},
		{Body: event.ApprovalDecided{Call: "r1.t1.c1", Approved: true, Arguments: "{}"}},
		{Body: event.ApprovalDecided{Call: "r1.t1.c1", Reason: "too late"}},
		{Body: event.InDoubtDecided{Call: "r1.t1.c0", By: "tool", Decision: event.Happened}},
		{Body: event.OutputRejected{Reason: "the answer is empty"}},
		{Body: event.ModelAnswered{Message: llm.Assistant("Paid.")}},
		{Body: event.RunFinished{Turns: 1}},
	}
	var text, lines strings.Builder
	people := &App{Out: &Out{out: stream{w: &text}}}
	programs := &App{Out: &Out{out: stream{w: &lines}}, JSON: true}
	for _, e := range events {
		people.PrintEvent(e)
		programs.PrintEvent(e)
	}
	require.Equal(t, `> Pay.
Not
asked again: connection reset
pay {} [r1.t1.c0]
pay needs approval: {} [r1.t1.c1]
approved [r1.t1.c1]
approved with other arguments [r1.t1.c1]
denied [r1.t1.c1]
was interrupted; decided by tool: happened [r1.t1.c0]
asked again: the answer is empty
Paid.
turns: 1, tokens: 0 in, 0 out
`, text.String())
	require.Equal(t, len(events), strings.Count(lines.String(), "\n"))
}
