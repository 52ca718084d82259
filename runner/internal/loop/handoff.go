package loop

import (
	"math"
	"slices"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// HandOff gives the conversation to the agent that the result of a call names. Outcome:
// HandedOff.
type HandOff struct {
	Turn int
	Call Call
	To   string
}

func (HandOff) action() {}

// nextHandOff returns the hand-off after the results of the last turn. must is false if
// there is none.
func (s *State) nextHandOff(lim Limits) (a Action, must bool) {
	if s.LastTurn {
		return nil, false
	}
	for _, c := range s.done {
		if to := c.HandsTo(); to != "" {
			if stop, over := s.TooManyHandoffs(lim.Handoffs); over {
				return stop, true
			}
			return HandOff{Turn: s.Turn + 1, Call: c, To: to}, true
		}
	}
	return nil, false
}

// HandsTo returns the name of the agent that gets the conversation by the call, or an empty
// name. In an answer with several hand-offs, the results of the later ones say that those
// calls changed nothing. So none takes the place of a hand-off that a check withheld.
func (c *Call) HandsTo() string {
	if to := c.checked().handsTo; to != "" && c.Succeeded() {
		return to
	}
	return ""
}

// HandsTo returns the name of the agent that gets the conversation by a call of the last
// answer, or an empty name.
func (s *State) HandsTo() string {
	for _, calls := range [...][]Call{s.Calls, s.done} {
		for i := range calls {
			if to := calls[i].HandsTo(); to != "" {
				return to
			}
		}
	}
	return ""
}

// TooManyHandoffs reports whether the run may hand the conversation over no more.
func (s *State) TooManyHandoffs(most int) (StopAtLimit, bool) {
	return StopAtLimit{Limit: HandoffLimit, Max: int64(most)}, most > 0 && int(s.handoffs) >= min(most, math.MaxInt32)
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
	at := slices.IndexFunc(s.done, func(c Call) bool { return c.Ref == b.Call && c.HandsTo() == b.To })
	if !between || at < 0 && (b.Call != "" || b.Failure != "") || b.Turn != s.Turn+1 || b.To == "" {
		return errOrder
	}
	if b.Failure != "" {
		s.rewrite(s.doneAt+at, b.Failure, true)
		s.done = slices.Clone(s.done) // snapshots share the list
		v := s.done[at].checked()
		v.handsTo = ""
		s.done[at].verdicts = &v
		return nil
	}
	if len(b.History) > 0 {
		messages, err := s.replacement(b.Before, b.History)
		if err != nil {
			return err
		}
		s.replaceHistory(messages, b.History)
	}
	s.Agent, s.Handed, s.handoffs = b.To, true, min(s.handoffs, math.MaxInt32-1)+1
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
