package sqljournal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

var (
	errClosed = errors.New("sqljournal: the log is closed")
	errLost   = errors.New("the lease is lost: another worker has taken the session, or may have")
)

// unsettledError is that of an append of which it is not known whether it was made.
type unsettledError struct{ error }

func (e *unsettledError) Unwrap() error { return e.error }

// log is one opening of a session.
type log struct {
	journal *Journal
	session string
	ctx     context.Context // ends with the lease; Log.Context hands it out
	cancel  context.CancelCauseFunc
	// heard is when the database was asked last for what it then granted: the
	// lease, or an append, which prolongs it.
	heard   atomic.Pointer[time.Time]
	trouble atomic.Pointer[error] // why the last renewal failed; nil: none has

	mu     sync.Mutex // guards what follows, and is held while an append goes on
	last   int64      // Seq of the last event
	closed bool       // Close was called

	// leaseMu guards changes of owner, and is held while the lease is renewed:
	// who renews it must not take a change for a loss. It comes after mu.
	leaseMu sync.Mutex
	owner   string // differs between all openings; read under mu or leaseMu, changed under both
}

// Context implements [journal.Log]. Its Err compares the lease with the clock.
func (l *log) Context() context.Context { return leaseContext{l.ctx, l} }

// Append implements [journal.Log]. Every append is a transaction of its own, and
// durable as far as the database is set up to be.
func (l *log) Append(ctx context.Context, _ bool, events ...event.Event) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := context.Cause(l.ctx); err != nil {
		return err
	}
	for i, e := range events {
		if want := l.last + int64(i) + 1; e.Seq != want {
			return &journal.ConflictError{Session: l.session, Want: want, Got: e.Seq}
		}
	}
	if len(events) == 0 {
		return nil
	}
	rows, err := encode(events)
	asked := time.Now()
	if err == nil {
		err = l.write(ctx, rows)
	}
	if err != nil {
		return l.failed(l.last+1, err)
	}
	l.hear(asked)
	l.last += int64(len(events))
	return nil
}

// write moves the session's position, which only the holder of the lease can from
// where it believes it to be, and adds the rows.
func (l *log) write(ctx context.Context, rows []row) error {
	write := l.writeSQLite
	if l.journal.Dialect == Postgres {
		write = l.writePostgres
	}
	for n := 1; ; n++ {
		moved, err := write(ctx, rows)
		broken, unsettled := errors.AsType[*unsettledError](err)
		switch {
		case !unsettled && err == nil && !moved:
			return l.refused(ctx)
		case !unsettled:
			return err
		}
		made, err := l.settle(int64(len(rows)), broken.error)
		if made || l.ctx.Err() != nil || l.journal.Dialect == SQLite || n == attempts || ctx.Err() != nil {
			return err
		}
	}
}

// settle finds out whether an append was made whose end nobody reported. It gives
// the lease another owner, which waits for a transaction that is still going on,
// and keeps out one that the database has received and not begun. With an error the
// append was not made; or the log is over.
func (l *log) settle(n int64, cause error) (made bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), storeBound)
	defer cancel()
	last, err := l.changeOwner(ctx)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, l.die(fmt.Errorf("%w; %w", errLost, cause))
	case err != nil:
		return false, l.die(fmt.Errorf("%w; and whether it was added is not known: %w", cause, err))
	case last == l.last+n:
		return true, nil
	case last == l.last:
		return false, cause
	}
	return false, l.die(fmt.Errorf("%w; %w", cause, &journal.ConflictError{Session: l.session, Want: last + 1, Got: l.last + 1}))
}

// refused says why the position could not be moved.
func (l *log) refused(ctx context.Context) error {
	var owner string
	var last int64
	err := l.journal.read(ctx, func(ctx context.Context, from execer) error {
		return from.QueryRowContext(ctx, l.journal.sql(look), l.session).Scan(&owner, &last)
	})
	switch {
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return err
	case err == nil && owner == l.owner:
		return l.die(&journal.ConflictError{Session: l.session, Want: last + 1, Got: l.last + 1})
	}
	return l.die(errLost)
}

// die ends the log's context, and with it the log.
func (l *log) die(cause error) error {
	l.cancel(l.failed(l.last+1, fmt.Errorf("the log is over: %w", cause)))
	return cause
}

func affected(r sql.Result) int64 {
	n, err := r.RowsAffected()
	if err != nil {
		return 0
	}
	return n
}

// Close implements [journal.Log]. It waits for an append that is going on. A
// session without events leaves nothing.
func (l *log) Close() error {
	if !l.close() {
		return nil
	}
	l.journal.unkeep(l)
	if err := l.give(storeBound); err != nil {
		l.journal.owe(l) // the lease is given back when it can be, or runs out
		return l.failed(0, fmt.Errorf("the session stays taken for up to %v: its lease could not be given back: %w", l.journal.lease(), err))
	}
	if l.last > 0 {
		return nil
	}
	if err := l.clear(); err != nil {
		return l.failed(0, err)
	}
	return nil
}

// close ends the log for this process. False: it was closed.
func (l *log) close() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	l.closed = true
	l.cancel(errClosed)
	return true
}
