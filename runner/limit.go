package runner

import (
	"context"

	"golang.org/x/sync/semaphore"
)

const defaultCalls = 16

// A Limit bounds the tool calls that run at the same time. It is shared by
// pointing to it, and must not be copied.
type Limit struct {
	slots *semaphore.Weighted
}

// NewLimit returns a Limit of n calls; less than one counts as one.
func NewLimit(n int) *Limit {
	return &Limit{slots: semaphore.NewWeighted(int64(max(n, 1)))}
}

// acquire waits for a slot, in the order of the callers.
func (l *Limit) acquire(ctx context.Context) error { return l.slots.Acquire(ctx, 1) }

func (l *Limit) release() { l.slots.Release(1) }
