package sqljournal

import (
	"context"
	"database/sql"
	"encoding/json"
	"sync"
	"time"
)

// A renewer renews the leases of all open logs of a Journal in one statement. The
// statement runs before waiting appends, on a connection of its own: a slow database then
// makes sessions slow, but does not take their leases away. The renewer also releases
// leases that could not be released when their logs closed. The zero renewer is ready.
// Its goroutine runs while there are leases to renew or to release.
type renewer struct {
	mu         sync.Mutex // guards the fields below
	logs       map[*log]struct{}
	unreleased map[string]*log // closed logs whose leases are not released, by session
	loop       *renewLoop      // nil: there is no goroutine
	closed     bool            // the Journal is closed, so no lease can be released any more
}

// A renewLoop is a goroutine of the renewer.
type renewLoop struct {
	stop context.CancelFunc
	done chan struct{} // closed when the goroutine has ended
	conn *sql.Conn     // to PostgreSQL; nil: not yet connected; used by the goroutine that renews
}

// register begins to renew the lease of a log.
func (j *Journal) register(l *log) {
	r := &j.renewer
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.logs == nil {
		r.logs = map[*log]struct{}{}
	}
	r.logs[l] = struct{}{}
	j.startRenewer(l)
}

// startRenewer starts the goroutine if there is none. The caller holds the renewer's mu.
func (j *Journal) startRenewer(l *log) {
	r := &j.renewer
	if r.loop == nil {
		ctx, stop := context.WithCancel(context.WithoutCancel(l.ctx))
		r.loop = &renewLoop{stop: stop, done: make(chan struct{})}
		go j.runRenewer(ctx, r.loop) // until stopRenewer
	}
}

// unregister ends the renewals of a log. The last log waits for the end of the goroutine.
func (j *Journal) unregister(l *log) {
	r := &j.renewer
	r.mu.Lock()
	delete(r.logs, l)
	r.mu.Unlock()
	j.stopRenewer(false)
}

// stopRenewer ends the goroutine and waits for its end, if there is nothing to renew or
// to release. With closing, the goroutine ends in any case.
func (j *Journal) stopRenewer(closing bool) {
	r := &j.renewer
	r.mu.Lock()
	if closing {
		r.closed = true
		clear(r.unreleased)
	}
	loop := r.loop
	idle := loop != nil && (closing || len(r.logs) == 0 && len(r.unreleased) == 0)
	if idle {
		r.loop = nil
	}
	r.mu.Unlock()
	if idle {
		loop.stop()
		<-loop.done
	}
}

// releaseLater notes that the renewer shall release the lease of a closed log as soon as
// the database is able to. On a full disk, for example, the database is not.
func (j *Journal) releaseLater(l *log) {
	r := &j.renewer
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || l.granted.Load() == nil { // without granted, the log never asked for a lease
		return
	}
	if r.unreleased == nil {
		r.unreleased = map[string]*log{}
	}
	r.unreleased[l.session] = l
	j.startRenewer(l)
}

// unreleasedOwner returns the owner of an unreleased lease of the session, which the next
// opening may take over. Without an unreleased lease it returns owner.
func (j *Journal) unreleasedOwner(session, owner string) string {
	r := &j.renewer
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.unreleased[session]; l != nil {
		return l.owner
	}
	return owner
}

// toRelease returns the logs whose leases are not released and have not run out.
func (r *renewer) toRelease() (all []*log) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for session, l := range r.unreleased {
		if elapsed(*l.granted.Load(), time.Now()) > l.journal.lease() {
			delete(r.unreleased, session)
			continue
		}
		all = append(all, l)
	}
	return all
}

// releaseAll releases leases until the first failure.
func (j *Journal) releaseAll(all []*log) {
	for _, l := range all {
		if l.release(releaseTimeout) != nil {
			return
		}
		j.renewer.mu.Lock()
		if j.renewer.unreleased[l.session] == l {
			delete(j.renewer.unreleased, l.session)
		}
		j.renewer.mu.Unlock()
	}
}

// open returns the open logs.
func (r *renewer) open() []*log {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]*log, 0, len(r.logs))
	for l := range r.logs {
		all = append(all, l)
	}
	return all
}

// runRenewer checks twelve times per lease which leases are due and which have expired.
// It also checks during a renewal, because a renewal can hang: SQLite waits for the lock
// of its file without regard to a context, and a shared transaction ends for all its
// writes together.
func (j *Journal) runRenewer(ctx context.Context, loop *renewLoop) {
	defer close(loop.done)
	defer loop.disconnect()
	tick := time.NewTicker(j.lease() / 12)
	defer tick.Stop()
	var renewing chan struct{} // nil: no renewal is running
	for {
		select {
		case <-ctx.Done():
			if renewing != nil {
				<-renewing
			}
			return
		case <-renewing:
			renewing = nil
		case <-tick.C:
			all, unreleased := j.renewer.open(), j.renewer.toRelease()
			for _, l := range all {
				l.expire(time.Since(*l.granted.Load()))
			}
			due := j.due(all)
			switch {
			case renewing != nil:
			case len(due) > 0 || len(unreleased) > 0:
				done := make(chan struct{})
				renewing = done
				go func() { // runRenewer waits for it
					defer close(done)
					j.renew(ctx, loop, due)
					j.releaseAll(unreleased)
				}()
			case len(all) == 0:
				go j.stopRenewer(false) // waits for this goroutine
			}
		}
	}
}

