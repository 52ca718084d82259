package event_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

func TestLine(t *testing.T) {
	t.Parallel()
	result := llm.ToolResult{Name: "f", Parts: llm.Parts{
		llm.Text{Text: "a\nb"}, llm.Image{Data: []byte("12")}, llm.Image{URL: "data:1"}, llm.Audio{Data: []byte("123")}, llm.File{Name: "f.pdf", Data: []byte("1")},
	}}
	for _, c := range []struct {
		want string
		body event.Body
	}{
		{"", nil},
		{"", event.RunStarted{Run: 1}},
		{"> Pay.", event.UserMessaged{Message: llm.User("Pay.")}},
		{"", event.TurnPrepared{Turn: 1}},
		{"", event.TextDelta{Text: "Not"}},
		{"", event.ReasoningDelta{Text: "Not"}},
		{"", event.CallDelta{Call: "r1.t1.c0", Name: "pay"}},
		{"", event.ModelAnswered{Message: llm.Message{Role: llm.RoleAssistant, Parts: llm.Parts{llm.ToolCall{Name: "pay"}}}}},
		{"Paid. Done.", event.ModelAnswered{Message: llm.Assistant("Paid.\n\nDone.")}},
		{"so far: The invoice", event.AnswerStreamed{Text: "The\ninvoice", Reasoning: "Hm"}},
		{"so far: Hm", event.AnswerStreamed{Reasoning: "Hm"}},
		{"history compacted: 9 messages became 4, of which 1 are new", event.Compacted{Before: 9, History: []event.Stretch{{Count: 1}, {Message: new(llm.User("a"))}, {From: 7, Count: 2}}}},
		{"", event.Checked{Check: "length", Stage: "input", Verdict: "pass"}},
		{"check names replaced the text (result)", event.Checked{Check: "names", Stage: "result", Verdict: "replace", Text: "x"}},
		{"check amount (call): stop: too much", event.Checked{Check: "amount", Stage: "call", Verdict: "stop", Reason: "too much"}},
		{"triage hands over to billing", event.HandedOff{From: "triage", To: "billing"}},
		{"the hand-off of triage to billing failed", event.HandedOff{From: "triage", To: "billing", Failure: "no"}},
		{"asked again: connection reset", event.Restarted{Error: "connection reset"}},
		{"asked again: the answer is empty", event.OutputRejected{Reason: "the answer is empty"}},
		{"notice: tools changed", event.Notice{Text: "tools changed"}},
		{`[r1.t1.c0] pay {"cents":5}`, event.ToolCallStarted{Call: "r1.t1.c0", Name: "pay", Arguments: `{"cents":5}`}},
		{"[r1.t1.c0] 1", event.ToolProgress{Call: "r1.t1.c0", Done: 1}},
		{"[r1.t1.c0] 1.5 of 3: reading", event.ToolProgress{Call: "r1.t1.c0", Done: 1.5, Total: 3, Message: "reading"}},
		{"[r1.t1.c0] 0 of 3: reading", event.ToolProgress{Call: "r1.t1.c0", Total: 3, Message: "reading"}},
		{"[r1.t1.c0] reading", event.ToolProgress{Call: "r1.t1.c0", Message: "reading"}},
		{"[r1.t1.c0] 0", event.ToolProgress{Call: "r1.t1.c0"}},
		{"[r1.t1.c0] = a b [image, 2 bytes] [image, 6 bytes] [audio, 3 bytes] [file f.pdf, 1 bytes]", event.ToolCallFinished{Call: "r1.t1.c0", Result: result}},
		{"[r1.t1.c0] handed in by webhook-7: at last = booked", event.ToolCallFinished{Call: "r1.t1.c0", Result: llm.ToolResult{Name: "f", Parts: llm.Parts{llm.Text{Text: "booked"}}}, Given: &event.Given{Person: "webhook-7", Words: "at last"}}},
		{"[r1.t1.c0] handed in by ada f failed: a b", event.ToolCallFinished{Call: "r1.t1.c0", Result: result, Failure: "failed", Given: &event.Given{Person: "ada"}}},
		{"[r1.t1.c0] f failed: a b", event.ToolCallFinished{Call: "r1.t1.c0", Result: result, Failure: "failed"}},
		{"[r1.t1.c1] pay needs approval: {}", event.ApprovalAsked{Call: "r1.t1.c1", Name: "pay", Arguments: "{}"}},
		{"[r1.t1.c1] approved", event.ApprovalDecided{Call: "r1.t1.c1", Approved: true}},
		{"[r1.t1.c1] approved with other arguments", event.ApprovalDecided{Call: "r1.t1.c1", Approved: true, Arguments: "{}"}},
		{"[r1.t1.c1] approved by ada: called", event.ApprovalDecided{Call: "r1.t1.c1", Approved: true, Person: "ada", Words: "call\u202eed"}},
		{"[r1.t1.c0] was interrupted; decided by ada: happened: the bank says so", event.InDoubtDecided{Call: "r1.t1.c0", By: "caller", Person: "ada", Words: "the bank says so", Decision: event.Happened}},
		{"[r1.t1.c1] approved always by ada: called", event.ApprovalDecided{Call: "r1.t1.c1", Approved: true, Person: "ada", Words: "called", Always: event.EveryCall}},
		{"[r1.t1.c1] denied always, for these arguments", event.ApprovalDecided{Call: "r1.t1.c1", Always: event.SameArguments}},
		{"[r1.t1.c1] approved by a standing answer of ada", event.ApprovalDecided{Call: "r1.t1.c1", Approved: true, Person: "ada", Standing: 7}},
		{"[r1.t1.c1] denied by a standing answer", event.ApprovalDecided{Call: "r1.t1.c1", Standing: 7}},
		{"standing answer #7 revoked by ada: enough", event.StandingRevoked{Standing: 7, Person: "ada", Words: "enough"}},
		{"[r1.t1.c1] denied", event.ApprovalDecided{Call: "r1.t1.c1", Reason: "too late"}},
		{"[r1.t1.c0] did not begin, and may run later", event.InDoubtDecided{Call: "r1.t1.c0", By: "runner", Decision: event.RunAgain}},
		{"[r1.t1.c0] was interrupted; decided by tool: happened", event.InDoubtDecided{Call: "r1.t1.c0", By: "tool", Decision: event.Happened}},
		{"paused: calls that wait for a decision: [r1.t1.c0 r1.t1.c1]", event.RunPaused{Run: 1, Calls: []event.CallRef{"r1.t1.c0", "r1.t1.c1"}}},
		{"", event.LimitReached{Limit: "turns", Max: 3}}, // the RunFailed after it names the limit
		{"turns: 2, tokens: 7 in, 5 out", event.RunFinished{Turns: 2, Usage: llm.Usage{InputTokens: 7, OutputTokens: 5}}},
		{"failed: limit of 3 turns reached", event.RunFailed{Error: "limit of 3 turns reached"}},
	} {
		require.Equal(t, c.want, event.Event{Body: c.body}.Line(), "%T", c.body)
	}
	require.Equal(t, "[r1.t2.c0] > Find a flight.", event.Event{Path: "r1.t2.c0", Body: event.UserMessaged{Message: llm.User("Find a flight.")}}.Line())
	require.Equal(t, "[r1.t2.c0/r1.t1.c1] approved", event.Event{Path: "r1.t2.c0", Body: event.ApprovalDecided{Call: "r1.t2.c0/r1.t1.c1", Approved: true}}.Line())
	require.Empty(t, event.Event{Path: "r1.t2.c0", Body: event.TextDelta{Text: "Not"}}.Line())
}

// TestLineIsSafe: a model can neither move the cursor nor fill the screen.
func TestLineIsSafe(t *testing.T) {
	t.Parallel()
	line := event.Event{Body: event.Notice{Text: "a\x1b[2J\r\u202eb\x00\xffc"}}.Line()
	require.Equal(t, "notice: a[2Jb\ufffdc", line)
	long := event.Event{Body: event.Notice{Text: strings.Repeat("ü", 1000)}}.Line()
	require.Equal(t, "notice: "+strings.Repeat("ü", 492)+"…", long)
}
