package queue

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
)

// Others are requests that other processes have, or had when they died.
type Others struct {
	Count int
	// Free is how long it takes until the first of them is free, since its lease is
	// not renewed any more: its process died, or hangs. Zero: each is renewed, by
	// processes with the lease that this one has.
	Free time.Duration
}

// others looks who has the requests that are running.
func (s *shift) others(ctx context.Context) (o Others, err error) {
	rows, err := s.Queue.journal.DB.QueryContext(ctx, s.Queue.leases())
	if err != nil {
		return o, fmt.Errorf("queue: %w", err)
	}
	defer func() { err = cmp.Or(err, rows.Close()) }()
	for rows.Next() {
		var id, left int64
		if err := rows.Scan(&id, &left); err != nil {
			return o, fmt.Errorf("queue: %w", err)
		}
		if s.ours(id) {
			continue
		}
		o.Count++
		// A lease is renewed when a third of it is over.
		if free := time.Duration(left) * time.Millisecond; free < s.Queue.lease()/2 && (o.Free == 0 || free < o.Free) {
			o.Free = free
		}
	}
	return o, rows.Err()
}

// leases selects the requests that somebody has, and for how many milliseconds
// more.
func (q *Queue) leases() string {
	now := `CAST(unixepoch('subsec') * 1000 AS INTEGER)`
	if q.journal.Dialect == sqljournal.Postgres {
		now = `CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)`
	}
	return `SELECT r.id, s.expires - ` + now + ` FROM requests r JOIN ` + q.table("sessions") + ` s ON s.name = 'request-' || r.id
		WHERE r.state = 'running' AND s.owner <> '' AND s.expires > ` + now
}

// table is the name of one of the journal's tables.
func (q *Queue) table(name string) string { return cmp.Or(q.journal.Prefix, "toolloop_") + name }

// lease is the journal's.
func (q *Queue) lease() time.Duration { return cmp.Or(q.journal.Lease, 30*time.Second) }

// ours reports whether one of us has a request.
func (s *shift) ours(id int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mine[id]
}

// tellHeld reports, once, that a request stays somebody else's.
func (s *shift) tellHeld(n int, r Request) {
	s.mu.Lock()
	since, known := s.since[r.ID]
	if !known {
		since = time.Now()
		s.since[r.ID] = since
	}
	long := !since.IsZero() && time.Since(since) >= s.Queue.lease()
	if long {
		s.since[r.ID] = time.Time{}
	}
	s.mu.Unlock()
	if long {
		s.report(Report{Worker: n, Request: r, Elsewhere: true})
	}
}

// found takes note that a request is ours.
func (s *shift) found(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.since, id)
	s.mine[id] = true
}
