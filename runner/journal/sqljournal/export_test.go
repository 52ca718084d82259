package sqljournal

import (
	"context"
	"database/sql"
	"time"

	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// Abandon leaves a log as a process does that dies: nothing is given back, and
// nothing is renewed any more.
func Abandon(l journal.Log, cause error) {
	it := l.(*log)
	it.cancel(cause)
	it.journal.unregister(it)
}

// ErrLost is the cause where a lease was lost.
var ErrLost = errLost

// Newest is the version of the tables.
func Newest() int { return len(migrations) }

// Statements make the tables of the newest version.
func Statements(j *Journal) []string {
	all := []string{j.sql(createVersion)}
	for _, statements := range migrations {
		for _, s := range statements {
			all = append(all, j.sql(s))
		}
	}
	return all
}

// Execer is what a write is made with.
type Execer = execer

// Write makes a write, as logs do.
func Write(ctx context.Context, j *Journal, do func(context.Context, Execer) error) error {
	return j.write(ctx, true, do)
}

// Waiting is how many writes wait for a transaction.
func Waiting(j *Journal) int {
	j.group.mu.Lock()
	defer j.group.mu.Unlock()
	return len(j.group.waiting)
}

// Gate is what lets logs to the pool.
type Gate struct{ gate gate }

// Enter is that of the gate.
func (g *Gate) Enter(ctx context.Context, db *sql.DB) (leave func(), err error) {
	return g.gate.enter(ctx, db, 0)
}

// Elapsed is the time since a moment by the clock that has gone further.
func Elapsed(since, now time.Time) time.Duration { return elapsed(since, now) }

// Sleep makes a log believe that the database granted the lease so long ago.
func Sleep(l journal.Log, d time.Duration) {
	it := l.(*log)
	at := it.granted.Load().Add(-d)
	it.granted.Store(&at)
}

// Keeping says whether a journal has a goroutine.
func Keeping(j *Journal) bool {
	j.renewer.mu.Lock()
	defer j.renewer.mu.Unlock()
	return j.renewer.loop != nil
}
