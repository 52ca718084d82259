package sqljournal

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// Journal is a [journal.Journal] in a database. Most programs use [OpenSQLite] or
// [OpenPostgres]. A literal around your own pool works, too; call [Journal.Migrate] before
// the first use. A Journal is safe for concurrent use after its fields are set, and must
// not be copied: with SQLite, concurrent writes of one Journal share a transaction.
type Journal struct {
	// DB is the pool. Its driver is "pgx" of github.com/jackc/pgx/v5/stdlib, or "sqlite" of
	// modernc.org/sqlite. The settings of the pool decide how durable an append is, and how
	// long SQLite waits for the lock of its file. You may use DB for your own tables. But a
	// pool with a single connection, like the pool of OpenSQLite, blocks every session
	// during an open transaction or open rows.
	DB *sql.DB
	// Dialect is the dialect of the database.
	Dialect Dialect
	// Lease is the time for which a session stays with its worker after the last renewal. A
	// worker renews three times per lease. Zero means 30 seconds; less than 50 ms is an
	// error. A dead worker blocks its session for this time. A worker that has not reached
	// the database for three quarters of the lease gives up. The worker measures this time
	// with the monotonic clock and with the wall clock, and the larger value counts, because
	// the monotonic clock stands still while a machine sleeps.
	Lease time.Duration
	// Prefix begins the names of the tables. Empty means "toolloop_". Prefix becomes part of
	// the SQL unchanged, so it must not come from outside.
	Prefix string
	// MaxBytes bounds the JSON of the events of a session that is opened. A larger session
	// is a [journal.SizeError]. A run that has begun may exceed MaxBytes. Zero means
	// 512 MiB, -1 means no limit.
	MaxBytes int64

	group   group   // shares transactions of SQLite
	gate    gate    // in front of the pool of PostgreSQL
	renewer renewer // of the leases
	monitor monitor // of the connections to PostgreSQL

	texts sync.Map // the completed statements; see Journal.sql
}

const (
	defaultLease  = 30 * time.Second
	shortestLease = 50 * time.Millisecond
)

// storeTimeout bounds database operations that have no context of a caller.
const storeTimeout = 10 * time.Second

func (j *Journal) lease() time.Duration { return cmp.Or(j.Lease, defaultLease) }

// Open implements [journal.Journal]. Open finds damage that shows in the number of events;
// reading checks the events themselves. PostgreSQL accepts names up to about 2,600 bytes.
func (j *Journal) Open(ctx context.Context, session string) (journal.Log, error) {
	if err := j.check(); err != nil {
		return nil, err
	}
	if err := journal.CheckName(session); err != nil {
		return nil, err
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	l := &log{journal: j, session: session, owner: rand.Text()}
	l.ctx, l.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	if err := l.acquire(ctx); err != nil {
		l.cancel(err)
		return nil, err
	}
	j.register(l)
	return l, nil
}

// check checks the fields.
func (j *Journal) check() error {
	switch {
	case j.Dialect != SQLite && j.Dialect != Postgres:
		return fmt.Errorf("sqljournal: Dialect is %q", j.Dialect)
	case j.DB == nil:
		return errors.New("sqljournal: DB is nil")
	case j.lease() < shortestLease:
		return fmt.Errorf("sqljournal: Lease is %v, the shortest is %v", j.Lease, shortestLease)
	}
	return nil
}

// write runs do, which changes the database: with PostgreSQL by one statement, with
// SQLite by the statements of one transaction. Without sync, a SQLite transaction does not
// wait for the disk. With PostgreSQL the statement itself says whether to wait.
func (j *Journal) write(ctx context.Context, sync bool, do func(ctx context.Context, to execer) error) error {
	if j.Dialect == Postgres {
		return j.postgres(ctx, do)
	}
	return j.group.write(ctx, j.DB, sync, do)
}

// repeatable is like write, for a change that may happen twice. It runs do again if the
// connection breaks.
func (j *Journal) repeatable(ctx context.Context, do func(ctx context.Context, to execer) error) error {
	return retry(ctx, func() error { return j.write(ctx, true, do) })
}

// read runs do, which only reads. It runs do again if the connection breaks.
func (j *Journal) read(ctx context.Context, do func(ctx context.Context, from execer) error) error {
	if j.Dialect == Postgres {
		return retry(ctx, func() error { return j.postgres(ctx, do) })
	}
	return do(ctx, j.DB)
}

// Close closes the pool. Close the logs first: a session whose log is open stays taken
// until its lease has run out.
func (j *Journal) Close() error {
	j.stopRenewer(true)
	return j.DB.Close()
}
