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
	// Runner runs the conversations. Leave the Journal of the Runner nil: Run sets
	// the Journal to the journal of the queue. The Model of the Runner, if set,
	// replaces the agent's model.
	Runner runner.Runner
	// Count is the number of concurrent requests. Default 1.
	Count int
	// Watch keeps the workers waiting for new requests and decisions when all work
	// is done.
	Watch bool
	// Report, if not nil, receives reports about the work, from several goroutines
	// at once. It should return quickly.
	Report func(Report)
}

// A Report describes a step of a worker.
type Report struct {
	Worker int // counts from 0
	// Request is the current request. The zero Request means that the worker is
	// idle. A worker that waits repeats this report four times a second, with new
	// Totals and Others.
	Request Request
	// Event is an event of the conversation. Without a Body, the report is about a
	// new state of the request.
	Event event.Event
	// Elsewhere means that a different process has had the request for a lease or
	// longer, and is therefore alive. The report comes once until the request
	// changes hands.
	Elsewhere bool
	// Totals and Others are set in reports about a new state, and in those of idle
	// workers.
	Totals Totals
	Others Others
}

const (
	// poll is the interval at which idle workers look for work.
	poll = 250 * time.Millisecond
	// again is the delay before a worker looks again at a request of another
	// process.
	again = time.Second
	// lastWords limits the writes after the end of the context.
	lastWords = 5 * time.Second
)

// Run works until each request is done, failed, or paused; with Watch, until ctx
// ends. Run waits for the requests of all processes. When ctx ends, no more
// requests go to the model, Run waits for the tools that run, and the error is the
// cause of ctx. The next call of Run continues the work.
//
// With an unreachable provider or a refused key, all requests would fail. After
// several such failures in a row (as many as there are workers, and at least 3) Run
// stops as if ctx had ended, with an [OutageError]. The remaining requests wait for
// the next call.
func (w Workers) Run(ctx context.Context) error {
	w.Runner.Journal = w.Queue.journal
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s := &shift{Workers: w, stop: cancel, later: map[int64]time.Time{}, mine: map[int64]bool{}, since: map[int64]time.Time{}}
	var group sync.WaitGroup
	for n := range max(w.Count, 1) {
		group.Go(func() {
			if err := s.work(ctx, n); err != nil {
				cancel(err) // a worker without a database stops all workers
			}
		})
	}
	group.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return nil
}

// A shift is a call of Run.
type shift struct {
	Workers // embedded: a shift works with the configuration of its Workers
	stop    context.CancelCauseFunc
	mu      sync.Mutex
	later   map[int64]time.Time // when a worker may take a request; the zero time means that a worker of this process has it
	mine    map[int64]bool      // the requests whose sessions this process has
	since   map[int64]time.Time // since when another process has a request; the zero time means that this was reported
	row     int                 // the number of outage failures in a row
}

// work is the loop of a worker.
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

// take returns the first request that is free as far as this process knows, or the
// zero Request. open means that more requests may need a worker soon.
func (s *shift) take(ctx context.Context) (r Request, open bool, err error) {
	for {
		limit := s.held() + 1
		all, err := s.Queue.open(ctx, limit) // so the result has at least one free request
		if err != nil {
			return r, false, err
		}
		if r, ok := s.first(all); ok {
			return r, true, nil
		}
		if len(all) < limit {
			return r, len(all) > 0, nil
		}
		// In the meantime, different workers have taken all these requests. There
		// may be more requests.
	}
}

// held returns the number of requests that are not free now.
func (s *shift) held() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(s.later, func(_ int64, at time.Time) bool { return !at.IsZero() && !time.Now().Before(at) })
	return len(s.later)
}

// first takes the first free request of a list, if there is one.
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

// leave gives a request back. A worker may take the request again after a delay.
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
