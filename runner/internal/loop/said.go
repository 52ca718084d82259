package loop

import (
	"slices"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// Messages that come at any time wait in the state, in said or in later. They enter the
// history with an event of the run itself, the next TurnPrepared or the first message of the
// next run, so the history never changes while the run works with a copy.

// userSaid takes a message at any time. A run that would finish goes on.
func (s *State) userSaid(b event.UserMessaged) {
	if b.AtEnd {
		s.later = append(slices.Clip(s.later), b.Message)
	} else {
		s.said = append(slices.Clip(s.said), b.Message)
	}
	s.goOn()
}

// GoesOn reports whether the run must answer messages before it may finish. The last turn
// at a limit stays the last: the messages wait for the next run.
func (s *State) GoesOn() bool { return s.waiting() && !s.LastTurn }

func (s *State) waiting() bool { return len(s.said)+len(s.later) > 0 }

// goOn makes a run that would finish take another turn, if messages wait. The run keeps the
// answer until the turn begins. If a limit forbids the turn, the run finishes with the answer.
func (s *State) goOn() {
	if (s.phase == final || s.checks()) && s.GoesOn() {
		s.phase, s.ending = ready, true
	}
}

// finishing returns the action that ends the run with the answer.
func (s *State) finishing(lim Limits) Action {
	if a, must := s.outputChecks(lim.Checks); must {
		return a
	}
	if s.unchecked {
		return Check{Turn: s.Turn, Text: s.Text}
	}
	return Finish{}
}

// CanFinish reports whether the run finishes now: with its final answer, or stopped with
// the results of its last turn. answer reports whether one of the results is the answer.
func (s *State) CanFinish(lim Limits, stopped, answer bool) bool {
	if stopped {
		return s.Stoppable() && (answer || len(s.said) == 0)
	}
	switch Next(s, lim).(type) {
	case Finish, Check:
		return true
	}
	return false
}

// landing estimates the tokens of the waiting messages.
func (s *State) landing() int64 {
	tokens := EstimateMessages(s.said)
	if s.ending {
		tokens += EstimateMessages(s.later)
	}
	return tokens
}

// Land enters the messages that wait for the next turn into the history. Apply does this
// with TurnPrepared; on a copy, Land shows the history of the next request.
func (s *State) Land() {
	if !s.waiting() {
		return
	}
	s.landKeys()
	s.land(s.said)
	s.said = nil
	if s.ending {
		s.land(s.later)
		s.later = nil
	}
}

func (s *State) land(messages []llm.Message) {
	if len(messages) > 0 {
		s.add(messages)
		s.ChoiceMet, s.results, s.Misfit, s.unchecked = false, false, false, false
	}
}
