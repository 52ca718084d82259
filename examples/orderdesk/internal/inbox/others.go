package inbox

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
	// Free is the time until the first of these requests is free, because a dead or hung
	// process does not renew the lease. Zero means that all leases are renewed, by processes
	// with the same lease duration as this process.
	Free time.Duration
}

// others reads the leases of the running requests. held are requests that another process
// keeps for a whole lease. A request is in held only once.
func (s *shift) others(ctx context.Context) (o Others, held []int64, err error) {
	rows, err := s.Inbox.journal.DB.QueryContext(ctx, s.Inbox.leases())
	if err != nil {
		return o, nil, fmt.Errorf("inbox: %w", err)
	}
	defer func() { err = cmp.Or(err, rows.Close()) }()
	for rows.Next() {
		var session string
		var left int64
		if err := rows.Scan(&session, &left); err != nil {
			return o, nil, fmt.Errorf("inbox: %w", err)
		}
		mine, long := s.notice(idOf(session))
		if mine {
			continue
		}
		if long {
			held = append(held, idOf(session))
		}
		o.Count++
		// A process renews a lease after a third of its time.
		if free := time.Duration(left) * time.Millisecond; free < s.Inbox.lease()/2 && (o.Free == 0 || free < o.Free) {
			o.Free = free
		}
	}
	return o, held, rows.Err()
}

// notice notes the owner of a request: a worker of this process (mine), or another process,
// perhaps for a whole lease (long).
func (s *shift) notice(id int64) (mine, long bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.seats {
		if r.ID == id {
			return true, false
		}
	}
	since, known := s.since[id]
	if !known {
		since = time.Now()
		s.since[id] = since
	}
	if long = !since.IsZero() && time.Since(since) >= s.Inbox.lease(); long {
		s.since[id] = time.Time{}
	}
	return false, long
}

// leases selects the sessions of requests with a lease, and the milliseconds that remain.
func (in *Inbox) leases() string {
	now := `CAST(unixepoch('subsec') * 1000 AS INTEGER)`
	if in.journal.Dialect == sqljournal.Postgres {
		now = `CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)`
	}
	return `SELECT j.session, s.expires - ` + now + ` FROM ` + in.table("jobs") + ` j JOIN ` + in.table("sessions") + ` s ON s.name = j.session
		WHERE j.state = 'running' AND s.owner <> '' AND s.expires > ` + now
}

// table returns the name of a table of the journal.
func (in *Inbox) table(name string) string { return cmp.Or(in.journal.Prefix, "toolloop_") + name }

// lease returns the lease duration of the journal.
func (in *Inbox) lease() time.Duration { return cmp.Or(in.journal.Lease, 30*time.Second) }
