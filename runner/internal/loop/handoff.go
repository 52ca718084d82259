package loop

import (
	"math"
	"slices"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// Handoffs are the hand-offs of an agent.
type Handoffs struct {
	Tools []string // names of the tools whose calls hand the conversation over
	Max   int      // hand-offs of the run; 0 or less: no limit
}

// HandOff gives the conversation to an agent, after a call of a hand-off tool.
// Outcome: HandedOff.
type HandOff struct {
	Turn int
	Call Call
}

func (HandOff) action() {}

// nextHandOff returns the hand-off after the results of the last turn. must is false if
// there is none.
func (s *State) nextHandOff(h *Handoffs) (a Action, must bool) {
	if h == nil || s.LastTurn {
		return nil, false
	}
	for _, c := range s.done {
		if r, ok := c.result.(llm.ToolResult); !ok || r.IsError || !slices.Contains(h.Tools, c.Call.Name) {
			continue
		}
		// The results of later hand-offs say that those calls changed nothing, so none takes
		// the place of a hand-off that a check withheld.
		if c.Succeeded() {
			if stop, over := s.TooManyHandoffs(h.Max); over {
				return stop, true
			}
			return HandOff{Turn: s.Turn + 1, Call: c}, true
		}
		return nil, false
	}
	return nil, false
}

// TooManyHandoffs reports whether the run may hand the conversation over no more.
func (s *State) TooManyHandoffs(most int) (StopAtLimit, bool) {
	return StopAtLimit{Limit: HandoffLimit, Max: int64(most)}, most > 0 && int(s.handoffs) >= most
}

// Succeeded reports whether the call has a successful result, and no check
// withheld the result.
func (c *Call) Succeeded() bool {
	r, ok := c.result.(llm.ToolResult)
	return ok && c.Status == Finished && !r.IsError && !c.checked().withheld
}

// CheckHandedOff returns why an event cannot be applied to a state. The state stays
// unchanged.
func CheckHandedOff(s State, b event.HandedOff) error { return s.handedOff(b) }

// handedOff begins the time of another agent: what the state knows about the answers of the
// agent before does not count for the next.
func (s *State) handedOff(b event.HandedOff) error {
	between := (s.phase == opening || s.phase == ready) && s.open == 0
	called := b.Call == "" || slices.ContainsFunc(s.done, func(c Call) bool { return c.Ref == b.Call && c.Succeeded() })
	if !between || !called || b.Turn != s.Turn+1 || b.To == "" {
		return errOrder
	}
	if len(b.History) > 0 {
		messages, err := s.replacement(b.Before, b.History)
		if err != nil {
			return err
		}
		s.replaceHistory(messages, b.History)
	}
	s.Agent, s.Handed, s.handoffs = b.To, true, min(s.handoffs, math.MaxInt16-1)+1
	s.done, s.results, s.ChoiceMet = nil, false, false
	s.guard = s.guard.ofOtherAgent()
	s.Misfit, s.misfits, s.unusable, s.invalid = false, 0, 0, 0
	return nil
}

// ofOtherAgent forgets the inputs that the checks of an agent passed: a check of another agent
// can have the same name.
func (g *guard) ofOtherAgent() *guard {
	if g == nil || g.inputs == nil {
		return g
	}
	return g.with(func(g *guard) { g.inputs = nil })
}