// A heldLease is a lease with the owner name that the database knows.
type heldLease struct {
	log   *log
	owner string
}

// due returns nothing until a third of some lease has passed. Then it returns every lease
// of which a quarter has passed, so that few statements renew many leases. A log that is
// changing its owner waits for the next tick.
func (j *Journal) due(all []*log) (leases []heldLease) {
	now, lease, urgent := time.Now(), j.lease(), false
	for _, l := range all {
		passed := elapsed(*l.granted.Load(), now)
		if passed < lease/4 || l.ctx.Err() != nil || !l.leaseMu.TryLock() {
			continue
		}
		leases = append(leases, heldLease{l, l.owner})
		l.leaseMu.Unlock()
		urgent = urgent || passed >= lease/3
	}
	if !urgent {
		return nil
	}
	return leases
}

// renew renews leases, and ends the logs whose leases another worker has.
func (j *Journal) renew(ctx context.Context, loop *renewLoop, leases []heldLease) {
	if len(leases) == 0 {
		return
	}
	asked := time.Now()
	limit := asked.Add(j.lease())
	for _, h := range leases {
		if at := h.log.granted.Load().Add(j.lease() * 3 / 4); at.Before(limit) && at.After(asked) {
			limit = at
		}
	}
	ctx, cancel := context.WithDeadline(ctx, limit)
	defer cancel()
	held, err := j.prolong(ctx, loop, leases)
	for _, h := range leases {
		renewed, still := held[h.log.session]
		switch {
		case err != nil:
			h.log.renewErr.Store(&err)
		case renewed:
			h.log.extend(asked)
		case still: // an append has locked the row, and renews the lease itself
		case h.log.leaseMu.TryLock(): // otherwise the log is changing its owner
			if h.log.owner == h.owner {
				h.log.end(errLost)
			}
			h.log.leaseMu.Unlock()
		}
	}
}

// prolong renews leases in the database. It returns the sessions whose leases this
// process still holds, and for each session whether the lease was renewed.
func (j *Journal) prolong(ctx context.Context, loop *renewLoop, leases []heldLease) (held map[string]bool, err error) {
	names, owners := make([]string, len(leases)), make([]string, len(leases))
	for i, h := range leases {
		names[i], owners[i] = h.log.session, h.owner
	}
	if j.Dialect == Postgres {
		err = loop.on(ctx, j, func(ctx context.Context, to execer) (err error) {
			held, err = scanHeld(to.QueryContext(ctx, j.sql(postgresRenew), names, owners, j.lease().Milliseconds()))
			return err
		})
		return held, err
	}
	pairs := make([][2]string, len(leases))
	for i := range leases {
		pairs[i] = [2]string{names[i], owners[i]}
	}
	mine, err := json.Marshal(pairs)
	if err != nil {
		return nil, err
	}
	err = j.group.first(ctx, j.DB, func(ctx context.Context, to execer) (err error) {
		held, err = scanHeld(to.QueryContext(ctx, j.sql(sqliteRenew), string(mine), j.lease().Milliseconds()))
		return err
	})
	return held, err
}

// scanHeld reads the rows of a renewal: a name, and whether the lease was renewed.
func scanHeld(rows *sql.Rows, err error) (map[string]bool, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	held := map[string]bool{}
	for rows.Next() {
		var name string
		var renewed bool
		if err := rows.Scan(&name, &renewed); err != nil {
			return nil, err
		}
		held[name] = renewed
	}
	return held, rows.Err()
}

// on runs do on the connection for renewals.
func (r *renewLoop) on(ctx context.Context, j *Journal, do func(context.Context, execer) error) error {
	if j.DB.Stats().MaxOpenConnections == 1 { // the only connection belongs to everybody
		return do(ctx, j.DB)
	}
	return retry(ctx, func() error {
		if r.conn != nil && !alive(ctx, r.conn) {
			r.disconnect()
		}
		if r.conn == nil {
			var err error
			if r.conn, err = j.DB.Conn(ctx); err != nil {
				return err
			}
		}
		defer j.monitor.track(r.conn)()
		err := do(ctx, r.conn)
		if err != nil {
			r.disconnect()
		}
		return err
	})
}

// alive pings a connection that was idle since the last renewal.
func alive(ctx context.Context, conn *sql.Conn) bool {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	return conn.PingContext(ctx) == nil
}

// disconnect gives the connection back to the pool.
func (r *renewLoop) disconnect() {
	if r.conn != nil {
		_ = r.conn.Close()
		r.conn = nil
	}
}
