package queue

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

const (
	poll      = 250 * time.Millisecond // between two looks at an empty queue
	sweep     = time.Second            // between two looks for the jobs of dead processes
	grace     = 2 * time.Second        // from taking a job to the lease of its session
	elsewhere = time.Second            // until another look at a session that another process has
	lastWords = 10 * time.Second       // for the writes at the end of a job
	outage    = time.Minute            // the database may fail for this time
	patience  = 30 * time.Second       // a process first keeps its slots free for a suspect job for this time

	suspectAttempts = 2 // from the death in this attempt on, a job is suspect

	defaultStop = 30 * time.Second
)

// Workers work off a queue. Set the fields, then call [Workers.Run].
type Workers struct {
	Queue *Queue
	// Agent is the agent of all sessions.
	Agent *agent.Agent
	// AgentOf, if not nil, returns the agent of a session in place of Agent.
	AgentOf func(Job) *agent.Agent
	// Runner runs the sessions. Run sets its Journal to the journal of the queue.
	Runner runner.Runner
	// Count is how many sessions run at the same time. The default is 1.
	Count int
	// StopAfter is the time that runs have to stop between two turns, after ctx of Run has
	// ended. Then they are cancelled. The default is 30 seconds, -1 means no limit.
	StopAfter time.Duration
	// UntilEmpty makes Run return when no job of the queue is scheduled, waiting or
	// running, in any process.
	UntilEmpty bool
	// Retry returns the time until another attempt at a job whose run has failed; below
	// zero, the job is dead. Nil means [Backoff]. Retry is not asked about a job whose process
	// has died: see Run.
	Retry func(job Job, err error) time.Duration
	// Event, if not nil, gets each event of the runs, deltas included (unless
	// Runner.NoStream is set). Jobs that run at the same time call Event at the same time.
	Event func(job Job, e event.Event)
	// Changed, if not nil, gets the job and its new state at the begin and at the end of a
	// run. err is the error of the run, or nil; [runner.ErrPaused] and [runner.ErrNoInput] (a
	// message came that the session knew) are no failures. If another worker has taken the job
	// meanwhile, or the database failed, the State at the end is still Running, with an
	// error. If the process of a job dies, Changed does not get the end of the run. If the death
	// makes the job Dead, another process calls Changed with the state Dead and an error.
	Changed func(job Job, err error)
	// Dropped, if not nil, gets each input that did not fit the session when a worker had it:
	// a decision or a result with a [*runner.DecisionError], for example the result of a call
	// that a message has closed; a message with a [*runner.OnceError]. An input that the session
	// took before (DecisionError.Known) is not dropped. Without Dropped, only
	// the Logger says so.
	Dropped func(job Job, in runner.Input, err error)
	// Logger gets a warning about each failed run, each job whose process has died, each dropped
	// message or decision, and each failure of the database, and an error about each job that is
	// dead because its processes died. Nil means [slog.Default].
	Logger *slog.Logger
}

