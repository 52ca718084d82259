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

// TestLate: a page says what the session waits for, and how long the result took.
func TestLate(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	var events []event.Event
	add := func(after time.Duration, b event.Body) {
		events = append(events, event.Event{Seq: int64(len(events)) + 1, Time: began.Add(after), Body: b})
	}
	add(0, event.RunStarted{Run: 1, Agent: "clerk", ID: "x"})
	add(0, event.UserMessaged{Message: llm.User("Pay.")})
	add(0, event.TurnPrepared{Turn: 1, Agent: "clerk"})
	add(0, event.ModelAnswered{Turn: 1, Message: llm.Assistant("", llm.ToolCall{ID: "c", Name: "pay", Arguments: "{}"}), Finish: llm.FinishOf("tool_calls", "")})
	add(0, event.ToolCallStarted{Call: "r1.t1.c0", Name: "pay", Arguments: "{}"})
	add(time.Second, event.ToolCallDeferred{Call: "r1.t1.c0", Name: "pay", Handle: "transfer-17", Began: began})
	add(time.Second, event.RunPaused{Run: 1, Calls: []event.CallRef{"r1.t1.c0"}, Late: []event.CallRef{"r1.t1.c0"}})
	var b strings.Builder
	require.NoError(t, report.Markdown(&b, events))
	require.Contains(t, b.String(), "paused: waits for a result")
	require.Contains(t, b.String(), "waits for its result")
	require.Contains(t, b.String(), "transfer-17")

	add(time.Hour+time.Second, event.ToolCallFinished{Call: "r1.t1.c0", Result: llm.ToolResult{CallID: "c", Name: "pay", Parts: llm.Parts{llm.Text{Text: "booked"}}}, Given: &event.Given{Checksum: 1}})
	b.Reset()
	require.NoError(t, report.Markdown(&b, events))
	require.Contains(t, b.String(), "the result came after 1 h")
	require.NotContains(t, b.String(), "paused: waits")
}
