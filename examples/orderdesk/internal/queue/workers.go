package queue

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// Workers answer the requests of a queue. Set the fields, then call [Workers.Run].
type Workers struct {
	Queue *Queue
	Agent *agent.Agent
	// Runner is how conversations are run. Its Journal is the queue's.
	Runner runner.Runner
	// Count is how many requests are worked on at once. Default 1.
	Count int
	// Watch keeps the workers waiting for new requests and decisions when there is
	// nothing to do.
	Watch bool
	// Report, if not nil, is told what happens. It is called from several
	// goroutines at once, and should not take long.
	Report func(Report)
}

// A Report is one thing that happened.
type Report struct {
	Worker  int     // which one, from 0
	Request Request // as it is now; the zero Request: the worker has nothing to do
	// Event is what happened in its conversation. Without a Body, the state of the
	// request is what is new.
	Event event.Event
	// Elsewhere: another process has the request, or had it when it died, which
	// will show when its lease runs out. It is looked at again until then.
	Elsewhere bool
	// Totals are told with a new state.
	Totals Totals
}

const (
	// poll is how often workers that have nothing to do look for something.
	poll = 250 * time.Millisecond
	// again is when a request that another process has is looked at again.
	again = time.Second
	// lastWords bounds what is written after the context has ended.
	lastWords = 5 * time.Second
)

// Run works until each request is done, failed, or asking; with Watch until ctx
// ends. Requests that another process has are waited for. When ctx ends, the
// conversations that go on are cancelled, and the error is its cause; the next
// call goes on with them.
func (w Workers) Run(ctx context.Context) error {
	w.Runner.Journal = w.Queue.journal
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &shift{Workers: w, count: max(w.Count, 1), later: map[int64]time.Time{}, told: map[int64]bool{}}
	var group sync.WaitGroup
	for n := range s.count {
		group.Go(func() {
			if err := s.work(ctx, n); err != nil {
				cancel(err) // one that cannot reach the database ends all
			}
		})
	}
	group.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return nil
}

// A shift is workers while they work.
type shift struct {
	Workers
	count int
	mu    sync.Mutex
	later map[int64]time.Time // when a request may be taken; the zero time: one of us has it
	told  map[int64]bool      // of those that somebody else has
}

