package inbox

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/queue"
)

// Workers answer the requests of an inbox. Set the fields, then call [Workers.Run].
type Workers struct {
	Inbox *Inbox
	Agent *agent.Agent
	// Runner runs the conversations. Leave its Journal nil.
	Runner runner.Runner
	// Count is the number of concurrent requests. Default 1.
	Count int
	// Watch keeps the workers waiting for new requests and decisions when all work is done.
	Watch bool
	// Report, if not nil, receives reports about the work, from several goroutines at once.
	// It should return quickly.
	Report func(Report)
}

// A Report describes a step of a worker.
type Report struct {
	Worker int // counts from 0
	// Request is the current request. The zero Request means that the worker is idle. Idle
	// workers repeat this report four times a second, with new Totals and Others.
	Request Request
	// Event is an event of the conversation. Without a Body, the report is about a new state
	// of the request.
	Event event.Event
	// Elsewhere means that a different process has had the request for a lease or longer,
	// and is therefore alive. The report comes once until the request changes hands.
	Elsewhere bool
	// Totals and Others are set in reports about a new state, and in those of idle workers.
	Totals Totals
	Others Others
}

const (
	idle      = 250 * time.Millisecond // between two reports of idle workers
	lastWords = 5 * time.Second        // for the database at the end of a request
)

// Run works until each request is done, failed, or paused; with Watch, until ctx ends. Run
// waits for the requests of all processes. When ctx ends, no more requests go to the model,
// Run waits for the tools that run, and the error is the cause of ctx. The next call of Run
// continues the work.
//
// A request fails at its first error, because the user of a desk reads the error and tries
// again. With an unreachable provider or a refused key, all requests would fail. After
// several such failures in a row (as many as there are workers, and at least 3) Run stops
// as if ctx had ended, with an [OutageError]. The remaining requests wait for the next call.
func (w Workers) Run(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	w.Count = max(w.Count, 1)
	s := &shift{Workers: w, ctx: ctx, stop: stop, seats: make([]Request, w.Count), since: map[int64]time.Time{}}
	workers := queue.Workers{
		Queue: w.Inbox.queue, Agent: w.Agent, Runner: w.Runner, Count: w.Count, UntilEmpty: !w.Watch, StopAfter: -1,
		Retry:   func(queue.Job, error) time.Duration { return -1 },
		Changed: s.changed, Logger: slog.New(slog.DiscardHandler),
	}
	var telling sync.WaitGroup
	if w.Report != nil {
		workers.Event = s.event
		ended, end := context.WithCancel(ctx)
		defer telling.Wait()
		defer end()
		telling.Go(func() { s.tellIdle(ended) })
	}
	return workers.Run(ctx)
}

// A shift is a call of Run.
type shift struct {
	Workers // embedded: a shift works with the configuration of its Workers
	ctx     context.Context
	stop    context.CancelCauseFunc
	mu      sync.Mutex
	seats   []Request           // the request of each worker; the zero Request: idle
	since   map[int64]time.Time // since when another process has a request; the zero time means that this was reported
	row     int                 // the number of outage failures in a row
}

// changed reports the begin and the end of a worker's request.
func (s *shift) changed(job queue.Job, why error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), lastWords)
	defer cancel()
	n, r := s.seat(idOf(job.Session))
	if r.Text == "" { // it has just sat down
		before, err := s.Inbox.Get(ctx, r.ID)
		if err != nil {
			s.stop(err)
			return
		}
		r.Text, r.Tokens = before.Text, before.Tokens
	}
	r = r.in(job)
	s.sit(n, r)
	if r.State != Running || why != nil {
		tokens, err := s.Inbox.count(ctx, r)
		if err != nil {
			s.stop(err)
		}
		r.Tokens = tokens
		s.sit(n, Request{})
		s.judge(r.State, why)
	}
	if r.State == Running && why != nil { // another process has the request now
		r = Request{}
	}
	s.tell(ctx, n, r)
}

// seat returns the worker of a request, or an idle worker for it.
func (s *shift) seat(id int64) (n int, r Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n = slices.IndexFunc(s.seats, func(r Request) bool { return r.ID == id }); n < 0 {
		n = max(slices.IndexFunc(s.seats, func(r Request) bool { return r.ID == 0 }), 0)
		s.seats[n] = Request{ID: id}
	}
	delete(s.since, id)
	return n, s.seats[n]
}

func (s *shift) sit(n int, r Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seats[n] = r
}

// event reports an event of a worker's request.
func (s *shift) event(job queue.Job, e event.Event) {
	n, r := s.seat(idOf(job.Session))
	s.Report(Report{Worker: n, Request: r, Event: e})
}

// tell reports a new state of a request.
func (s *shift) tell(ctx context.Context, n int, r Request) {
	if s.Report == nil {
		return
	}
	totals, err := s.Inbox.Totals(ctx)
	others, held, oerr := s.others(ctx)
	if err != nil || oerr != nil {
		return // the workers of the queue stop if the database stays away
	}
	s.Report(Report{Worker: n, Request: r, Totals: totals, Others: others})
	for _, id := range held {
		if r, err := s.Inbox.Get(ctx, id); err == nil {
			s.Report(Report{Worker: n, Request: r, Elsewhere: true})
		}
	}
}

// tellIdle reports the idle workers.
func (s *shift) tellIdle(ctx context.Context) {
	tick := time.NewTicker(idle)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for n := range s.seats {
			s.mu.Lock()
			busy := s.seats[n].ID != 0
			s.mu.Unlock()
			if !busy {
				s.tell(ctx, n, Request{})
			}
		}
	}
}
