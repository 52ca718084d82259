package runner

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A storedInput is the JSON of an Input. Say and Once have messages; all else is about a
// call.
type storedInput struct {
	Messages []llm.Message `json:"messages,omitempty"`
	Once     string        `json:"once,omitempty"` // the key
	Person   string        `json:"person,omitempty"`
	Words    string        `json:"words,omitempty"`

	Call      event.CallRef   `json:"call,omitempty"`
	Hash      string          `json:"hash,omitempty"`
	Key       string          `json:"key,omitempty"`
	Seq       int64           `json:"seq,omitempty"`
	Approval  approval        `json:"approval,omitempty"`
	Reason    string          `json:"reason,omitempty"`
	Arguments json.RawMessage `json:"arguments,omitempty"`
	InDoubt   bool            `json:"in_doubt,omitempty"`
	Doubt     event.Doubt     `json:"doubt,omitempty"`
	Result    llm.Parts       `json:"result,omitempty"`
	Late      lateForm        `json:"late,omitempty"`
	Always    event.Reach     `json:"always,omitempty"`
	Revoke    bool            `json:"revoke,omitempty"`
}

// A lateForm says what a result from outside is.
type lateForm string

const (
	lateDone   lateForm = "result"
	lateFailed lateForm = "failure"
)

// MarshalJSON implements [json.Marshaler].
func (m messagesInput) MarshalJSON() ([]byte, error) {
	return json.Marshal(storedInput{Messages: m})
}

// MarshalJSON implements [json.Marshaler].
func (s saidInput) MarshalJSON() ([]byte, error) {
	return json.Marshal(storedInput{Messages: s.messages, Person: s.person})
}

// MarshalJSON implements [json.Marshaler].
func (o onceInput) MarshalJSON() ([]byte, error) {
	// A queue keeps an input until a session takes it, so an input that no session can take
	// would block its session for good.
	if err := cmp.Or(checkKey(o.key), checkPerson(o.person)); err != nil {
		return nil, err
	}
	if _, err := checkInput(o.messages); err != nil {
		return nil, err
	}
	return json.Marshal(storedInput{Messages: o.messages, Once: o.key, Person: o.person})
}

// MarshalJSON implements [json.Marshaler].
func (d decision) MarshalJSON() ([]byte, error) {
	if err := checkPerson(d.person); err != nil {
		return nil, err
	}
	return json.Marshal(storedInput{
		Call: d.call, Hash: d.hash, Key: d.key, Seq: d.seq, Approval: d.approval, Reason: d.reason, Arguments: d.args,
		InDoubt: d.inDoubt, Doubt: d.doubt, Result: d.parts, Person: d.person, Words: d.words, Always: d.always,
	})
}

// MarshalJSON implements [json.Marshaler].
func (r revocation) MarshalJSON() ([]byte, error) {
	if err := checkPerson(r.person); err != nil {
		return nil, err
	}
	return json.Marshal(storedInput{Call: r.call, Key: r.key, Seq: r.seq, Person: r.person, Words: r.words, Revoke: true})
}

// MarshalJSON implements [json.Marshaler].
func (r lateResult) MarshalJSON() ([]byte, error) {
	// A queue keeps an input until a session takes it; see onceInput.
	if callOf(r.key) == "" {
		return nil, fmt.Errorf("runner: a result for %q, which is the key of no call", r.key)
	}
	if reason := checkResult(r.parts); reason != "" {
		return nil, errors.New("runner: " + reason)
	}
	if err := checkPerson(r.person); err != nil {
		return nil, err
	}
	in := storedInput{Call: callOf(r.key), Key: r.key, Late: lateDone, Result: r.parts, Reason: r.reason, Person: r.person, Words: r.words}
	if r.failed {
		in.Late = lateFailed
	}
	return json.Marshal(in)
}

// ParseInput reads the JSON of an [Input]. So a process can store an answer of a person, or
// a message, and another process gives it to the run. ParseInput checks the form alone; the
// run checks whether the input fits.
func ParseInput(data []byte) (Input, error) {
	var in storedInput
	if err := json.Unmarshal(data, &in); err != nil {
		return nil, fmt.Errorf("runner: the JSON of an input: %w", err)
	}
	switch {
	case in.Once != "":
		return onceInput{key: in.Once, person: in.Person, messages: in.Messages}, nil
	case len(in.Messages) > 0 && in.Person != "":
		return saidInput{in.Person, in.Messages}, nil
	case len(in.Messages) > 0:
		return messagesInput(in.Messages), nil
	case in.Late == lateDone || in.Late == lateFailed:
		return lateResult{key: in.Key, parts: in.Result, failed: in.Late == lateFailed, reason: in.Reason, person: in.Person, words: in.Words}, nil
	case in.Call == "":
		return nil, errors.New("runner: the JSON of an input has neither messages nor a call")
	case in.Revoke:
		return revocation{call: in.Call, key: in.Key, seq: in.Seq, person: in.Person, words: in.Words}, nil
	case !in.isDecision():
		return nil, fmt.Errorf("runner: the JSON of an input has no known decision about call %s", in.Call)
	}
	return decision{
		call: in.Call, hash: in.Hash, key: in.Key, seq: in.Seq, approval: in.Approval, reason: in.Reason, args: in.Arguments,
		inDoubt: in.InDoubt, doubt: in.Doubt, parts: in.Result, person: in.Person, words: in.Words, always: in.Always,
	}, nil
}

// isDecision reports whether the input has one of the decisions of a Pending.
func (in *storedInput) isDecision() bool {
	if !in.InDoubt {
		return in.Approval == approve || in.Approval == deny || in.Approval == edit
	}
	switch in.Doubt {
	case event.Happened, event.NotHappened, event.RunAgain, event.Unknown:
		return true
	}
	return false
}
