package sqljournal

import (
	"context"
	"database/sql"
	"encoding/json"
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

// unknownOutcomeError is the error of a write that the database may have committed.
type unknownOutcomeError struct{ error }

func (e *unknownOutcomeError) Unwrap() error { return e.error }

// log is an opening of a session.
type log struct {
	journal *Journal
	session string
	ctx     context.Context // ends with the lease; Log.Context hands it out
	cancel  context.CancelCauseFunc
	// granted is the time of the last request that the database granted: the lease, or an
	// append, because an append renews the lease.
	granted  atomic.Pointer[time.Time]
	renewErr atomic.Pointer[error] // of the last failed renewal; nil if no renewal failed

	mu   sync.Mutex // guards the fields below, and is held during an append
	last int64      // Seq of the last event
	// summary is the summary of the session up to the last event
	summary journal.Summary
	states  int64 // number of the saved states of the session: 0 or 1
	closed  bool  // Close was called

	// leaseMu guards changes of owner, and is held while the owner changes: a renewal must
	// not take a change for a loss. A goroutine that needs both locks takes mu first.
	leaseMu sync.Mutex
	owner   string // differs between all openings; read under mu or leaseMu, changed under both
}

// Context implements [journal.Log]. Its Err compares the lease with the clock.
func (l *log) Context() context.Context { return leaseContext{l.ctx, l} }

// Append implements [journal.Log]. Every append is a transaction of its own. An append
// without sync is in the database, but does not wait for the disk; the next synced append
// waits for both. The settings of the database decide how durable a synced append is.
func (l *log) Append(ctx context.Context, sync bool, events ...event.Event) error {
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
	next := l.summary
	if err == nil {
		for _, e := range events {
			next.Add(e)
		}
		err = l.write(ctx, sync, rows, next)
	}
	if err != nil {
		return l.storeError(l.last+1, err)
	}
	l.extend(asked)
	l.last += int64(len(events))
	l.summary = next
	return nil
}

// write moves the position of the session and adds the rows. The database moves the
// position only for the owner of the lease, and only from the position that the owner
// believes in.
func (l *log) write(ctx context.Context, sync bool, rows []row, summary journal.Summary) error {
	text, err := json.Marshal(summary)
	if err != nil {
		return err
	}
	write := l.writeSQLite
	if l.journal.Dialect == Postgres {
		write = l.writePostgres
	}
	for n := 1; ; n++ {
		moved, err := write(ctx, sync, rows, string(text))
		broken, unknown := errors.AsType[*unknownOutcomeError](err)
		switch {
		case !unknown && err == nil && !moved:
			return l.refusal(ctx)
		case !unknown:
			return err
		}
		added, err := l.findOutcome(int64(len(rows)), broken.error)
		if added || l.ctx.Err() != nil || l.journal.Dialect == SQLite || n == attempts || ctx.Err() != nil {
			return err
		}
	}
}

// findOutcome asks the database whether it added n rows, after a connection broke during
// the append. A plain SELECT could not tell: the server may still be working on the
// append, or may not have begun. Therefore findOutcome changes the owner of the lease.
// The change waits for an open transaction of this session, and an append that the server
// begins later fails, because the append names the old owner. After an error the rows were
// not added, or the log is over.
func (l *log) findOutcome(n int64, cause error) (added bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), storeTimeout)
	defer cancel()
	last, err := l.changeOwner(ctx)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, l.fail(fmt.Errorf("%w; %w", errLost, cause))
	case err != nil:
		return false, l.fail(fmt.Errorf("%w; and whether it was added is not known: %w", cause, err))
	case last == l.last+n:
		return true, nil
	case last == l.last:
		return false, cause
	}
	return false, l.fail(fmt.Errorf("%w; %w", cause, &journal.ConflictError{Session: l.session, Want: last + 1, Got: l.last + 1}))
}

// refusal returns the reason why the database did not move the position.
func (l *log) refusal(ctx context.Context) error {
	var owner string
	var last int64
	err := l.journal.read(ctx, func(ctx context.Context, from execer) error {
		return from.QueryRowContext(ctx, l.journal.sql(readOwner), l.session).Scan(&owner, &last)
	})
	switch {
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return err
	case err == nil && owner == l.owner:
		return l.fail(&journal.ConflictError{Session: l.session, Want: last + 1, Got: l.last + 1})
	}
	return l.fail(errLost)
}

// fail ends the log and its context.
func (l *log) fail(cause error) error {
	l.cancel(l.storeError(l.last+1, fmt.Errorf("the log is over: %w", cause)))
	return cause
}

func affected(r sql.Result) int64 {
	n, err := r.RowsAffected()
	if err != nil {
		return 0
	}
	return n
}

// Close implements [journal.Log]. Close waits for a running append. A session without
// events leaves nothing in the database.
func (l *log) Close() error {
	if !l.close() {
		return nil
	}
	l.journal.unregister(l)
	if err := l.release(storeTimeout); err != nil {
		l.journal.releaseLater(l)
		return l.storeError(0, fmt.Errorf("the session stays taken for up to %v: its lease could not be given back: %w", l.journal.lease(), err))
	}
	if l.last > 0 {
		return nil
	}
	if err := l.deleteEmpty(); err != nil {
		return l.storeError(0, err)
	}
	return nil
}

// close ends the log for this process. It returns false if the log was closed before.
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
