package queue

import "context"

// Save records the state of a request, as a worker does at the end.
func (q *Queue) Save(ctx context.Context, r Request, seq int64) (Request, bool, error) {
	return q.save(ctx, r, seq)
}
