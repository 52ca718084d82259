package runner

import (
	"context"
	"errors"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// Say adds messages to the conversation, also while a run of this Session value is going
// on: the run reads the messages before its next turn, after the results of the calls that
// are open. A run that would end takes another turn. When Say returns nil, the messages are
// in the journal, and neither a crash nor the end of the run loses them.
//
//   - If no run is going on, or if the run is paused, fails, or is in its last turn at a
//     limit, the messages wait in the session. The next run reads them: after a pause, a
//     run with the decisions; otherwise a run without a message, or before the messages of
//     a run.
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
			err := s.leave(ctx, bodies)
			if _, busy := errors.AsType[*journal.BusyError](err); busy && s.current() != nil {
				continue // a run began meanwhile
			}
			return err
		}
		if taken, err := o.say(ctx, bodies); taken || err != nil {
			return err
		}
	}
}

// leave adds events to a session without a run.
func (s *Session) leave(ctx context.Context, bodies []event.Body) error {
	e := newEngine(s.runner, s.name, false)
	err := s.open(ctx, e, func(ctx context.Context) error {
		e.recorder.begin(ctx, nil)
		_, err := e.recorder.say(ctx, bodies)
		return err
	})
	s.keepSnapshot(e.recorder)
	return err
}

// An opened session has its log open in this process.
type opened struct {
	recorder *recorder
	closed   chan struct{} // closed after the log was closed
}

// enter makes a recorder known to Say. It returns nil if the session is open already.
func (s *Session) enter(r *recorder) *opened {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opened != nil {
		return nil
	}
	r.began = make(chan struct{})
	s.opened = &opened{r, make(chan struct{})}
	return s.opened
}

// exit undoes enter. The log is closed.
func (s *Session) exit(o *opened) {
	if o == nil {
		return
	}
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
func (r *recorder) finish(body event.Body) (finished bool, err error) {
	r.acquire()
	defer r.release()
	end, _ := body.(event.RunFinished)
	if !r.state.CanFinish(end.Stopped) {
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
