package pages

import (
	"cmp"
	"strconv"

	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// streamed notes the recorded beginning of an answer. The page shows the text if no answer comes.
func (r *reader) streamed(ev event.Event, b event.AnswerStreamed) {
	s := r.scope
	if s.turn == nil || !s.waiting { // the events begin in the middle
		s.turn = r.place(&entry{Kind: "turn", Title: "Turn " + strconv.Itoa(b.Turn)}, ev)
		s.waiting = true
		r.turns++
	} else {
		s.turn.mark(ev)
	}
	if b.Again {
		s.kept = ""
	}
	if text := cmp.Or(b.Text, b.Reasoning); len(s.kept) < maxText {
		s.kept += text
	}
}
