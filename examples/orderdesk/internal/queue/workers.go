package queue

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// Workers answer the requests of a queue. Set the fields, then call [Workers.Run].
type Workers struct {
	Queue *Queue
	Agent *agent.Agent
	// Runner is how conversations are run. Leave its Journal unset: Run sets it to
	// the one that the queue was opened with. Its Model, if set, is asked in place of
	// the agent's.
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
	Worker int // which one, from 0
	// Request is as it is now. The zero Request: the worker has nothing to do; while
	// it waits for something it says so again with every look, four times a second,
	// for the sake of Totals and Others.
	Request Request
	// Event is what happened in its conversation. Without a Body, the state of the
	// request is what is new.
	Event event.Event
	// Elsewhere: the request has been another process's for a lease or longer, so
	// that one is alive. It is told once, and looked at again until it is over.
	Elsewhere bool
	// Totals and Others are told with a new state, and by who has nothing to do.
	Totals Totals
	Others Others
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
// ends. Requests that another process has are waited for. When ctx ends, no model
// is asked any more, the tools that run are waited for, and the error is its cause;
// the next call goes on with all of it.
//
// A provider that does not answer, or refuses the key, would fail one request after
// the other. When several in a row failed for such a reason, as many as there are
// workers and 3 at least, Run stops as if ctx had ended, with an [OutageError]. The
// others wait for the next call.
func (w Workers) Run(ctx context.Context) error {
	w.Runner.Journal = w.Queue.journal
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &shift{Workers: w, stop: cancel, later: map[int64]time.Time{}, mine: map[int64]bool{}, since: map[int64]time.Time{}}
	var group sync.WaitGroup
	for n := range max(w.Count, 1) {
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
	stop  context.CancelCauseFunc
	mu    sync.Mutex
	later map[int64]time.Time // when a request may be taken; the zero time: one of us has it
	mine  map[int64]bool      // whose sessions one of us has
	since map[int64]time.Time // when a request was found to be somebody else's; the zero time: that was told
	row   int                 // requests that failed one after the other by no fault of theirs
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
	for {
		limit := s.held() + 1
		all, err := s.Queue.open(ctx, limit) // with one, at least, that nobody had
		if err != nil {
			return r, false, err
		}
		if r, ok := s.first(all); ok {
			return r, true, nil
		}
		if len(all) < limit {
			return r, len(all) > 0, nil
		}
		// Others took all of these meanwhile: there may be more.
	}
}

// held is how many requests are not to be taken now.
func (s *shift) held() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.later, func(_ int64, at time.Time) bool { return !at.IsZero() && !time.Now().Before(at) })
	return len(s.later)
}

// first takes the first of some requests that may be taken, if there is one.
func (s *shift) first(all []Request) (Request, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range all {
		if _, held := s.later[r.ID]; !held {
			s.later[r.ID] = time.Time{}
			return r, true
		}
	}
	return Request{}, false
}

// leave gives a request back, to be taken after a while.
func (s *shift) leave(id int64, after time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.later[id] = time.Now().Add(after)
	delete(s.mine, id)
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
	others, err := s.others(ctx)
	if err != nil {
		return err
	}
	s.report(Report{Worker: n, Request: r, Totals: totals, Others: others})
	return nil
}

func (s *shift) report(r Report) {
	if s.Report != nil {
		s.Report(r)
	}
}
