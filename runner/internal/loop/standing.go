package loop

import (
	"slices"
	"time"

	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// maxStanding bounds the standing answers of a session. The oldest is forgotten first: then a
// person is asked again.
const maxStanding = 1000

// A Standing is an answer to later questions of the session.
type Standing struct {
	ID          string // of the call that was answered
	Seq         int64  // of the answer
	Agent       string
	Tool        string
	Fingerprint string // of the tool
	Reach       event.Reach
	Arguments   string // of the call
	Approved    bool
	Reason      string // of a denial
	Person      string
	Words       string
	Time        time.Time
}

// isFor reports whether the answer stands for a question.
func (a *Standing) isFor(agent, tool, fingerprint, arguments string) bool {
	return a.Agent == agent && a.Tool == tool && a.Fingerprint == fingerprint && (a.Reach == event.EveryCall || a.Arguments == arguments)
}

// Standing returns the standing answers, the newest last. The slice is only for reading.
func (s *State) Standing() []Standing {
	if s.office == nil {
		return nil
	}
	return s.office.standing
}

// StandsFor returns the standing answer to a question of an agent: a denial before an
// approval, and then the newest.
func (s *State) StandsFor(agent, tool, fingerprint, arguments string) (found Standing, ok bool) {
	for _, a := range slices.Backward(s.outermost().Standing()) {
		if !a.isFor(agent, tool, fingerprint, arguments) {
			continue
		}
		if !a.Approved {
			return a, true
		}
		if !ok {
			found, ok = a, true
		}
	}
	return found, ok
}

// keepStanding notes a standing answer, in place of an answer with the same reach.
func (s *State) keepStanding(c *Call, b event.ApprovalDecided, at time.Time) {
	a := Standing{
		ID: c.ID(), Seq: s.Seq + 1, Agent: s.Agent, Tool: c.Call.Name, Fingerprint: c.Fingerprint, Reach: b.Always, Arguments: c.Arguments,
		Approved: b.Approved, Reason: b.Reason, Person: b.Person, Words: b.Words, Time: at,
	}
	s.inOffice(func(o *office) {
		all := make([]Standing, 0, len(o.standing)+1) // a copy of the state may share the list
		for _, old := range o.standing {
			if old.Reach != a.Reach || !a.isFor(old.Agent, old.Tool, old.Fingerprint, old.Arguments) {
				all = append(all, old)
			}
		}
		o.standing = append(all[max(0, len(all)+1-maxStanding):], a)
	})
}

// standingRevoked ends a standing answer, at any time.
func (s *State) standingRevoked(b event.StandingRevoked) error {
	i := slices.IndexFunc(s.Standing(), func(a Standing) bool { return a.Seq == b.Standing })
	if i < 0 || s.Path != "" {
		return errOrder
	}
	s.inOffice(func(o *office) { o.standing = slices.Delete(slices.Clone(o.standing), i, i+1) })
	return nil
}
