package runner_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// A large session: turns with four calls each.
const (
	largeTurns = 1000
	largeSize  = 2 + largeTurns*10
)

// largeSession writes a session of largeSize events whose last run has died, and returns
// the size of its texts.
func largeSession(t testing.TB, j journal.Journal, name string) (texts int) {
	t.Helper()
	log, err := j.Open(context.Background(), name)
	require.NoError(t, err)
	var batch []event.Event
	seq, now := int64(0), time.Date(2026, 11, 21, 9, 30, 0, 5000, time.UTC)
	add := func(b event.Body) {
		seq++
		batch = append(batch, event.Event{Seq: seq, Time: now, Body: b})
	}
	add(event.RunStarted{Version: 1, Run: 1, Agent: "desk", ID: "x"})
	add(event.UserMessaged{Message: llm.User("Refund all.")})
	answer := strings.Repeat("The order was paid back \"in full\". ", 6)
	for turn := 1; turn <= largeTurns; turn++ {
		add(event.TurnPrepared{Turn: turn, Agent: "desk"})
		var calls []llm.Part
		for i := range 4 {
			calls = append(calls, llm.ToolCall{ID: fmt.Sprint("call_", turn, "_", i), Name: "refund", Arguments: fmt.Sprintf(`{"order":"W%d","cents":500}`, turn)})
		}
		add(event.ModelAnswered{
			Turn: turn, Message: llm.Assistant("", calls...), Finish: llm.FinishOf("tool_calls", ""),
			Usage: llm.Usage{InputTokens: 900, OutputTokens: 30}, Model: "m",
		})
		for i, p := range calls {
			c := p.(llm.ToolCall)
			add(event.ToolCallStarted{Call: event.NewCallRef(1, turn, i), ID: c.ID, Name: c.Name, Arguments: c.Arguments})
		}
		for i, p := range calls {
			c := p.(llm.ToolCall)
			add(event.ToolCallFinished{
				Call: event.NewCallRef(1, turn, i), Began: now,
				Result: llm.ToolResult{CallID: c.ID, Name: c.Name, Parts: llm.Parts{llm.Text{Text: answer}}},
			})
			texts += len(c.Arguments) + len(answer)
		}
		require.NoError(t, log.Append(context.Background(), false, batch...))
		batch = batch[:0]
	}
	require.EqualValues(t, largeSize, seq)
	require.NoError(t, log.Close())
	return texts
}

// BenchmarkOpening opens a session of 10,000 events in a new process' place.
func BenchmarkOpening(b *testing.B) {
	for name, j := range map[string]journal.Journal{"memory": new(journal.Memory), "files": journal.Dir{Path: b.TempDir()}} {
		largeSession(b, j, "large")
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m, err := runner.Runner{Journal: j}.Session("large").Messages(b.Context())
				if err != nil || len(m) != 1+5*largeTurns {
					b.Fatalf("%d messages, %v", len(m), err)
				}
			}
		})
	}
}

// TestOpeningAllocates: opening a large session allocates a few values for each event,
// and memory in proportion to the texts of the session.
func TestOpeningAllocates(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates, too")
	}
	j := journal.Dir{Path: t.TempDir()}
	texts := largeSession(t, j, "large")
	open := func() {
		_, err := runner.Runner{Journal: j}.Session("large").Messages(t.Context())
		require.NoError(t, err)
	}
	require.LessOrEqual(t, testing.AllocsPerRun(3, open)/largeSize, 9.5)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	open()
	runtime.ReadMemStats(&after)
	t.Logf("opening: %d bytes allocated for %d bytes of texts", after.TotalAlloc-before.TotalAlloc, texts)
}
