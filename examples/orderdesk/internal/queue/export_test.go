package queue

import "context"

// Save is what a worker does at the end.
func (q *Queue) Save(ctx context.Context, r Request, seq int64) (Request, bool, error) {
	return q.save(ctx, r, seq)
}
