package loop

import (
	"slices"
	"time"

	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// maxDecisions bounds the decisions that a session remembers.
const maxDecisions = 1000

// A Decision is a decision about a call, as the session remembers it.
type Decision struct {
	ID       string // of the call
	Question int64  // Call.Seq at the time of the decision
	Seq      int64  // of the decision
	Call     event.CallRef
	Tool     string
	Run      int // of the session
	What     string
	Source   string // "caller", or as in InDoubtDecided.By
	Person   string
	Words    string
	Always   event.Reach // as in ApprovalDecided
	Standing int64       // as in ApprovalDecided
	Checksum int64       // as in ApprovalDecided
	Time     time.Time
}

// What a decision says about a call that waits for approval. Decisions about a call in doubt
// have the words of [event.Doubt].
const (
	Approved = "approved"
	Edited   = "edited"
	Denied   = "denied"
)

// What a result from outside is among the decisions.
const (
	HandedIn     = "result"
	HandedInFail = "failure"
)

// office is what people said and decided in a session. Copies of the state share it, so a
// change makes a new one. Only the outermost run has an office.
//
// The lists grow in place, because a copy for each event would make long sessions quadratic. A
// copy of the state sees no element behind the end of its lists; see clipped.
type office struct {
	persons   []string   // who said messages, each once
	decisions []Decision // the newest last
	ends      []End      // of calls whose results come from outside, the newest last
	denials   []Standing // standing answers, the newest last
	approvals []Standing // standing answers, the newest last
}

// clipped returns an office for a copy of the state that applies events: its lists do not grow
// in place.
func (o *office) clipped() *office {
	if o == nil {
		return nil
	}
	return &office{slices.Clip(o.persons), slices.Clip(o.decisions), slices.Clip(o.ends), slices.Clip(o.denials), slices.Clip(o.approvals)}
}

// outermost returns the run of the session.
func (s *State) outermost() *State {
	for s.outer != nil {
		s = s.outer
	}
	return s
}

// inOffice changes the office of the session.
func (s *State) inOffice(change func(*office)) {
	s = s.outermost()
	var o office
	if s.office != nil {
		o = *s.office
	}
	change(&o)
	s.office = &o
}

// Persons returns the names of the people who said messages. The slice is only for reading.
func (s *State) Persons() []string {
	if s.office == nil {
		return nil
	}
	return s.office.persons
}

// takePerson notes who said a message.
func (s *State) takePerson(b event.UserMessaged) {
	if b.Person == "" || slices.Contains(s.outermost().Persons(), b.Person) {
		return
	}
	s.inOffice(func(o *office) { o.persons = append(slices.Clip(o.persons), b.Person) })
}

// Decisions returns the decisions that the session remembers, the newest last. The slice is
// only for reading.
func (s *State) Decisions() []Decision {
	if s.office == nil {
		return nil
	}
	return s.office.decisions
}

// keepDecision notes a decision about a call.
func (s *State) keepDecision(c *Call, d Decision, at time.Time) {
	d.ID, d.Question, d.Seq, d.Call, d.Tool, d.Run, d.Time = c.ID(), c.Seq, s.Seq+1, c.Ref, c.Call.Name, s.outermost().Run, at
	s.inOffice(func(o *office) {
		all := o.decisions
		if n := len(all) - maxDecisions; n >= 0 {
			all = all[n+1:]
		}
		o.decisions = append(all, d)
	})
}

// SaysAbout returns the decision that an event records.
func SaysAbout(b event.ApprovalDecided) Decision {
	d := Decision{What: Denied, Source: "caller", Person: b.Person, Words: b.Words, Always: b.Always, Standing: b.Standing, Checksum: b.Checksum}
	switch {
	case b.Approved && b.Arguments != "":
		d.What = Edited
	case b.Approved:
		d.What = Approved
	}
	if d.Words == "" {
		d.Words = b.Reason
	}
	return d
}

// SaysGiven returns the decision that the end of a call with a result from outside records.
func SaysGiven(b event.ToolCallFinished) Decision {
	d := Decision{What: HandedIn, Source: "caller", Person: b.Given.Person, Words: b.Given.Words}
	if b.Result.IsError {
		d.What = HandedInFail
	}
	return d
}
