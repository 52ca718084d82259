package queue

import "context"

// Take takes the next job and returns its session, or "".
func Take(ctx context.Context, q *Queue) (string, error) {
	s := &shift{Workers: Workers{Queue: q}}
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
