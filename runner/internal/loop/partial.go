package loop

import "github.com/seed-916e8f6a/toolloop/runner/event"

// A Partial is the beginning of an answer. A Partial never changes, because snapshots of the
// state share the pointer.
type Partial struct {
	Turn            int
	Text, Reasoning string
}

// answerStreamed changes nothing but Partial: the turn still waits for its answer.
func (s *State) answerStreamed(b event.AnswerStreamed) error {
	if s.phase != prepared || b.Turn != s.Turn {
		return errOrder
	}
	p := Partial{Turn: b.Turn}
	if s.Partial != nil && !b.Again {
		p = *s.Partial
	}
	p.Text, p.Reasoning = p.Text+b.Text, p.Reasoning+b.Reasoning
	s.Partial = &p
	return nil
}
