package sqljournal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/crc32"
	"iter"

	"github.com/seed-916e8f6a/toolloop/internal/opening"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// A statement reads at most pageSize rows, and stops after about pageBytes bytes.
const (
	pageSize  = 1000
	pageBytes = 8 << 20
)

// bodyBytes returns the length of all bodies.
func bodyBytes(rows []row) (n int64) {
	for _, r := range rows {
		n += int64(len(r.body))
	}
	return n
}

// row is an event as a row of the table.
type row struct {
	body string // the JSON of the event
	sum  int64  // CRC-32C of the body
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func sum(body []byte) int64 { return int64(crc32.Checksum(body, castagnoli)) }

// encode makes the rows. It runs before a transaction begins, so the transaction is short.
func encode(events []event.Event) ([]row, error) {
	rows := make([]row, len(events))
	for i, e := range events {
		body, err := e.MarshalJSON()
		if err != nil {
			return nil, err
		}
		rows[i] = row{string(body), sum(body)}
	}
	return rows, nil
}

// Events implements [journal.Log].
func (l *log) Events(ctx context.Context) iter.Seq2[event.Event, error] {
	return l.EventsAfter(ctx, 0)
}

// EventsAfter implements the optional method of [journal.Log].
func (l *log) EventsAfter(ctx context.Context, after int64) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		last, err := l.position()
		if err == nil {
			err = context.Cause(ctx)
		}
		for next := max(after, 0) + 1; err == nil && next <= last; {
			var events []event.Event
			events, err = l.page(ctx, next, last)
			for _, e := range events {
				if !yield(e, nil) {
					return
				}
			}
			next += int64(len(events))
		}
		if err != nil {
			yield(event.Event{}, err)
		}
	}
}

// position returns the Seq of the last event.
func (l *log) position() (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, errClosed
	}
	return l.last, nil
}

// page returns events from position next on, and an error if reading stopped early. Without
// an error there is at least one event. page holds no connection while it decodes events.
func (l *log) page(ctx context.Context, next, last int64) (events []event.Event, err error) {
	p := place{l.journal, l.session}
	events, err = p.page(ctx, next, last)
	if err == nil && len(events) == 0 {
		return nil, p.corrupt(next, "it is missing")
	}
	return events, err
}

// A place is a session in a database, whether or not its log is open.
type place struct {
	journal *Journal
	session string
}

// page returns events from position next on, and an error if reading stopped early.
func (p place) page(ctx context.Context, next, last int64) (events []event.Event, err error) {
	var stored []storedRow
	err = p.journal.read(ctx, func(ctx context.Context, from execer) (err error) {
		stored, err = scanRows(from.QueryContext(ctx, p.journal.sql(readEvents), p.session, next, last, pageSize))
		return err
	})
	for _, r := range stored {
		opening.Progress(ctx)
		e, err := p.decode(next+int64(len(events)), r)
		if err != nil {
			return events, err
		}
		events = append(events, e)
	}
	if err != nil {
		return events, p.storeError(next+int64(len(events)), err)
	}
	return events, nil
}

// storedRow is a row of the table.
type storedRow struct {
	seq, sum int64
	body     []byte
}

// scanRows reads rows up to about pageBytes bytes.
func scanRows(rows *sql.Rows, err error) (stored []storedRow, _ error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for size := 0; size < pageBytes && rows.Next(); {
		var r storedRow
		if err := rows.Scan(&r.seq, &r.body, &r.sum); err != nil {
			return stored, err
		}
		size += len(r.body)
		stored = append(stored, r)
	}
	return stored, rows.Err()
}

// decode checks a row against its position and decodes the event. If the checksum is right
// and the event cannot be decoded, a newer version of the library wrote the row: a
// StoreError, because nothing is damaged.
func (p place) decode(want int64, r storedRow) (e event.Event, err error) {
	switch {
	case r.seq != want:
		return e, p.corrupt(want, "it is missing")
	case r.sum != sum(r.body):
		return e, p.corrupt(want, "the checksum does not match")
	}
	opening.Decode(func() { err = e.UnmarshalJSON(r.body) })
	if err != nil {
		return event.Event{}, p.storeError(want, err)
	}
	if e.Seq != want {
		return event.Event{}, p.corrupt(want, fmt.Sprintf("the row is that of event %d", e.Seq))
	}
	return e, nil
}

// verify checks that the number of stored events is the position of the session, that no
// position is missing, and that the session is not above the size limit.
func (l *log) verify(ctx context.Context) error {
	var owner string
	var bytes, n, low, high, wrong int64
	err := l.journal.read(ctx, func(ctx context.Context, from execer) error {
		return from.QueryRowContext(ctx, l.journal.sql(checkEvents), l.session).Scan(&owner, &l.last, &bytes, &n, &low, &high, &l.states)
	})
	if err == nil && owner == l.owner && n == l.last && low == 1 && high == l.last {
		return journal.CheckSize(l.session, bytes, l.journal.MaxBytes)
	}
	err = l.journal.read(ctx, func(ctx context.Context, from execer) error {
		return from.QueryRowContext(ctx, l.journal.sql(countEvents), l.session).Scan(&owner, &l.last, &bytes, &n, &wrong)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && owner != l.owner:
		return l.busy() // the lease has already run out, and another worker took it
	case err != nil:
		return l.storeError(0, err)
	case wrong > 0 && wrong <= l.last:
		return l.corrupt(wrong, "it is missing")
	case n < l.last:
		return l.corrupt(n+1, "it is missing")
	case n > l.last:
		return l.corrupt(l.last+1, fmt.Sprintf("it lies behind the session's end, which is %d", l.last))
	}
	return journal.CheckSize(l.session, bytes, l.journal.MaxBytes)
}

func (p place) corrupt(seq int64, reason string) error {
	return &journal.CorruptError{
		Session: p.session, Seq: seq, Place: fmt.Sprintf("table %s, seq %d", p.journal.table("events"), seq), Reason: reason,
	}
}

// storeError wraps an error of the database. seq is the position of the first event of
// the operation, or 0 for opening and closing.
func (p place) storeError(seq int64, err error) error {
	if _, ok := errors.AsType[*journal.ConflictError](err); ok {
		return err
	}
	if sqliteDamaged(err) || postgresDamaged(err) {
		return p.corrupt(max(seq, 1), err.Error())
	}
	return &journal.StoreError{Session: p.session, Seq: seq, Err: err}
}

func (l *log) corrupt(seq int64, reason string) error {
	return place{l.journal, l.session}.corrupt(seq, reason)
}

func (l *log) storeError(seq int64, err error) error {
	return place{l.journal, l.session}.storeError(seq, err)
}
