package queue

import "context"

// Take takes the next job and returns its session, or "".
func Take(ctx context.Context, q *Queue) (string, error) {
	s := &shift{Workers: Workers{Queue: q}}
	job, _, err := s.next(ctx)
	return job.Session, err
}
