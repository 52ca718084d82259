package loop

import (
	"cmp"
	"slices"
	"time"

	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// maxStanding bounds the standing answers of a session. The oldest approval is forgotten first:
// then a person is asked again. A denial is never forgotten, because a wider approval would let
// its calls run. With this number of denials, the session takes no standing answer.
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

// replaces reports whether two answers have the same reach.
func (a *Standing) replaces(old *Standing) bool {
	return old.Reach == a.Reach && a.isFor(old.Agent, old.Tool, old.Fingerprint, old.Arguments)
}

// isFor reports whether the answer stands for a question.
func (a *Standing) isFor(agent, tool, fingerprint, arguments string) bool {
	return a.Agent == agent && a.Tool == tool && a.Fingerprint == fingerprint && (a.Reach == event.EveryCall || a.Arguments == arguments)
}

// Standing returns the standing answers, the newest last.
func (s *State) Standing() []Standing {
	if s.office == nil {
		return nil
	}
	all := slices.Concat(s.office.denials, s.office.approvals)
	slices.SortFunc(all, func(a, b Standing) int { return cmp.Compare(a.Seq, b.Seq) })
	return all
}

// TakesStanding reports whether the session has a place for a standing answer.
func (s *State) TakesStanding() bool {
	o := s.outermost().office
	return o == nil || len(o.denials) < maxStanding
}

// StandsFor returns the standing answer to a question of an agent: a denial before an
// approval, and then the newest.
func (s *State) StandsFor(agent, tool, fingerprint, arguments string) (found Standing, ok bool) {
	o := s.outermost().office
	if o == nil {
		return found, false
	}
	for _, list := range [...][]Standing{o.denials, o.approvals} {
		for i := range slices.Backward(list) {
			if list[i].isFor(agent, tool, fingerprint, arguments) {
				return list[i], true
			}
		}
	}
	return found, false
}

// keepStanding notes a standing answer, in place of an answer with the same reach. More denials
// than maxStanding can come with one input.
func (s *State) keepStanding(c *Call, b event.ApprovalDecided, at time.Time) {
	a := Standing{
		ID: c.ID(), Seq: s.Seq + 1, Agent: s.Agent, Tool: c.Call.Name, Fingerprint: c.Fingerprint, Reach: b.Always, Arguments: c.Arguments,
		Approved: b.Approved, Reason: b.Reason, Person: b.Person, Words: b.Words, Time: at,
	}
	s.inOffice(func(o *office) {
		same := func(old *Standing) bool { return a.replaces(old) }
		o.denials, o.approvals = without(o.denials, same), without(o.approvals, same)
		if a.Approved {
			o.approvals = append(o.approvals, a)
		} else {
			o.denials = append(o.denials, a)
		}
		if over := len(o.denials) + len(o.approvals) - maxStanding; over > 0 {
			o.approvals = o.approvals[min(over, len(o.approvals)):]
		}
	})
}

// without returns a list without the answer that fits, in memory of its own.
func without(list []Standing, fits func(*Standing) bool) []Standing {
	for i := range list {
		if fits(&list[i]) {
			return slices.Delete(slices.Clone(list), i, i+1) // a copy of the state may share the list
		}
	}
	return list
}

// standingRevoked ends a standing answer, at any time.
func (s *State) standingRevoked(b event.StandingRevoked) error {
	known := func(a Standing) bool { return a.Seq == b.Standing }
	if s.Path != "" || s.office == nil || !slices.ContainsFunc(s.office.denials, known) && !slices.ContainsFunc(s.office.approvals, known) {
		return errOrder
	}
	s.inOffice(func(o *office) {
		fits := func(a *Standing) bool { return a.Seq == b.Standing }
		o.denials, o.approvals = without(o.denials, fits), without(o.approvals, fits)
	})
	return nil
}
