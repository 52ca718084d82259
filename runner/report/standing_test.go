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

// TestStanding: a page says which answers stand, whose answer stood for a call, and who revoked
// it.
func TestStanding(t *testing.T) {
	t.Parallel()
	var events []event.Event
	add := func(bodies ...event.Body) {
		for _, b := range bodies {
			events = append(events, event.Event{Seq: int64(len(events)) + 1, Time: time.Date(2026, 11, 21, 9, 0, len(events), 0, time.UTC), Body: b})
		}
	}
	call := llm.ToolCall{ID: "c", Name: "pay", Arguments: "{}"}
	add(event.RunStarted{Run: 1, Agent: "clerk", ID: "x"}, event.UserMessaged{Message: llm.User("Pay.")}, event.TurnPrepared{Turn: 1, Agent: "clerk"},
		event.ModelAnswered{Turn: 1, Message: llm.Assistant("", call, call, call), Finish: llm.FinishOf("tool_calls", "")})
	asked := func(ref event.CallRef, b event.ApprovalDecided) {
		b.Call, b.Hash = ref, event.HashArguments("{}")
		add(event.ApprovalAsked{Call: ref, Name: "pay", Arguments: "{}", Hash: b.Hash}, b)
	}
	asked("r1.t1.c0", event.ApprovalDecided{Approved: true, Person: "ada", Always: event.EveryCall, Words: "a contract"})
	asked("r1.t1.c1", event.ApprovalDecided{Approved: true, Person: "ada", Standing: 6})
	asked("r1.t1.c2", event.ApprovalDecided{Reason: "no", Always: event.SameArguments})
	add(event.StandingRevoked{Standing: 6, Person: "bob", Words: "it has ended"})
	var markdown, page strings.Builder
	require.NoError(t, report.Markdown(&markdown, events))
	require.NoError(t, report.HTML(&page, events))
	for _, text := range []string{markdown.String(), page.String()} {
		for _, want := range []string{
			"approved always, every call of the tool, by ada after 1.0 s", "a contract", "approved by the standing answer #6 of ada",
			"denied always, with these arguments, after 1.0 s: no", "standing answer #6 revoked", "by bob", "it has ended",
		} {
			require.Contains(t, text, want)
		}
	}
}
