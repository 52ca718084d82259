package queue

import (
	"cmp"
	"context"
	"errors"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// serve runs a request as far as possible and records the new state. An error is
// about the database.
func (s *shift) serve(ctx context.Context, n int, r Request) error {
	id, after := r.ID, again
	defer func() { s.leave(id, after) }()
	r.State = Running
	why, err := s.converse(ctx, n, r)
	ended := ctx.Err() != nil
	if err != nil && !ended {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	r, seq, err := s.outcome(ctx, r, why, ended)
	if err != nil {
		return err
	}
	if r.State == Running {
		s.tellHeld(n, r)
		return s.tell(ctx, n, Request{})
	}
	r, news, err := s.Queue.save(ctx, r, seq)
	if err != nil {
		return err
	}
	if news || !r.State.open() {
		after = 0
	}
	s.judge(r.State, why)
	if !news { // another process was faster and has reported the state
		r = Request{}
	}
	return s.tell(ctx, n, r)
}

// converse runs the conversation about a request until it stops, and returns the
// reason. The reason is nil if the conversation has ended or is paused.
func (s *shift) converse(ctx context.Context, n int, r Request) (why, err error) {
	at, err := s.Queue.standing(ctx, r)
	if isA[*journal.CorruptError](err) {
		return err, nil
	}
	if err != nil {
		return nil, err
	}
	var in []runner.Input
	switch at.last.(type) {
	case nil:
		in = append(in, runner.Say(llm.User(r.Text)))
	case event.RunFinished: // the worker died before it wrote the state of the request
		return nil, nil
	case event.RunPaused:
		var why error
		if r.Pending, why = s.Runner.Session(r.Session()).Pending(ctx); why != nil {
			return why, nil
		}
		if in, err = answersTo(ctx, s.Queue.journal.DB, r); err != nil || len(in) == 0 {
			return nil, err
		}
	}
	run := s.Runner
	begin := func(ctx context.Context) (mine bool, _ error) {
		mine, err = s.begin(ctx, n, r)
		return mine, err
	}
	run.Journal = claim{run.Journal, begin, at.last == nil}
	run.Model = nil // the agent has the model
	for e, why := range run.Session(r.Session()).Stream(context.WithoutCancel(ctx), s.agentUntil(ctx), in...) {
		if why != nil {
			return why, err // the error of begin, which is about the database
		}
		s.report(Report{Worker: n, Request: r, Event: e})
	}
	return nil, nil
}

// begin marks a request as ours, unless the request no longer waits for a worker.
func (s *shift) begin(ctx context.Context, n int, r Request) (bool, error) {
	mine, err := s.Queue.begin(ctx, r.ID)
	if err == nil && mine {
		s.found(r.ID)
		err = s.tell(ctx, n, r)
	}
	return mine, err
}

// outcome returns the state of a stopped request by its journal, up to the position
// seq. Running means that a different process has the request, or that a worker
// must retry. Waiting means that the run was interrupted.
func (s *shift) outcome(ctx context.Context, r Request, why error, ended bool) (Request, int64, error) {
	at, err := s.Queue.standing(ctx, r)
	if err = cmp.Or(err, corruption(why)); isA[*journal.CorruptError](err) {
		return s.damaged(ctx, r, at.tokens, err)
	}
	if err != nil {
		return r, 0, err
	}
	r.Note, r.Pending, r.Tokens = "", nil, at.tokens
	switch at.last.(type) {
	case event.RunFinished:
		r.State, r.Note = Done, at.answer
		return r, at.seq, nil
	case event.RunPaused:
		r.Pending, err = s.Runner.Session(r.Session()).Pending(ctx)
		if isA[*journal.CorruptError](err) {
			return s.damaged(ctx, r, at.tokens, err)
		}
		if elsewhere(err) {
			return r, at.seq, nil
		}
		r.State = Paused
		return r, at.seq, err
	}
	switch {
	case elsewhere(why):
	case ended:
		r.State = Waiting
	case why != nil:
		r.State, r.Note = Failed, why.Error()
	}
	return r, at.seq, nil
}

// damaged returns the failed state of a request whose journal is unreadable. Other
// requests are not affected. The journal has no valid position then, so the request
// keeps its recorded position.
func (s *shift) damaged(ctx context.Context, r Request, tokens int64, why error) (Request, int64, error) {
	r.State, r.Note, r.Pending, r.Tokens = Failed, why.Error(), nil, max(r.Tokens, tokens) // the lost tokens were paid for, too
	seq, err := s.Queue.position(ctx, r.ID)
	return r, seq, err
}

// corruption returns the damage among the reasons of an error, or nil.
func corruption(err error) error {
	if e, damaged := errors.AsType[*journal.CorruptError](err); damaged {
		return e
	}
	return nil
}

// elsewhere reports whether the cause of an error is a different process that has
// or had the session, or a journal that was not writable. The request itself did
// not fail.
func elsewhere(err error) bool {
	return errors.Is(err, errTaken) || isA[*journal.BusyError](err) || isA[*journal.ConflictError](err) ||
		isA[*journal.StoreError](err) || isA[*runner.DecisionError](err)
}

func isA[E error](err error) bool {
	_, is := errors.AsType[E](err)
	return is
}
