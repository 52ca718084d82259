package sqljournal

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// pageSize is how many rows are read, and written, by one statement.
const pageSize = 200

var (
	errClosed = errors.New("sqljournal: the log is closed")
	errLost   = errors.New("sqljournal: the lease is lost: another worker has taken the session, or may have")
)

// log is one opening of a session.
type log struct {
	journal *Journal
	session string
	owner   string          // differs between all openings
	ctx     context.Context // ends with the lease; Log.Context hands it out
	cancel  context.CancelCauseFunc
	done    chan struct{} // closed when renew has ended

	mu     sync.Mutex
	last   int64 // Seq of the last event
	closed bool  // Close was called
}

func (l *log) Context() context.Context { return l.ctx }

// renew keeps the lease. It ends it for this process before it can end in the
// database.
func (l *log) renew(heard time.Time) {
	defer close(l.done)
	lease := l.journal.lease()
	ticker := time.NewTicker(lease / 3)
	defer ticker.Stop()
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-ticker.C:
		}
		asked := time.Now()
		ctx, cancel := context.WithDeadline(l.ctx, heard.Add(lease))
		result, err := l.journal.DB.ExecContext(ctx, l.journal.sql(renew), l.session, l.owner, lease.Milliseconds())
		cancel()
		if err == nil && affected(result) == 0 {
			l.cancel(errLost)
			return
		}
		if err == nil {
			heard = asked
		} else if time.Since(heard) >= lease*2/3 {
			l.cancel(fmt.Errorf("%w: %w", errLost, err))
			return
		}
	}
}

func affected(r sql.Result) int64 {
	n, err := r.RowsAffected()
	if err != nil {
		return 0
	}
	return n
}

// Events implements [journal.Log].
func (l *log) Events(ctx context.Context) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		for next := int64(1); ; {
			events, err := l.read(ctx, next)
			for _, e := range events {
				if !yield(e, nil) {
					return
				}
			}
			next += int64(len(events))
			if err != nil {
				yield(event.Event{}, l.readError(next, err))
				return
			}
			if len(events) < pageSize {
				return
			}
		}
	}
}

// read returns the events of some rows, and perhaps an error after them. No
// connection is held while the caller looks at them.
func (l *log) read(ctx context.Context, from int64) (events []event.Event, err error) {
	rows, err := l.journal.DB.QueryContext(ctx, l.journal.sql(read), l.session, from, pageSize)
	if err != nil {
		return nil, err
	}
	defer func() { err = cmp.Or(err, rows.Close()) }()
	for rows.Next() {
		var seq int64
		var body string
		if err := rows.Scan(&seq, &body); err != nil {
			return events, err
		}
		var e event.Event
		want := from + int64(len(events))
		if err := json.Unmarshal([]byte(body), &e); err != nil {
			return events, l.corrupt(want, seq, err.Error())
		}
		if seq != want || e.Seq != want {
			return events, l.corrupt(want, seq, fmt.Sprintf("it says that it is event %d", e.Seq))
		}
		events = append(events, e)
	}
	if err := rows.Err(); err != nil {
		return events, err
	}
	if missing := from + int64(len(events)); len(events) < pageSize && missing <= l.position() {
		return events, l.corrupt(missing, missing, "it is missing")
	}
	return events, nil
}

func (l *log) position() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

func (l *log) corrupt(want, seq int64, reason string) error {
	return &journal.CorruptError{
		Session: l.session, Seq: want, Place: fmt.Sprintf("table %s, seq %d", l.journal.table("events"), seq), Reason: reason,
	}
}

func (l *log) readError(next int64, err error) error {
	if _, damaged := errors.AsType[*journal.CorruptError](err); damaged {
		return err
	}
	return &journal.StoreError{Session: l.session, Seq: next, Err: err}
}

// Append implements [journal.Log]. Every append is a transaction of its own, and
// durable as far as the database is set up to be.
func (l *log) Append(ctx context.Context, _ bool, events ...event.Event) error {
	if l.ctx.Err() != nil {
		return context.Cause(l.ctx)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, e := range events {
		if want := l.last + int64(i) + 1; e.Seq != want {
			return &journal.ConflictError{Session: l.session, Want: want, Got: e.Seq}
		}
	}
	if len(events) == 0 {
		return context.Cause(ctx)
	}
	bodies, err := encode(events)
	if err != nil {
		return &journal.StoreError{Session: l.session, Seq: events[0].Seq, Err: err}
	}
	if err := l.write(ctx, events[0].Seq, bodies); err != nil {
		return l.writeError(events[0].Seq, err)
	}
	l.last += int64(len(events))
	return nil
}

// encode writes the events before the transaction begins, which keeps it short.
func encode(events []event.Event) ([]string, error) {
	bodies := make([]string, len(events))
	for i, e := range events {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(e); err != nil {
			return nil, err
		}
		bodies[i] = strings.TrimSuffix(b.String(), "\n")
	}
	return bodies, nil
}

// write moves the session's position, which only the holder of the lease can from
// where it believes it to be, and adds the events.
func (l *log) write(ctx context.Context, first int64, bodies []string) error {
	tx, err := l.journal.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	last := first + int64(len(bodies)) - 1
	moved, err := tx.ExecContext(ctx, l.journal.sql(move), l.session, l.owner, first-1, last, l.journal.lease().Milliseconds())
	if err != nil {
		return err
	}
	if affected(moved) == 0 {
		return l.refused(ctx, tx, first)
	}
	for at := 0; at < len(bodies); at += pageSize {
		some := bodies[at:min(at+pageSize, len(bodies))]
		args := []any{l.session}
		for i, body := range some {
			args = append(args, first+int64(at+i), body)
		}
		if _, err := tx.ExecContext(ctx, l.journal.sql(insert(len(some))), args...); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// refused says why the position could not be moved.
func (l *log) refused(ctx context.Context, tx *sql.Tx, first int64) error {
	var owner string
	var last int64
	err := tx.QueryRowContext(ctx, l.journal.sql(look), l.session).Scan(&owner, &last)
	switch {
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return err
	case err == nil && owner == l.owner:
		return &journal.ConflictError{Session: l.session, Want: last + 1, Got: first}
	}
	return errLost
}

// writeError is the error of an append. The transaction may have been committed
// all the same if the connection broke at its end: then the next append conflicts.
func (l *log) writeError(seq int64, err error) error {
	if _, conflict := errors.AsType[*journal.ConflictError](err); conflict {
		return err
	}
	if errors.Is(err, errLost) {
		l.cancel(errLost)
	}
	return &journal.StoreError{Session: l.session, Seq: seq, Err: err}
}

// Close implements [journal.Log].
func (l *log) Close() error {
	l.mu.Lock()
	closed := l.closed
	l.closed = true
	l.mu.Unlock()
	if closed {
		return nil
	}
	l.cancel(errClosed)
	<-l.done
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), storeBound)
	defer cancel()
	if _, err := l.journal.DB.ExecContext(ctx, l.journal.sql(give), l.session, l.owner); err != nil {
		return &journal.StoreError{Session: l.session, Err: err} // the lease will run out
	}
	return nil
}
