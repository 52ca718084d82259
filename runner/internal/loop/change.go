package loop

import (
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A Change is the answer of BeforeTurn about the last turn; see event.TurnPrepared.
type Change struct {
	Offer   []string
	Chosen  llm.ToolChoice
	Changed bool
	Added   int // the number of its messages, which are in Messages
}

// Change returns the change of the last turn.
func (s *State) Change() Change {
	if s.change == nil {
		return Change{}
	}
	return *s.change
}

// SetChange sets the change of a turn. On a copy of the state, it shows the next request.
// An event for a turn that was prepared before has no messages.
func (s *State) SetChange(b event.TurnPrepared) {
	c := Change{Offer: b.Offer, Chosen: b.Chosen, Changed: b.Changed, Added: len(b.Messages)}
	if s.phase == prepared && s.Turn == b.Turn {
		c.Added = s.Change().Added
	}
	s.change = nil
	if c.Offer != nil || c.Chosen != "" || c.Changed || c.Added > 0 {
		kept := c // c itself stays off the heap
		s.change = &kept
	}
}
