package runner

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// Say adds messages to the conversation, also while a run of this Session value is going
// on: the run reads the messages before its next turn, after the results of the calls that
// are open. A run with a final answer takes another turn. When Say returns nil, the messages are
// in the journal, and neither a crash nor the end of the run loses them.
//
//   - If no run is going on, or if the run is paused or fails, the messages wait in the
//     session. The next run reads them: after a pause, a run with the decisions; otherwise a
//     run without a message, or before the messages of a run. The messages wait, too, if the
//     run finishes because a limit forbids another turn, or with the result of a tool with
//     [tool.Final].
//   - If the session is open elsewhere, in another process or by another Session value, the
//     error is a [*journal.BusyError].
//   - After an error, no message was added. Without messages, the error is [ErrNoInput].
//   - Say waits while the session is being opened or closed, and while the journal stores
//     other events, at most until the end of ctx.
//
// Say is safe for concurrent use, also in the loop over [Session.Stream].
func (s *Session) Say(ctx context.Context, messages ...llm.Message) error {
	return s.say(ctx, event.UserMessaged{Said: true}, messages)
}

// SayAtEnd is like [Session.Say], but a run that is going on reads the messages when it
// would otherwise end with a final answer.
func (s *Session) SayAtEnd(ctx context.Context, messages ...llm.Message) error {
	return s.say(ctx, event.UserMessaged{Said: true, AtEnd: true}, messages)
}

// SayInput is like [Session.Say] for the messages of an input of [Say] or [Once], with the
// name of [By]. The messages of Once are said once, as with [Session.SayOnce]. Another input
// is an error.
func (s *Session) SayInput(ctx context.Context, in Input) error {
	form, messages := event.UserMessaged{Said: true}, []llm.Message(nil)
	switch in := in.(type) {
	case messagesInput:
		messages = in
	case saidInput:
		form.Person, messages = in.person, in.messages
	case onceInput:
		if err := checkKey(in.key); err != nil {
			return err
		}
		form.Key, form.Person, messages = in.key, in.person, in.messages
	default:
		return errors.New("runner: SayInput takes messages: an input of Say or Once")
	}
	if err := checkPerson(form.Person); err != nil {
		return err
	}
	return s.say(ctx, form, messages)
}

// say adds messages in the form of an event.
func (s *Session) say(ctx context.Context, form event.UserMessaged, messages []llm.Message) error {
	messages, err := checkInput(messages)
	if err != nil {
		return err
	}
	if len(messages) == 0 {
		return ErrNoInput
	}
	bodies := make([]event.Body, len(messages))
	for i, m := range messages {
		form.Message = m
		bodies[i] = form
	}
	for {
		o := s.current()
		if o == nil {
			left, err := s.leave(ctx, bodies)
			if left || err != nil {
				return err
			}
			continue // a run began meanwhile
		}
		if taken, err := o.say(ctx, bodies); taken || err != nil {
			return err
		}
	}
}

// leave adds events to a session without a run. left is false if a run of this Session
// value has begun.
func (s *Session) leave(ctx context.Context, bodies []event.Body) (left bool, err error) {
	e := newEngine(&s.runner, s.name, false)
	entry, err := s.enter(ctx, e, true)
	if _, running := errors.AsType[*journal.BusyError](err); running {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	err = s.open(ctx, e, entry, func(ctx context.Context) error {
		e.recorder.begin(ctx, nil)
		_, err := e.recorder.say(ctx, bodies)
		return err
	})
	s.keepSnapshot(e.recorder)
	return true, err
}

// An opened session has its log open in this process.
type opened struct {
	recorder *recorder
	closed   chan struct{} // closed after the log was closed
	short    bool          // no run: the log is soon closed
}

// enter reserves the session for an engine and makes its recorder known to Say. enter waits
// for a short holder, for example a Say between two runs. If a run of this Session value is
// going on, the error is a BusyError.
func (s *Session) enter(ctx context.Context, e *engine, short bool) (*opened, error) {
	if s.name == "" {
		return nil, errors.New("runner: the session has no name")
	}
	e.recorder.began = make(chan struct{})
	o := &opened{e.recorder, make(chan struct{}), short}
	for {
		holder := s.hold(o)
		switch {
		case holder == o:
			return o, nil
		case !holder.short:
			return nil, fmt.Errorf("runner: %w", &journal.BusyError{Session: s.name})
		}
		select {
		case <-holder.closed:
		case <-ctx.Done():
			return nil, causeOf(ctx)
		}
	}
}

// hold makes o the holder of a session without a holder. It returns the holder.
func (s *Session) hold(o *opened) *opened {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opened == nil {
		s.opened = o
	}
	return s.opened
}

// exit undoes enter. The log is closed.
func (s *Session) exit(o *opened) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened = nil
	close(o.closed)
}

func (s *Session) current() *opened {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened
}

// say records messages in the run that is going on. taken is false if the run is over: the
// log is then closed when say returns.
func (o *opened) say(ctx context.Context, bodies []event.Body) (taken bool, err error) {
	select {
	case <-o.recorder.began:
		if taken, err = o.recorder.say(ctx, bodies); taken || err != nil {
			return taken, err
		}
	case <-o.closed:
	case <-ctx.Done():
		return false, causeOf(ctx)
	}
	select {
	case <-o.closed:
		return false, nil
	case <-ctx.Done():
		return false, causeOf(ctx)
	}
}

// say records messages, unless the log is being closed.
func (r *recorder) say(ctx context.Context, bodies []event.Body) (taken bool, err error) {
	select {
	case r.lock <- struct{}{}:
	case <-ctx.Done():
		return false, causeOf(ctx)
	}
	defer r.release()
	if r.over {
		return false, nil
	}
	if said, err := isSaid(r.state, bodies); said || err != nil {
		return true, err
	}
	return true, r.recordLocked(true, bodies)
}

// end makes later calls of say wait for the close of the log.
func (r *recorder) end() {
	r.acquire()
	defer r.release()
	r.over = true
}

// finish records the outcome of a run's end, unless a message came that the run must
// answer: then the run goes on, and finished is false.
func (r *recorder) finish(limits *loop.Limits, body event.Body) (finished bool, err error) {
	r.acquire()
	defer r.release()
	end, _ := body.(event.RunFinished)
	if !r.state.CanFinish(*limits, end.Stopped, end.Text != "" || len(end.Output) > 0) {
		return false, nil
	}
	return true, r.recordLocked(true, []event.Body{body})
}

// finishWith records a final answer and the end of the run, or the answer alone if a
// message waits that the run must answer.
func (r *recorder) finishWith(answered event.ModelAnswered, end event.RunFinished) (finished bool, err error) {
	r.acquire()
	defer r.release()
	if r.state.GoesOn() {
		return false, r.recordLocked(false, []event.Body{answered})
	}
	return true, r.recordLocked(true, []event.Body{answered, end})
}
