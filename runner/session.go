package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/internal/opening"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/internal/loop"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// A Session is a conversation that goes on over several runs. Its events are
// in the Runner's Journal under the session's name; each run begins where they
// end, in whatever process. One run of a session goes at a time: another one is
// refused with a [*journal.BusyError]. A Session is safe for concurrent use.
//
// A Session keeps the conversation in memory between its runs, and reads only what
// others have added since, if the journal's log has EventsAfter (see [journal.Log]). So
// keep the value for a conversation that goes on at once, and let go of it for one that
// waits for days.
type Session struct {
	runner Runner
	name   string

	mu   sync.Mutex
	past *past // guarded by mu; nil: not known, or in use
}

// past is what a session's events come to, up to some position.
type past struct {
	state  *loop.State
	recent []event.Event // see engine.recent; not empty
}

// tail is a log that can read from a position on.
type tail interface {
	EventsAfter(ctx context.Context, after int64) iter.Seq2[event.Event, error]
}

// sameEvent says whether two events are one: as they are kept.
func sameEvent(a, b event.Event) bool {
	one, err := a.MarshalJSON()
	if err != nil {
		return false
	}
	other, err := b.MarshalJSON()
	return err == nil && bytes.Equal(one, other)
}

// known takes what is known of the session: whoever holds it may change it.
func (s *Session) known() *past {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.past
	s.past = nil
	return p
}

// learn keeps what a run has left. The caller does not use the engine any more.
func (s *Session) learn(e *engine) {
	e.acquire() // what was left behind may still hold it
	defer e.release()
	if len(e.recent) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.past == nil || s.past.state.Seq < e.state.Seq {
		s.past = &past{e.state, e.recent}
	}
}

// Session returns the session of that name. Nothing is read or written before
// its first run. Without a Journal the session lives as long as the value.
func (r Runner) Session(name string) *Session {
	if r.Journal == nil {
		r.Journal = new(journal.Memory)
	}
	return &Session{runner: r, name: name}
}

// An Input is what a run of a session begins with: [Say], or the answers to
// the [Result.Pending] of a paused run.
type Input interface{ input() }

type said []llm.Message

func (said) input() {}

// Say adds messages to the conversation.
func Say(messages ...llm.Message) Input { return said(messages) }

// Run runs an agent on the conversation so far and the input. It is as
// [Runner.Run] is; Messages of the Result holds the whole session.
//
// With messages it begins a new run. Tool calls that an earlier run left without
// a result are closed first: the model reads that the call did not run, or that
// its outcome is unknown.
//
// Without messages it goes on: with a run that was paused, whose process died, or
// that failed. Results that are recorded are used, calls that did not begin
// begin, and a call that was started and whose end was never recorded is in
// doubt: it runs again only if its tool is [tool.Idempotent] or can tell that it
// did not happen ([tool.Reconcile]); else the run pauses. Decisions about calls
// are given as inputs, as many at a time as there are; the run goes on as far as
// they allow, and pauses again if it must: the error is then [ErrPaused]. One
// that does not fit is a [*DecisionError], and nothing is recorded. A session that
// has nothing to go on with is [ErrNoInput].
//
// The agent need not be the same value, nor in the same process, as before; what
// its tools have become holds.
func (s *Session) Run(ctx context.Context, a *agent.Agent, in ...Input) (*Result, error) {
	e := newEngine(s.runner, s.name, false)
	e.retains = true
	err := s.open(ctx, e, func(ctx context.Context) error {
		return e.execute(ctx, a, inputOf(in), e.retain)
	})
	result := e.result()
	s.learn(e)
	return result, err
}

// Stream is Run with every event as it happens, under the rules of [Runner.Stream].
func (s *Session) Stream(ctx context.Context, a *agent.Agent, in ...Input) iter.Seq2[event.Event, error] {
	return once(func(yield func(event.Event, error) bool) {
		e := newEngine(s.runner, s.name, !s.runner.NoStream)
		err := s.open(ctx, e, func(ctx context.Context) error {
			return e.execute(ctx, a, inputOf(in), func(ev event.Event) bool { return yield(ev, nil) })
		})
		s.learn(e)
		if err != nil && !e.left {
			yield(event.Event{}, err)
		}
	})
}

// input is what a run begins with.
type input struct {
	messages  []llm.Message
	decisions []decision
}

func inputOf(all []Input) (in input) {
	for _, i := range all {
		switch i := i.(type) {
		case said:
			in.messages = append(in.messages, i...)
		case decision:
			in.decisions = append(in.decisions, i)
		}
	}
	return in
}

// open runs do with the session's log open and its state in e. The context of
// do ends when the log is lost.
func (s *Session) open(ctx context.Context, e *engine, do func(context.Context) error) (err error) {
	if s.name == "" {
		return errors.New("runner: the session has no name")
	}
	e.logger = e.baseLogger().With("session", s.name)
	read, stop := opening.Bound(ctx, storeBound)
	defer stop()
	log, err := e.openLog(read, s.runner.Journal)
	if err != nil {
		return fmt.Errorf("runner: %w", whyStopped(ctx, read, err))
	}
	defer func() {
		cerr := log.Close()
		switch {
		case cerr != nil && err != nil:
			err = fmt.Errorf("%w; and closing the session: %w", err, cerr)
		case cerr != nil:
			err = fmt.Errorf("runner: session %q: %w", s.name, cerr)
		}
	}()
	e.log = log
	opening.Progress(read)
	if err := e.load(read, s.known()); err != nil {
		return fmt.Errorf("runner: session %q: %w", s.name, whyStopped(ctx, read, err))
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(log.Context(), func() { cancel(context.Cause(log.Context())) })()
	return do(ctx)
}

// whyStopped adds to an error why its context ended, if that was the bound on opening.
func whyStopped(ctx, bounded context.Context, err error) error {
	cause := context.Cause(bounded)
	if cause == nil || ctx.Err() != nil || errors.Is(err, cause) {
		return err
	}
	return fmt.Errorf("%w: %w", cause, err)
}

// Messages returns the conversation so far, valid to send as Result.Messages is.
// It opens the journal, and so it is an error while a run is going on.
func (s *Session) Messages(ctx context.Context) ([]llm.Message, error) {
	e := newEngine(s.runner, s.name, false)
	if err := s.open(ctx, e, func(context.Context) error { return nil }); err != nil {
		return nil, err
	}
	defer s.learn(e)
	return e.result().Messages, nil
}

// Pending returns the calls that a paused session waits for, or that a failed run
// left for somebody to decide about; none while there is nothing to decide. It
// opens the journal, and so it is an error while a run is going on.
func (s *Session) Pending(ctx context.Context) ([]Pending, error) {
	e := newEngine(s.runner, s.name, false)
	if err := s.open(ctx, e, func(context.Context) error { return nil }); err != nil {
		return nil, err
	}
	defer s.learn(e)
	return e.pending(), nil
}
