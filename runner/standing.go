package runner

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
)

// ApproveAlways lets the call run, and answers later questions of the session in the same
// way: with [event.EveryCall] about every call of the tool, and with [event.SameArguments]
// about calls of the tool with the same arguments. With the reach "", the answer is about this
// call alone. Any other reach is a [*DecisionError].
//
//   - The answer stands for calls by the same agent, also if the agent is a helper or gets
//     the conversation again. After a change of the tool's definition
//     (fingerprint), a person is asked again.
//   - The answer also counts for waiting calls, when the run continues.
//   - Each later call has all events: ApprovalAsked, ApprovalDecided with Standing and the
//     name of the same person, and ToolCallStarted.
//   - [Runner.MayAnswer] is asked about the answer (Always), and again about each later call
//     (Standing). If MayAnswer refuses a later call, the call waits for a person.
//   - [Runner.Decide] is not asked about a call with a standing answer. A policy in Decide
//     therefore bounds no standing approval: put the bound into MayAnswer.
//   - The answer stands until [Standing.Revoke], in this session and in its forks, in every
//     process, and also after a compaction. [State.Standing] lists the standing answers.
//     A session has at most 1,000 standing answers, and forgets the oldest approval: then a
//     person is asked again. A session never forgets a denial. With 1,000 standing denials,
//     ApproveAlways and DenyAlways are a [*DecisionError] until some are revoked.
func (p Pending) ApproveAlways(reach event.Reach) Input {
	d := p.about(approve)
	d.always = reach
	return d
}

// DenyAlways is like [Pending.ApproveAlways] for a denial: the later calls do not run, and the
// model reads the reason. A standing denial counts before a standing approval.
func (p Pending) DenyAlways(reach event.Reach, reason string) Input {
	d := p.about(deny)
	d.always, d.reason = reach, reason
	return d
}

// A Standing is an answer to later questions of a session; see [Pending.ApproveAlways].
type Standing struct {
	Seq   int64       `json:"seq"` // the position of the answer in the session
	Agent string      `json:"agent"`
	Tool  string      `json:"tool"`  // the name of the tool
	Reach event.Reach `json:"reach"` // event.EveryCall or event.SameArguments
	// Call and Arguments belong to the call with the first question.
	Call      event.CallRef `json:"call"`
	Arguments string        `json:"arguments"`
	What      string        `json:"what"` // "approved" or "denied"
	// Person and Words come from [By]. Words of a denial without By are the reason.
	Person string    `json:"person,omitempty"`
	Words  string    `json:"words,omitempty"`
	Time   time.Time `json:"time"`
	// Key is the idempotency key of the call, so a Standing fits this session only.
	Key string `json:"key"`
}

// Revoke ends the standing answer. Earlier approvals count; a person is asked about
// later calls. Give the input to [Session.Run], with [By] if the name is to be recorded, or put it
// into a queue:
//
//	_, err := session.Run(ctx, clerk, runner.By("ada", standing.Revoke(), "the contract has ended"))
//
// If the session has something to continue, the run continues. Otherwise Run records the
// revocation, and returns the Result of the last run. A call in doubt of a failed run is
// something to continue: with the revocation, Run asks about the call and returns [ErrPaused],
// also beside a message. A message without the revocation closes the call. If the answer does not stand, the error
// is a [*DecisionError]. [Runner.MayAnswer] is not asked: a revocation leads to questions and
// permits nothing.
func (a Standing) Revoke() Input { return revocation{call: a.Call, key: a.Key, seq: a.Seq} }

// A revocation is the Input of [Standing.Revoke].
type revocation struct {
	call   event.CallRef
	key    string
	seq    int64
	person string // see By
	words  string // see By
}

func (revocation) input() {}

