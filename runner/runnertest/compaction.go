package runnertest

import (
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// compacted shows what the history has become: the kept messages as positions, from 0.
func (w *writer) compacted(b event.Compacted) {
	heading := fmt.Sprintf("history compacted: %d messages became %d", b.Before, b.After())
	if b.Usage != (llm.Usage{}) {
		heading += ", " + cost(b.Usage)
	}
	w.section(heading)
	w.stretches(b.History)
}

// stretches shows the history after a compaction.
func (w *writer) stretches(history []event.Stretch) {
	for _, s := range history {
		if s.Message == nil {
			w.heading(fmt.Sprintf("kept %d to %d", s.From, s.From+s.Count-1))
			continue
		}
		w.heading("new message of " + quotedName(string(s.Message.Role)))
		w.parts(s.Message.Parts)
	}
}

// handedOff shows the next agent, and the history for the next agent.
func (w *writer) handedOff(b event.HandedOff) {
	does := "hands over"
	if b.Failure != "" {
		does = "failed to hand over"
	}
	heading := fmt.Sprintf("%s %s to %s", quotedName(b.From), does, quotedName(b.To))
	if b.Call != "" {
		heading += ", by " + w.refWithName(b.Call)
	}
	w.section(heading)
	if b.Failure != "" {
		w.text(b.Failure)
	}
	w.stretches(b.History)
}

// checked shows the verdict of a check. Checks that passed have a line, too, because a test
// should see that they were made.
func (w *writer) checked(b event.Checked) {
	what := b.Stage
	if b.Call != "" {
		what = w.refWithName(b.Call)
		if b.Stage == "result" {
			what = "result of " + what
		}
	}
	heading := fmt.Sprintf("check %s of %s: %s", quotedName(b.Check), what, b.Verdict)
	if b.Usage != (llm.Usage{}) {
		heading += ", " + cost(b.Usage)
	}
	w.section(heading)
	if b.Reason != "" {
		w.text(b.Reason)
	}
	if b.Text != "" {
		w.heading("text")
		w.text(b.Text)
	}
}
