package sqljournal

import (
	"context"
	"database/sql"
	"sync"
)

// A gate lets as many to a pool as it has connections, in the order in which they
// came. The pool itself hands a connection to any of those who wait: with
// thousands of them some wait for longer than their lease. The zero gate is ready.
type gate struct {
	once  sync.Once
	slots chan struct{} // nil: the pool has no bound
}

// enter waits until it is its turn, or until ctx ends. The caller calls leave. So
// many connections are spared for others, if the pool has more.
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
