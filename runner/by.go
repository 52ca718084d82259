package runner

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
)

// maxPerson bounds the name of a person, in bytes.
const maxPerson = 200

// By returns the input with the name of the person who gives it, and with what the person
// says about it:
//
//	s.Run(ctx, a, runner.By("ada", p.Approve(), "I spoke to the customer"))
//
// With a decision about a call, or with its result from outside ([Pending.Result],
// [Pending.Fail]), the event records the name and the words, and so do [State.Decisions] and
// [Result.Decisions]. With a message ([Say], [Once]), the event
// records the name, and [Pending.Persons] has it; words have no place in a message.
//
//   - The library does not check who the person is: the name is what the program says.
//   - The model reads neither the name nor the words. It reads the reason of
//     [Pending.Deny] and messages.
//   - The words are joined by spaces. Redact changes them, and they are cut like errors.
//   - An empty name is none. A name has at most 200 bytes; a run with a longer name fails
//     before it records anything.
//   - A session that is open for another answer gives a [*journal.BusyError]: try again, and
//     the [DecisionError] names the first person.
//   - The last By counts.
func By(person string, in Input, words ...string) Input {
	switch in := in.(type) {
	case decision:
		in.person, in.words = person, strings.Join(words, " ")
		return in
	case lateResult:
		in.person, in.words = person, strings.Join(words, " ")
		return in
	case revocation:
		in.person, in.words = person, strings.Join(words, " ")
		return in
	case messagesInput:
		return saidInput{person: person, messages: in}
	case saidInput:
		in.person = person
		return in
	case onceInput:
		in.person = person
		return in
	}
	return in
}

// A saidInput has messages of a person.
type saidInput struct {
	person   string
	messages []llm.Message
}

func (saidInput) input() {}

func checkPerson(name string) error {
	if len(name) > maxPerson {
		return fmt.Errorf("runner: the name of a person has %d bytes, and at most %d are allowed", len(name), maxPerson)
	}
	return nil
}

// say adds messages of a person to the input.
func (in *input) say(person string, messages []llm.Message) {
	if in.said == nil && len(in.messages) > 0 {
		in.said = []saidInput{{messages: in.messages}}
	}
	if n := len(in.said); n > 0 && in.said[n-1].person == person {
		in.said[n-1].messages = append(slices.Clip(in.said[n-1].messages), messages...)
		return
	}
	in.said = append(in.said, saidInput{person, messages})
}

// check checks the messages and the names, and sets messages and persons from said.
func (in *input) check() (err error) {
	for _, d := range in.decisions {
		if err := checkPerson(d.person); err != nil {
			return err
		}
	}
	for _, r := range in.late {
		if err := checkPerson(r.person); err != nil {
			return err
		}
	}
	for _, r := range in.revocations {
		if err := checkPerson(r.person); err != nil {
			return err
		}
	}
	if in.said == nil {
		in.messages, err = checkInput(in.messages)
		return err
	}
	in.messages = nil
	for _, s := range in.said {
		if err := checkPerson(s.person); err != nil {
			return err
		}
		messages, err := checkInput(s.messages)
		if err != nil {
			return err
		}
		in.messages = append(in.messages, messages...)
		in.persons = append(in.persons, slices.Repeat([]string{s.person}, len(messages))...)
	}
	return nil
}

// bodies returns the events of the messages.
func (in *input) bodies(said bool) []event.Body {
	all := make([]event.Body, len(in.messages))
	for i, m := range in.messages {
		b := event.UserMessaged{Message: m, Said: said, Key: in.key}
		if in.persons != nil {
			b.Person = in.persons[i]
		}
		all[i] = b
	}
	return all
}

// A Decision is the record of an answer about a call.
type Decision struct {
	Call event.CallRef `json:"call"`
	Tool string        `json:"tool"` // the name of the tool
	// Question is the Seq of the [Pending] that the decision answers, and Seq is the
	// position of the decision in the session.
	Question int64 `json:"question"`
	Seq      int64 `json:"seq"`
	// What is "approved", "edited" (approved with other arguments), "denied", the
	// [event.Doubt] about a call in doubt, or "result" or "failure" for a result from outside.
	What string `json:"what"`
	// Source is "caller" for a decision of a person or of the program. For a call in doubt,
	// it can be "tool" or "idempotent", as in [event.InDoubtDecided].
	Source string `json:"source"`
	// Person and Words are those of [By]. Words of a denial without By are the reason.
	Person string `json:"person,omitempty"`
	Words  string `json:"words,omitempty"`
	// Always is the reach of an answer that stands for later questions; see
	// [Pending.ApproveAlways]. Standing is the Seq of the earlier decision that stands for
	// this question: nobody was asked, and Person is the name in the earlier decision.
	Always   event.Reach `json:"always,omitempty"`
	Standing int64       `json:"standing,omitempty"`
	Time     time.Time   `json:"time"`
}

// String describes the decision in a line.
func (d Decision) String() string {
	text, by := strings.ReplaceAll(d.What, "_", " "), " by "
	if d.What == loop.HandedIn || d.What == loop.HandedInFail {
		text += " handed in"
	}
	if d.Standing != 0 {
		text, by = text+" by a standing answer", " of "
	}
	if d.Person != "" {
		text += by + d.Person
	}
	return text + " at " + d.Time.UTC().Format(time.DateTime) + " UTC"
}

func decisionOf(d loop.Decision) Decision {
	return Decision{
		Call: d.Call, Tool: d.Tool, Question: d.Question, Seq: d.Seq, What: d.What, Source: d.Source,
		Person: d.Person, Words: d.Words, Always: d.Always, Standing: d.Standing, Time: d.Time,
	}
}

// decisionsOf returns the decisions that the session remembers, from a run on.
func decisionsOf(s *loop.State, run int) (all []Decision) {
	for _, d := range s.Decisions() {
		if d.Run >= run {
			all = append(all, decisionOf(d))
		}
	}
	return all
}

// decided returns the decision about the question of d, or nil. known means that it is d itself.
func (e *engine) decided(d *decision) (first *Decision, known bool) {
	s := e.recorder.root.snapshot()
	for _, one := range slices.Backward(s.Decisions()) {
		if one.Question == d.seq && keyOf(e.session, one.ID) == d.key {
			return new(decisionOf(one)), one.Checksum == d.checksum()
		}
	}
	return nil, false
}

// handedIn returns the record of a call's result from outside, or nil.
func (e *engine) handedIn(key string) *Decision {
	s := e.recorder.root.snapshot()
	for _, one := range slices.Backward(s.Decisions()) {
		if (one.What == loop.HandedIn || one.What == loop.HandedInFail) && keyOf(e.session, one.ID) == key {
			return new(decisionOf(one))
		}
	}
	return nil
}