// Run works off the queue until ctx ends. Then it takes no more jobs, lets the runs stop
// between two turns ([runner.Drain]), and returns the cause of ctx: no running call is
// interrupted within StopAfter. The stopped jobs wait for the next process.
//
// Run also makes the jobs of dead processes wait again. If a process dies during the second or a
// later attempt of a job, the job is Suspect: the job may have ended the process. Run starts a
// suspect job only when no other job of this call of Run is running, and takes the next job after
// its end. So a job that ends its process dies alone, until [MaxAttempts] makes the job Dead.
// Healthy suspect jobs run to their end, and are no longer suspect. After each suspect job, other
// jobs have a turn. If a long run keeps a suspect job waiting, Run takes other jobs after 30
// seconds for the same time, and then waits twice as long.
//
// After failures of the database for
// a minute in a row, Run stops as if ctx had ended, with the error of the database.
//
// Use signal.NotifyContext for ctx, so that the process ends in order.
func (w Workers) Run(ctx context.Context) error {
	switch {
	case w.Queue == nil:
		return errors.New("queue: Workers.Queue is nil")
	case w.Agent == nil && w.AgentOf == nil:
		return errors.New("queue: Workers.Agent is nil")
	}
	w.Runner.Journal = w.Queue.journal
	w.Runner.NoStream = w.Runner.NoStream || w.Event == nil
	w.Count = max(w.Count, 1)
	if w.Logger == nil {
		w.Logger = slog.Default()
	}
	if w.Retry == nil {
		w.Retry = Backoff
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	hard, kill := context.WithCancelCause(context.WithoutCancel(ctx))
	defer kill(nil)
	if d := cmp.Or(w.StopAfter, defaultStop); d > 0 {
		defer context.AfterFunc(ctx, func() {
			time.AfterFunc(d, func() { kill(fmt.Errorf("queue: not stopped after %v: %w", d, context.Cause(ctx))) })
		})()
	}
	s := &shift{Workers: w, ctx: runner.Drain(hard, ctx), slots: make(chan struct{}, w.Count), free: time.Now().Add(sweep)}
	err := s.work(ctx)
	if err != nil {
		fail(err)
	}
	s.running.Wait()
	return err
}

// A shift is a call of Run.
type shift struct {
	Workers // embedded: a shift works with the configuration of its Workers
	ctx     context.Context
	slots   chan struct{} // has a token for each running job
	running sync.WaitGroup
	swept   time.Time // the last look for the jobs of dead processes
	moved   time.Time // the last look for jobs whose time has come

	alone bool          // the shift takes only a suspect job, when nothing else runs
	since time.Time     // since when alone is true
	most  time.Duration // how long alone may be true
	free  time.Time     // until when alone stays false
}

// work takes jobs and runs each job on its own goroutine.
func (s *shift) work(ctx context.Context) error {
	healthy := time.Now()
	for {
		select {
		case s.slots <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		job, found, err := s.next(ctx)
		switch {
		case ctx.Err() != nil && !found:
			return context.Cause(ctx)
		case err != nil && time.Since(healthy) > outage:
			return fmt.Errorf("queue: %w", err)
		case err != nil:
			s.Logger.Warn("queue: the database failed", "error", err)
		default:
			healthy = time.Now()
		}
		if found && job.alone { // here, so that no other job is taken meanwhile
			s.serve(job)
			<-s.slots
			healthy = time.Now()
			s.turnOver(0)
			continue
		}
		if found {
			s.running.Go(func() {
				defer func() { <-s.slots; s.Queue.wake() }()
				s.serve(job)
			})
			continue
		}
		<-s.slots
		if s.UntilEmpty && err == nil {
			if open, err := s.open(ctx); err == nil && !open {
				return nil
			}
		}
		s.rest(ctx)
	}
}

// rest waits for the next look at the queue.
func (s *shift) rest(ctx context.Context) {
	timer := time.NewTimer(poll)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.Queue.woken:
	case <-ctx.Done():
	}
}

// A taken job is a job that this process has taken.
type taken struct {
	Job              // embedded: a taken job is a job
	id, claim, wakes int64
	begun            bool // a run has read the first message
	alone            bool // it is suspect
	inputs           []input
}

// next takes the next job.
func (s *shift) next(ctx context.Context) (job taken, found bool, err error) {
	q := s.Queue
	if time.Since(s.swept) >= sweep {
		if err := s.sweep(ctx); err != nil {
			return job, false, err
		}
	}
	if time.Since(s.moved) >= poll {
		if _, err := q.journal.DB.ExecContext(ctx, q.sql(moveDue)); err != nil {
			return job, false, err
		}
		s.moved = time.Now()
	}
	statement := take
	if job.alone = s.alone; job.alone {
		statement = takeSuspect
		if len(s.slots) > 1 { // one is for the next job
			return job, false, nil
		}
	}
	row := q.journal.DB.QueryRowContext(ctx, q.sql(statement), grace.Milliseconds(), int64(forever))
	err = job.scan(row, []any{&job.id}, &job.claim, &job.wakes, &job.begun)
	if errors.Is(err, sql.ErrNoRows) {
		s.alone = false // another process has the suspect job
		return job, false, nil
	}
	return job, err == nil, err
}

// open reports whether a job may have something to do.
func (s *shift) open(ctx context.Context) (open bool, err error) {
	err = s.Queue.journal.DB.QueryRowContext(ctx, s.Queue.sql(anyOpen)).Scan(&open)
	return open, err
}
