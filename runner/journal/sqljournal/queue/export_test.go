package queue

import (
	"context"
	"log/slog"
	"time"
)

// Take takes the next job and returns its session, or "".
func Take(ctx context.Context, q *Queue) (string, error) {
	s := &shift{Workers: Workers{Queue: q, Logger: slog.New(slog.DiscardHandler)}, free: time.Now().Add(sweep)}
	job, _, err := s.next(ctx)
	return job.Session, err
}

// TakeAndServe takes the next job. serve runs it.
func TakeAndServe(ctx context.Context, w Workers) (serve func(), session string, err error) {
	w.Runner.Journal = w.Queue.journal
	s := &shift{Workers: w, ctx: ctx}
	job, _, err := s.next(ctx)
	return func() { s.serve(job) }, job.Session, err
}

// Turns are the turns of a shift that looks for suspect jobs.
type Turns struct{ s shift }

// Look looks once, and reports whether only a suspect job may run.
func (t *Turns) Look(suspect bool) bool {
	t.s.turn(suspect)
	return t.s.alone
}