// work is what one worker does.
func (s *shift) work(ctx context.Context, n int) error {
	for ctx.Err() == nil {
		r, open, err := s.take(ctx)
		if ctx.Err() != nil {
			return nil
		}
		switch {
		case err != nil:
			return fmt.Errorf("queue: %w", err)
		case r.ID != 0:
			if err := s.serve(ctx, n, r); err != nil {
				return fmt.Errorf("queue: request %d: %w", r.ID, err)
			}
		case open || s.Watch:
			if err := s.tell(ctx, n, Request{}); err != nil && ctx.Err() == nil {
				return err
			}
			wait(ctx, poll)
		default:
			return nil
		}
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// take returns the first request that nobody is known to have, or the zero Request.
// Open: there are others, which may need somebody soon.
func (s *shift) take(ctx context.Context) (r Request, open bool, err error) {
	s.mu.Lock()
	maps.DeleteFunc(s.later, func(_ int64, at time.Time) bool { return !at.IsZero() && !time.Now().Before(at) })
	limit := len(s.later) + 1
	s.mu.Unlock()
	all, err := s.Queue.open(ctx, limit) // with one of them, at least, that is not in later
	if err != nil {
		return r, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range all {
		if _, held := s.later[r.ID]; !held {
			s.later[r.ID] = time.Time{}
			return r, true, nil
		}
	}
	return Request{}, len(all) > 0, nil
}

// leave gives a request back, to be taken at once or after a while.
func (s *shift) leave(r Request, after time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if after > 0 {
		s.later[r.ID] = time.Now().Add(after)
		return
	}
	delete(s.later, r.ID)
}

// serve brings a request on as far as it goes, and records where that is. An
// error is about the database.
func (s *shift) serve(ctx context.Context, n int, r Request) error {
	after := again
	defer func() { s.leave(r, after) }()
	r.State = Running
	runErr := s.converse(ctx, n, r)

	ended := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	r, seq, err := s.outcome(ctx, r, runErr, ended)
	if err != nil {
		return err
	}
	if r.State == Running {
		s.held(n, r)
		return nil
	}
	r, news, err := s.Queue.save(ctx, r, seq)
	if err != nil {
		return err
	}
	after = 0
	if !news { // somebody else was faster, and told of it
		r = Request{}
	}
	return s.tell(ctx, n, r)
}

// converse runs the conversation about a request until it stops.
func (s *shift) converse(ctx context.Context, n int, r Request) error {
	at, err := s.Queue.standing(ctx, r)
	if err != nil {
		return err
	}
	var in []runner.Input
	switch at.last.(type) {
	case nil:
		in = append(in, runner.Say(llm.User(r.Text)))
	case event.RunFinished:
		return nil
	case event.RunPaused:
		if in, err = s.answers(ctx, r); err != nil || len(in) == 0 {
			return err
		}
	}
	run := s.Runner
	run.Journal = claim{run.Journal, func(ctx context.Context) (bool, error) { return s.begin(ctx, n, r) }, at.last == nil}
	for e, err := range run.Session(r.Session()).Stream(ctx, s.Agent, in...) {
		if err != nil {
			return err
		}
		s.report(Report{Worker: n, Request: r, Event: e})
	}
	return nil
}

// begin marks a request as ours, unless it does not wait for a worker any more.
func (s *shift) begin(ctx context.Context, n int, r Request) (bool, error) {
	mine, err := s.Queue.begin(ctx, r.ID)
	if err == nil && mine {
		err = s.tell(ctx, n, r)
	}
	return mine, err
}

// answers are what was decided about the calls that wait.
func (s *shift) answers(ctx context.Context, r Request) ([]runner.Input, error) {
	pending, err := s.Runner.Session(r.Session()).Pending(ctx)
	if err != nil {
		return nil, err
	}
	return answersTo(ctx, s.Queue.journal.DB, r.ID, pending)
}

// outcome is what the journal says of a request after a conversation with this
// error, up to the position seq. One that is Running still is somebody else's, or
// to be tried again; one that is Waiting was interrupted.
func (s *shift) outcome(ctx context.Context, r Request, runErr error, ended bool) (Request, int64, error) {
	at, err := s.Queue.standing(ctx, r)
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
		if elsewhere(err) {
			return r, at.seq, nil
		}
		r.State = Asking
		return r, at.seq, err
	}
	switch {
	case elsewhere(runErr):
	case ended:
		r.State = Waiting
	case runErr != nil:
		r.State, r.Note = Failed, runErr.Error()
	}
	return r, at.seq, nil
}

// elsewhere reports whether an error says that a session is, or was, somebody
// else's, or that the journal could not be written to: it is not the request's.
func elsewhere(err error) bool {
	return errors.Is(err, errTaken) || isA[*journal.BusyError](err) || isA[*journal.ConflictError](err) ||
		isA[*journal.StoreError](err) || isA[*runner.DecisionError](err)
}

func isA[E error](err error) bool {
	_, is := errors.AsType[E](err)
	return is
}

// tell reports a new state of a request.
func (s *shift) tell(ctx context.Context, n int, r Request) error {
	if s.Report == nil {
		return nil
	}
	totals, err := s.Queue.Totals(ctx)
	if err != nil {
		return err
	}
	s.report(Report{Worker: n, Request: r, Totals: totals})
	return nil
}

// held reports, once, that a request is somebody else's.
func (s *shift) held(n int, r Request) {
	s.mu.Lock()
	told := s.told[r.ID]
	s.told[r.ID] = true
	s.mu.Unlock()
	if !told {
		s.report(Report{Worker: n, Request: r, Elsewhere: true})
	}
}

func (s *shift) report(r Report) {
	if s.Report != nil {
		s.Report(r)
	}
}
