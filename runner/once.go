package runner

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seed-916e8f6a/toolloop/internal/opening"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
)

// maxKey bounds a key of Once, in bytes.
const maxKey = 500

type onceInput struct {
	key      string
	person   string // see By
	messages []llm.Message
	second   bool // another onceInput came before
}

func (onceInput) input() {}

// Once adds messages to the conversation like [Say], but only the first time: the session
// remembers the key. Use Once wherever an input can come twice: for the first message of a
// job that a queue can hand out again after a crash, or for a webhook that is delivered
// twice. key is a name of the program, such as "begin" or the id of the webhook, and need
// not differ between sessions.
//
//   - If the key is new, Once is like Say. The key and the messages are one append of the
//     journal, so of several processes that say the same, one says it, and the others get
//     a [*journal.BusyError] as long as the session is open.
//   - If the session knows the key with the same messages, nothing is said. If a run has
//     answered the messages, Run returns the Result of the first such run as it was then,
//     with the events of the run in Earlier, and Stream yields nothing. Otherwise Run
//     continues the session as without an input: after a crash, a pause or a failure.
//   - If the session knows the key with other messages, or if the run of the messages has
//     failed and nothing can be continued, the error is a [*OnceError].
//
// A run takes a single Once and no other input beside it. A key has at most 500 bytes. A
// session remembers 1,000 keys: the first key and the newest.
func Once(key string, messages ...llm.Message) Input {
	return onceInput{key: key, messages: messages}
}

// An OnceError says that the messages of [Once] or [Session.SayOnce] cannot be answered.
// Nothing was recorded.
type OnceError struct {
	Key string
	// Failed is the error of the run that read the messages, if the run failed and cannot
	// be continued. Empty means: the session knows the key with different messages.
	Failed string
}

// Error names the key.
func (e *OnceError) Error() string {
	if e.Failed != "" {
		return fmt.Sprintf("runner: the run with the key %q failed: %s", e.Key, e.Failed)
	}
	return fmt.Sprintf("runner: the session knows the key %q with other messages", e.Key)
}

func checkKey(key string) error {
	switch {
	case key == "":
		return errors.New("runner: the key of the messages is empty")
	case len(key) > maxKey:
		return fmt.Errorf("runner: the key of the messages has %d bytes, and at most %d are allowed", len(key), maxKey)
	}
	return nil
}

// SayOnce is like [Session.Say], but only the first time, under the rules of [Once]: if the
// session knows the key with the same messages, SayOnce adds nothing and returns nil.
func (s *Session) SayOnce(ctx context.Context, key string, messages ...llm.Message) error {
	if err := checkKey(key); err != nil {
		return err
	}
	return s.say(ctx, event.UserMessaged{Said: true, Key: key}, messages)
}

// isSaid reports whether the session knows the messages of bodies under their key.
func isSaid(s *loop.State, bodies []event.Body) (bool, error) {
	first, _ := bodies[0].(event.UserMessaged)
	if first.Key == "" {
		return false, nil
	}
	messages := make([]llm.Message, len(bodies))
	for i, b := range bodies {
		said, _ := b.(event.UserMessaged)
		messages[i] = said.Message
	}
	_, known, same := s.Once(first.Key, messages)
	if known && !same {
		return false, &OnceError{Key: first.Key}
	}
	return known, nil
}

// sayOnce returns the messages of Once, or none. If a run has answered the
// messages before, sayOnce sets past.
func (e *engine) sayOnce(ctx context.Context, in *input) error {
	once := in.once
	if err := cmp.Or(checkKey(once.key), checkPerson(once.person)); err != nil {
		return err
	}
	if once.second || in.answers || len(in.messages) > 0 {
		return errors.New("runner: Once and another input in one run")
	}
	messages, err := checkInput(once.messages)
	if err != nil {
		return err
	}
	if len(messages) == 0 {
		return fmt.Errorf("%w: Once has no messages", ErrNoInput)
	}
	s := e.recorder.snapshot()
	finished, known, same := s.Once(once.key, messages)
	switch {
	case !known:
		in.messages, in.key = messages, once.key
		if once.person != "" {
			in.persons = slices.Repeat([]string{once.person}, len(messages))
		}
		return nil
	case !same:
		return &OnceError{Key: once.key}
	case finished > 0:
		return e.recall(ctx, &s, finished)
	case !s.Running() && !s.Waiting():
		return &OnceError{Key: once.key, Failed: e.lastFailure(ctx)}
	}
	return nil
}

// recall makes the outcome of an earlier run that of this call.
func (e *engine) recall(ctx context.Context, s *loop.State, run int) error {
	e.began = true
	if e.collector == nil { // nobody asks for a Result
		e.past = s
		return nil
	}
	if s.Run == run && !s.Running() {
		e.past, e.collector.earlier = s, eventsOf(e.recorder.recentEvents(ctx), run)
		return nil
	}
	ctx, stop := opening.Bound(ctx, storeBound)
	defer stop()
	past, events := new(loop.State), []event.Event(nil)
	for ev, err := range e.recorder.log.Events(ctx) {
		opening.Progress(ctx)
		if err == nil {
			err = past.Apply(ev)
		}
		if err != nil {
			return fmt.Errorf("runner: session %q: %w", e.session, err)
		}
		if events = append(events, ev); past.Run < run {
			events = events[:0]
		}
		if end, ok := ev.Body.(event.RunFinished); ok && end.Run == run && ev.Path == "" {
			break
		}
	}
	e.past, e.collector.earlier = past, eventsOf(events, run)
	return nil
}

// eventsOf returns the events from the start of a run on.
func eventsOf(events []event.Event, run int) []event.Event {
	for i, ev := range events {
		if b, ok := ev.Body.(event.RunStarted); ok && b.Run == run && ev.Path == "" {
			return events[i:]
		}
	}
	return events
}

// lastFailure returns the error of the last run.
func (e *engine) lastFailure(ctx context.Context) string {
	recent := e.recorder.recentEvents(ctx)
	for i := len(recent) - 1; i >= 0; i-- {
		if b, ok := recent[i].Body.(event.RunFailed); ok && recent[i].Path == "" {
			return b.Error
		}
	}
	return "no cause is recorded"
}
