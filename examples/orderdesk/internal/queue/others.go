package queue

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
)

// Others describes the requests of the remaining processes, alive or dead.
type Others struct {
	Count int
	// Free is the time until the first of these requests is free, because a dead or
	// hung process does not renew the lease. Zero means that all leases are
	// renewed, by processes with the same lease duration as this process.
	Free time.Duration
}

// others reads the leases of the running requests.
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
		// A process renews a lease after a third of its time.
		if free := time.Duration(left) * time.Millisecond; free < s.Queue.lease()/2 && (o.Free == 0 || free < o.Free) {
			o.Free = free
		}
	}
	return o, rows.Err()
}

// leases selects the requests with a lease, and the milliseconds that remain.
func (q *Queue) leases() string {
	now := `CAST(unixepoch('subsec') * 1000 AS INTEGER)`
	if q.journal.Dialect == sqljournal.Postgres {
		now = `CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)`
	}
	return `SELECT r.id, s.expires - ` + now + ` FROM requests r JOIN ` + q.table("sessions") + ` s ON s.name = 'request-' || r.id
		WHERE r.state = 'running' AND s.owner <> '' AND s.expires > ` + now
}

// table returns the name of a table of the journal.
func (q *Queue) table(name string) string { return cmp.Or(q.journal.Prefix, "toolloop_") + name }

// lease returns the lease duration of the journal.
func (q *Queue) lease() time.Duration { return cmp.Or(q.journal.Lease, 30*time.Second) }

// ours reports whether a worker of this process has a request.
func (s *shift) ours(id int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mine[id]
}

// tellHeld reports, once, that a different process keeps a request.
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

// found records that this process has the request.
func (s *shift) found(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.since, id)
	s.mine[id] = true
}
