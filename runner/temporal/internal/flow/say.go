package flow

import (
	"encoding/json"
	"slices"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// maySay refuses messages before the history has a record of them.
func (s *session) maySay(ctx workflow.Context, said Said) error {
	switch {
	case slices.Contains(s.start.Said, workflow.GetCurrentUpdateInfo(ctx).ID):
		return nil
	case s.ended:
		return temporal.NewNonRetryableApplicationError("the session is ending", EndingType, nil)
	case s.updates >= maxSays || isAbove(ctx, fullSize, fullLength):
		return s.full()
	case said.Seen != nil && (s.taking || *said.Seen != len(s.log)+len(s.held)):
		return temporal.NewNonRetryableApplicationError("the session has other events now", MovedType, nil)
	}
	return nil
}

// say is the handler of the update. Messages that come during Advance are behind its events,
// because the machine did not see them; only the end of the run is behind the messages. Messages
// that an earlier execution took come again if its answer was lost; see known.
func (s *session) say(ctx workflow.Context, said Said) error {
	id := workflow.GetCurrentUpdateInfo(ctx).ID
	if slices.Contains(s.start.Said, id) {
		return nil
	}
	s.start.Said = append(s.start.Said, id)
	if more := len(s.start.Said) - maxSaid; more > 0 {
		s.start.Said = slices.Delete(s.start.Said, 0, more)
	}
	s.updates++
	if s.busy {
		s.held = append(s.held, said.Events...)
	} else {
		s.add(said.Events)
	}
	return nil
}

// hasRoom reports whether one more input can wait for the end of the run.
func (s *session) hasRoom(in Input) bool {
	return len(s.inputs) < maxLate && size(append(s.inputs[:len(s.inputs):len(s.inputs)], &input{Ticket: Ticket{Input: in}})) <= maxWaiting
}

// size returns the bytes of inputs.
func size(inputs []*input) (n int) {
	for _, p := range inputs {
		for _, raw := range p.Inputs {
			n += len(raw)
		}
	}
	return n
}

// isLate reports whether an input has only results from outside. Such an input waits for the end
// of a run.
func isLate(in Input) bool {
	for _, raw := range in.Inputs {
		var r struct {
			Late string `json:"late"`
		}
		if json.Unmarshal(raw, &r) != nil || r.Late == "" {
			return false
		}
	}
	return len(in.Inputs) > 0
}
