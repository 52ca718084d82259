package sqljournal

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// List implements [journal.Reader]. It reads 1,000 sessions in one statement, and holds no
// connection while the caller uses them.
func (j *Journal) List(ctx context.Context, f journal.Filter) iter.Seq2[journal.Summary, error] {
	return func(yield func(journal.Summary, error) bool) {
		for from, but := max(f.Prefix, f.After), f.After; ; {
			rows, err := j.sessions(ctx, from, but)
			if err != nil {
				yield(journal.Summary{}, fmt.Errorf("sqljournal: %w", err))
				return
			}
			for _, r := range rows {
				if !strings.HasPrefix(r.name, f.Prefix) {
					return // the names are in order
				}
				s, err := j.summaryOf(ctx, r.name, r.seq, r.summary)
				if err != nil {
					s = journal.Summary{Session: r.name}
				}
				if (err != nil || f.Fits(s)) && !yield(s, err) {
					return
				}
			}
			if len(rows) < pageSize {
				return
			}
			from, but = rows[len(rows)-1].name, rows[len(rows)-1].name
		}
	}
}

// sessionRow is a row of the table of sessions.
type sessionRow struct {
	name    string
	seq     int64
	summary string
}

// sessions returns a page of sessions.
func (j *Journal) sessions(ctx context.Context, from, but string) (page []sessionRow, err error) {
	if err := cmp.Or(j.check(), context.Cause(ctx)); err != nil {
		return nil, err
	}
	err = j.read(ctx, func(ctx context.Context, db execer) (err error) {
		page = nil
		rows, err := db.QueryContext(ctx, j.sql(listSessions), from, but, pageSize)
		if err != nil {
			return err
		}
		defer func() { err = cmp.Or(err, rows.Close()) }()
		for rows.Next() {
			var r sessionRow
			if err := rows.Scan(&r.name, &r.seq, &r.summary); err != nil {
				return err
			}
			page = append(page, r)
		}
		return rows.Err()
	})
	return page, err
}

// summaryOf returns the summary of a session from its stored form, or from the events if
// the stored form is stale.
func (j *Journal) summaryOf(ctx context.Context, session string, seq int64, stored string) (s journal.Summary, err error) {
	if seq == 0 {
		return journal.Summary{Session: session}, nil
	}
	if json.Unmarshal([]byte(stored), &s) == nil && s.Seq == seq && s.Session == session {
		return s, nil
	}
	const piece = 256
	p, s := place{j, session}, journal.Summary{Session: session}
	var events []event.Event
	for last := seq; last > 0; last -= piece {
		page, err := p.page(ctx, max(1, last-piece+1), last)
		if err != nil {
			return s, err
		}
		events = append(page, events...)
		begin := slices.IndexFunc(page, func(e event.Event) bool { _, ok := e.Body.(event.RunStarted); return ok && e.Path == "" })
		if begin >= 0 {
			break
		}
	}
	for _, e := range events {
		s.Add(e)
	}
	return s, nil
}

// Read implements [journal.Reader].
func (j *Journal) Read(ctx context.Context, session string, after int64) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		_, _, err := j.readOn(ctx, session, after, yield)
		if err != nil {
			yield(event.Event{}, err)
		}
	}
}

// The time between two looks of Watch.
const (
	watchPause  = 50 * time.Millisecond
	longestLook = time.Second
)

// Watch implements [journal.Reader]. It looks for new events: 20 times a second while
// events come, and once a second after a while without events.
func (j *Journal) Watch(ctx context.Context, session string, after int64) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		var more bool
		var err error
		for pause := watchPause; ; {
			before := after
			if after, more, err = j.readOn(ctx, session, after, yield); !more || err != nil {
				break
			}
			if pause = min(pause*11/10, longestLook); after > before {
				pause = watchPause
			}
			timer := time.NewTimer(pause)
			select {
			case <-timer.C:
				continue
			case <-ctx.Done():
				timer.Stop()
				err = context.Cause(ctx)
			}
			break
		}
		if err != nil {
			yield(event.Event{}, err)
		}
	}
}

// readOn yields the events behind a position, up to the last event now. It returns the
// position of the last event, and whether the caller of the sequence has stayed.
func (j *Journal) readOn(ctx context.Context, session string, after int64, yield func(event.Event, error) bool) (_ int64, more bool, err error) {
	if err := cmp.Or(j.check(), journal.CheckName(session), context.Cause(ctx)); err != nil {
		return after, false, err
	}
	after = max(after, 0)
	if after == math.MaxInt64 {
		return after, true, nil
	}
	p := place{j, session}
	last, err := p.position(ctx)
	if err != nil {
		return after, false, err
	}
	for after < last {
		events, err := p.page(ctx, after+1, last)
		if err == nil && len(events) == 0 {
			err = p.corrupt(after+1, "it is missing")
		}
		for _, e := range events {
			if after++; !yield(e, nil) {
				return after, false, nil
			}
		}
		if err != nil {
			return after, false, err
		}
	}
	return after, true, nil
}

// position returns the position of a session.
func (p place) position(ctx context.Context) (last int64, err error) {
	err = p.journal.read(ctx, func(ctx context.Context, from execer) error {
		rows, err := from.QueryContext(ctx, p.journal.sql(readOwner), p.session)
		if err != nil {
			return err
		}
		defer rows.Close()
		last = 0
		var owner string
		if rows.Next() {
			err = rows.Scan(&owner, &last)
		}
		return cmp.Or(err, rows.Err())
	})
	if err != nil {
		return 0, p.storeError(0, err)
	}
	return last, nil
}
