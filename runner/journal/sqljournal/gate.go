package sqljournal

import (
	"context"
	"database/sql"
	"sync"
)

// A gate is a semaphore in front of a pool. It serves callers in the order of their
// arrival. The pool itself gives a free connection to any waiting caller: among
// thousands of callers, some would wait for longer than their lease. The zero gate is
// ready.
type gate struct {
	once  sync.Once
	slots chan struct{} // nil if the pool has no limit
}

// enter waits for a slot, or until ctx ends. The caller calls leave. The gate has spared
// fewer slots than the pool has connections, but at least one.
func (g *gate) enter(ctx context.Context, db *sql.DB, spared int) (leave func(), err error) {
	g.once.Do(func() {
		if n := db.Stats().MaxOpenConnections; n > 0 {
			g.slots = make(chan struct{}, max(n-spared, 1))
		}
	})
	if g.slots == nil {
		return func() {}, nil
	}
	select {
	case g.slots <- struct{}{}:
		return func() { <-g.slots }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
