package sqljournal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"iter"

	"github.com/seed-916e8f6a/toolloop/internal/opening"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// pageSize is how many rows are read by one statement, and pageBytes about how
// much of them.
const (
	pageSize  = 200
	pageBytes = 8 << 20
)

// size is how much the rows hold.
func size(rows []row) (n int64) {
	for _, r := range rows {
		n += int64(len(r.body))
	}
	return n
}

// row is what is kept of an event.
type row struct {
	body string // its JSON
	sum  int64  // CRC-32C of the body
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func sum(body []byte) int64 { return int64(crc32.Checksum(body, castagnoli)) }

// encode makes the rows before a transaction begins, which keeps it short.
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

// EventsAfter is the method that [journal.Log] describes.
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

// position is that of the last event.
func (l *log) position() (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return 0, errClosed
	}
	return l.last, nil
}

// page returns some events, one at least, and perhaps an error after them. No
// connection is held while they are decoded and the caller looks at them.
func (l *log) page(ctx context.Context, next, last int64) (events []event.Event, err error) {
	var kept []keptRow
	err = l.journal.read(ctx, func(ctx context.Context, from execer) (err error) {
		kept, err = readRows(from.QueryContext(ctx, l.journal.sql(read), l.session, next, last, pageSize))
		return err
	})
	for _, r := range kept {
		opening.Progress(ctx)
		e, err := l.decode(next+int64(len(events)), r)
		if err != nil {
			return events, err
		}
		events = append(events, e)
	}
	switch {
	case err != nil:
		return events, l.failed(next+int64(len(events)), err)
	case len(events) == 0:
		return nil, l.corrupt(next, "it is missing")
	}
	return events, nil
}

// keptRow is a row as the database has it.
type keptRow struct {
	seq, sum int64
	body     []byte
}

// readRows reads rows until there is enough of them.
func readRows(rows *sql.Rows, err error) (kept []keptRow, _ error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for size := 0; size < pageBytes && rows.Next(); {
		var r keptRow
		if err := rows.Scan(&r.seq, &r.body, &r.sum); err != nil {
			return kept, err
		}
		size += len(r.body)
		kept = append(kept, r)
	}
	return kept, rows.Err()
}

// decode reads a row that is to be that of an event. An event that is whole and
// cannot be read is one of a newer version.
func (l *log) decode(want int64, r keptRow) (e event.Event, err error) {
	switch {
	case r.seq != want:
		return e, l.corrupt(want, "it is missing")
	case r.sum != sum(r.body):
		return e, l.corrupt(want, "the checksum does not match")
	}
	opening.Decode(func() { err = json.Unmarshal(r.body, &e) })
	if err != nil {
		return event.Event{}, l.failed(want, err)
	}
	if e.Seq != want {
		return event.Event{}, l.corrupt(want, fmt.Sprintf("the row is that of event %d", e.Seq))
	}
	return e, nil
}

// intact says whether there are as many events as the session has, at their
// places, and no more than are to be opened.
func (l *log) intact(ctx context.Context) error {
	var owner string
	var bytes, n, wrong int64
	err := l.journal.read(ctx, func(ctx context.Context, from execer) error {
		return from.QueryRowContext(ctx, l.journal.sql(count), l.session).Scan(&owner, &l.last, &bytes, &n, &wrong)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows) || err == nil && owner != l.owner:
		return l.busy() // the lease has run out, and somebody else took it
	case err != nil:
		return l.failed(0, err)
	case wrong > 0 && wrong <= l.last:
		return l.corrupt(wrong, "it is missing")
	case n < l.last:
		return l.corrupt(n+1, "it is missing")
	case n > l.last:
		return l.corrupt(l.last+1, fmt.Sprintf("it lies behind the session's end, which is %d", l.last))
	}
	return journal.CheckSize(l.session, bytes, l.journal.MaxBytes)
}

func (l *log) corrupt(seq int64, reason string) error {
	return &journal.CorruptError{
		Session: l.session, Seq: seq, Place: fmt.Sprintf("table %s, seq %d", l.journal.table("events"), seq), Reason: reason,
	}
}

// failed is the error of the database about an event; 0: about none.
func (l *log) failed(seq int64, err error) error {
	if _, ok := errors.AsType[*journal.ConflictError](err); ok {
		return err
	}
	if sqliteDamaged(err) || postgresDamaged(err) {
		return l.corrupt(max(seq, 1), err.Error())
	}
	return &journal.StoreError{Session: l.session, Seq: seq, Err: err}
}
