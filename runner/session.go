package runner

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// A Session is a conversation that goes on over several runs. Its events are
// in the Runner's Journal under the session's name; each run begins where they
// end, in whatever process. One run of a session goes at a time: another one is
// refused with a [*journal.BusyError]. A Session is safe for concurrent use.
type Session struct {
	runner Runner
	name   string
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
	return e.result(), err
}

// Stream is Run with every event as it happens, under the rules of [Runner.Stream].
func (s *Session) Stream(ctx context.Context, a *agent.Agent, in ...Input) iter.Seq2[event.Event, error] {
	return once(func(yield func(event.Event, error) bool) {
		e := newEngine(s.runner, s.name, !s.runner.NoStream)
		err := s.open(ctx, e, func(ctx context.Context) error {
			return e.execute(ctx, a, inputOf(in), func(ev event.Event) bool { return yield(ev, nil) })
		})
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
	read, stop := context.WithTimeout(ctx, storeBound)
	defer stop()
	log, err := s.runner.Journal.Open(read, s.name)
	if err != nil {
		return fmt.Errorf("runner: %w", err)
	}
	defer func() {
		if cerr := log.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("runner: session %q: %w", s.name, cerr)
		}
	}()
	e.log = log
	if err := e.load(read); err != nil {
		return fmt.Errorf("runner: session %q: %w", s.name, err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(log.Context(), func() { cancel(context.Cause(log.Context())) })()
	return do(ctx)
}

// Messages returns the conversation so far, valid to send as Result.Messages is.
// It opens the journal, and so it is an error while a run is going on.
func (s *Session) Messages(ctx context.Context) ([]llm.Message, error) {
	e := newEngine(s.runner, s.name, false)
	if err := s.open(ctx, e, func(context.Context) error { return nil }); err != nil {
		return nil, err
	}
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
	return e.pending(), nil
}
