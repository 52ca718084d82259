package sqljournal

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// Journal is a [journal.Journal] in a database. Make one with [OpenSQLite] or
// [OpenPostgres], or as a literal around a pool of your own, with [Journal.Migrate]
// before the first use. It is safe for concurrent use once its fields are set.
type Journal struct {
	// DB is the pool. A Journal that was made as a literal does not close it.
	DB *sql.DB
	// Dialect is the database's.
	Dialect Dialect
	// Lease is how long a session stays taken after its worker was heard of
	// last; it is heard of three times as often. Zero: 30 seconds. A worker that
	// dies holds a session up for this long.
	Lease time.Duration
	// Prefix begins the names of the tables. Empty: "toolloop_". It is part of
	// the SQL as it stands, and must not come from outside.
	Prefix string
}

const defaultLease = 30 * time.Second

// storeBound is how long a journal may take for something that nobody waits for.
const storeBound = 10 * time.Second

func (j *Journal) lease() time.Duration { return cmp.Or(j.Lease, defaultLease) }

// Open implements [journal.Journal].
func (j *Journal) Open(ctx context.Context, session string) (journal.Log, error) {
	if err := journal.CheckName(session); err != nil {
		return nil, err
	}
	if j.Lease < 0 {
		return nil, fmt.Errorf("sqljournal: Lease is %v", j.Lease)
	}
	l := &log{journal: j, session: session, owner: rand.Text(), done: make(chan struct{})}
	asked := time.Now()
	switch err := j.DB.QueryRowContext(ctx, j.sql(take), session, l.owner, j.lease().Milliseconds()).Scan(&l.last); {
	case errors.Is(err, sql.ErrNoRows):
		return nil, &journal.BusyError{Session: session}
	case err != nil:
		return nil, &journal.StoreError{Session: session, Err: err}
	}
	l.ctx, l.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	go l.renew(asked) // until Close, which waits for it
	return l, nil
}

// Sessions yields the names of the sessions, in the order of their names. An error
// is the last pair.
func (j *Journal) Sessions(ctx context.Context) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for after := ""; ; {
			names, err := j.page(ctx, after)
			if err != nil {
				yield("", fmt.Errorf("sqljournal: %w", err))
				return
			}
			for _, name := range names {
				if !yield(name, nil) {
					return
				}
			}
			if len(names) < pageSize {
				return
			}
			after = names[len(names)-1]
		}
	}
}

// page returns some names after one. No connection is held while the caller looks
// at them.
func (j *Journal) page(ctx context.Context, after string) (names []string, err error) {
	rows, err := j.DB.QueryContext(ctx, j.sql(list), after, pageSize)
	if err != nil {
		return nil, err
	}
	defer func() { err = cmp.Or(err, rows.Close()) }()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

// Close closes the pool.
func (j *Journal) Close() error { return j.DB.Close() }