func standingOf(session string, s *loop.State) (all []Standing) {
	for _, a := range s.Standing() {
		one := Standing{
			Seq: a.Seq, Agent: a.Agent, Tool: a.Tool, Reach: a.Reach, Call: callOf(a.ID), Arguments: a.Arguments, What: loop.Denied,
			Person: a.Person, Words: a.Words, Time: a.Time, Key: keyOf(session, a.ID),
		}
		if a.Approved {
			one.What = loop.Approved
		}
		if one.Words == "" {
			one.Words = a.Reason
		}
		all = append(all, one)
	}
	return all
}

// keyOf returns the idempotency key of a call by its id.
func keyOf(session, id string) string {
	if session == "" {
		return id
	}
	return session + "/" + id
}

// checkAlways returns why an answer cannot stand, or "".
func (e *engine) checkAlways(r event.Reach) (reason string) {
	switch r {
	case "":
		return ""
	case event.EveryCall, event.SameArguments:
		if !e.recorder.root.takesStanding() {
			return "the session has 1,000 standing denials: revoke some of State.Standing, or answer this question alone"
		}
		return ""
	}
	return fmt.Sprintf("no answer has the reach %q: use event.EveryCall or event.SameArguments", string(r))
}

// takesStanding reports whether the session has a place for a standing answer.
func (r *recorder) takesStanding() bool {
	r.acquire()
	defer r.release()
	return r.state.TakesStanding()
}

// revocationEvents returns the events of revocations.
func (e *engine) revocationEvents(ctx context.Context, all []revocation) ([]event.Event, error) {
	if len(all) == 0 {
		return nil, nil
	}
	s := e.recorder.snapshot()
	known := map[int64]Standing{}
	for _, a := range standingOf(e.session, &s) {
		known[a.Seq] = a
	}
	var events []event.Event
	for _, r := range all {
		if a, ok := known[r.seq]; !ok || a.Key != r.key {
			return nil, &DecisionError{Call: r.call, Reason: "the answer does not stand: it was revoked, another answer took its place, or it is of another session", Known: e.isRevoked(ctx, &r)}
		}
		delete(known, r.seq)
		events = append(events, event.Event{Body: event.StandingRevoked{Standing: r.seq, Person: r.person, Words: e.redactor.reason(r.words), Checksum: r.checksum()}})
	}
	return events, nil
}

// revoke records revocations in a session with nothing to continue.
func (e *engine) revoke(ctx context.Context, in *input, yield func(event.Event) bool) error {
	events, err := e.revocationEvents(ctx, in.revocations)
	if err != nil {
		return err
	}
	e.recorder.begin(ctx, yield)
	e.began = true
	if err := e.recorder.recordWith(nil, events); err != nil {
		return err
	}
	return e.recorder.deliver()
}

// standing returns the decision of a standing answer to a question. ok is false without a
// standing answer.
func (e *engine) standing(c *loop.Call, fingerprint, arguments string) (b event.ApprovalDecided, ok bool) {
	s := e.recorder.root.snapshot()
	a, ok := s.StandsFor(e.agent.DisplayName(), c.Call.Name, fingerprint, arguments)
	if !ok {
		return b, false
	}
	return event.ApprovalDecided{
		Call: c.Ref, Hash: event.HashArguments(arguments), Approved: a.Approved, Reason: a.Reason, Person: a.Person, Standing: a.Seq,
	}, true
}

// decideStanding returns the events of a standing answer to a recorded question, unless
// MayAnswer refuses the answer.
func (e *engine) decideStanding(ctx context.Context, c loop.Call) []event.Body {
	b, ok := e.standing(&c, c.Fingerprint, c.Arguments)
	refused := event.CallRef(fmt.Sprint("refused ", b.Standing, " ", c.Ref))
	if !ok || e.asked[refused] {
		return nil
	}
	if e.mayAnswer(ctx, &decision{call: c.Ref, person: b.Person}, c, b) != nil {
		e.markAsked(refused) // once in a run
		return nil
	}
	if b.Approved {
		return []event.Body{b}
	}
	return []event.Body{b, e.denied(c, b.Reason)}
}
