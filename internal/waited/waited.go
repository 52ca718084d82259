// Package waited counts the time for which a request waits: for a retry, or for the limits
// of an account. A run does not work during a wait, so a limit on working time leaves the
// waits out.
package waited

import (
	"context"
	"sync/atomic"
	"time"
)

type key struct{}

// With returns a context in which waits are counted, and the count in nanoseconds.
func With(ctx context.Context) (context.Context, *atomic.Int64) {
	n := new(atomic.Int64)
	return context.WithValue(ctx, key{}, n), n
}

// Since adds the time since start, if somebody counts.
func Since(ctx context.Context, start time.Time) {
	if n, ok := ctx.Value(key{}).(*atomic.Int64); ok {
		n.Add(int64(time.Since(start)))
	}
}
