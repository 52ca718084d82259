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
	for _, s := range b.History {
		if s.Message == nil {
			w.heading(fmt.Sprintf("kept %d to %d", s.From, s.From+s.Count-1))
			continue
		}
		w.heading("new message of " + quotedName(string(s.Message.Role)))
		w.parts(s.Message.Parts)
	}
}
