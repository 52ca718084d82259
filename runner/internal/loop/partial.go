package loop

import (
	"slices"

	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A Partial is the beginning of an answer. A Partial never changes, because snapshots of the
// state share the pointer. A later Partial of the answer can share the memory of the texts, and
// has more bytes: a copy for each event would make a long answer quadratic.
type Partial struct {
	Turn            int
	text, reasoning []byte
}

// Text returns the text so far.
func (p *Partial) Text() string { return string(p.text) }

// Reasoning returns the reasoning so far.
func (p *Partial) Reasoning() string { return string(p.reasoning) }

// clipped returns a Partial whose successor has memory of its own.
func (p *Partial) clipped() *Partial {
	if p == nil {
		return nil
	}
	return &Partial{p.Turn, slices.Clip(p.text), slices.Clip(p.reasoning)}
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
	p.text, p.reasoning = append(p.text, b.Text...), append(p.reasoning, b.Reasoning...)
	s.Partial = &p
	return nil
}
