package sqljournal

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// A keeper renews the leases of all logs that a Journal has open: in one statement,
// which goes before appends, and on a connection that is kept for it. So a database
// that is slow makes sessions slow, and does not take their leases away. It also gives
// back the leases that could not be given back when their logs were closed. The zero
// keeper is ready; its goroutine runs while it has something to do.
type keeper struct {
	mu    sync.Mutex // guards what follows
	logs  map[*log]struct{}
	owed  map[string]*log // closed, by their sessions
	round *round          // nil: there is nothing to do
	over  bool            // the Journal is closed: nothing can be given back any more
}

// A round is one life of the goroutine.
type round struct {
	stop context.CancelFunc
	done chan struct{} // closed when the goroutine has ended
	conn *sql.Conn     // of PostgreSQL; nil: there is none yet; used by the goroutine that renews
}

// keep begins to renew the lease of a log.
func (j *Journal) keep(l *log) {
	k := &j.keeper
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.logs == nil {
		k.logs = map[*log]struct{}{}
	}
	k.logs[l] = struct{}{}
	j.begin(l)
}

// begin starts the goroutine. The caller holds the keeper's mu.
func (j *Journal) begin(l *log) {
	k := &j.keeper
	if k.round == nil {
		ctx, stop := context.WithCancel(context.WithoutCancel(l.ctx))
		k.round = &round{stop: stop, done: make(chan struct{})}
		go j.renewals(ctx, k.round) // until there is nothing to do: see rest
	}
}

// unkeep ends the renewals of a log. The last log waits for the goroutine.
func (j *Journal) unkeep(l *log) {
	k := &j.keeper
	k.mu.Lock()
	delete(k.logs, l)
	k.mu.Unlock()
	j.rest(false)
}

// rest ends the goroutine and waits for it, if there is nothing to do; in any case, if
// all is to be given up.
func (j *Journal) rest(all bool) {
	k := &j.keeper
	k.mu.Lock()
	if all {
		k.over = true
		clear(k.owed)
	}
	r := k.round
	idle := r != nil && (all || len(k.logs) == 0 && len(k.owed) == 0)
	if idle {
		k.round = nil
	}
	k.mu.Unlock()
	if idle {
		r.stop()
		<-r.done
	}
}

// owe notes that the lease of a closed log is to be given back, as soon as the
// database can: with a disk that is full it cannot.
func (j *Journal) owe(l *log) {
	k := &j.keeper
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.over || l.heard.Load() == nil { // or nothing was asked for
		return
	}
	if k.owed == nil {
		k.owed = map[string]*log{}
	}
	k.owed[l.session] = l
	j.begin(l)
}

// ownerOwed is the owner of a lease that is to be given back; else it is this one.
func (j *Journal) ownerOwed(session, owner string) string {
	k := &j.keeper
	k.mu.Lock()
	defer k.mu.Unlock()
	if l := k.owed[session]; l != nil {
		return l.owner
	}
	return owner
}

// debts returns the logs whose leases are to be given back, and have not run out.
func (k *keeper) debts() (all []*log) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for session, l := range k.owed {
		if elapsed(*l.heard.Load(), time.Now()) > l.journal.lease() {
			delete(k.owed, session)
			continue
		}
		all = append(all, l)
	}
	return all
}

// repay gives leases back, until one cannot be.
func (j *Journal) repay(all []*log) {
	for _, l := range all {
		if l.give(giveBound) != nil {
			return
		}
		j.keeper.mu.Lock()
		if j.keeper.owed[l.session] == l {
			delete(j.keeper.owed, l.session)
		}
		j.keeper.mu.Unlock()
	}
}

// open returns the logs that are open.
func (k *keeper) open() []*log {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := make([]*log, 0, len(k.logs))
	for l := range k.logs {
		all = append(all, l)
	}
	return all
}

// renewals looks twelve times in the time of a lease whether one is to be renewed,
// and whether one has run out: while a renewal is going on, too. SQLite waits for its
// file without looking at a context, and a write that others are in waits for them.
func (j *Journal) renewals(ctx context.Context, r *round) {
	defer close(r.done)
	defer r.leave()
	tick := time.NewTicker(j.lease() / 12)
	defer tick.Stop()
	var renewing chan struct{} // nil: no renewal is going on
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
			all, owed := j.keeper.open(), j.keeper.debts()
			for _, l := range all {
				l.expire(time.Since(*l.heard.Load()))
			}
			due := j.due(all)
			switch {
			case renewing != nil:
			case len(due) > 0 || len(owed) > 0:
				done := make(chan struct{})
				renewing = done
				go func() { // renewals waits for it
					defer close(done)
					j.renew(ctx, r, due)
					j.repay(owed)
				}()
			case len(all) == 0:
				go j.rest(false) // which waits for this goroutine
			}
		}
	}
}

// A hold is a lease as the database is to know it.
type hold struct {
	log   *log
	owner string
}

// due returns the leases that are to be renewed, if a third of the time of one has
// passed: those of which a quarter has. A log whose owner changes at the moment is
// left for the next time.
func (j *Journal) due(all []*log) (holds []hold) {
	now, lease, urgent := time.Now(), j.lease(), false
	for _, l := range all {
		passed := elapsed(*l.heard.Load(), now)
		if passed < lease/4 || l.ctx.Err() != nil || !l.leaseMu.TryLock() {
			continue
		}
		holds = append(holds, hold{l, l.owner})
		l.leaseMu.Unlock()
		urgent = urgent || passed >= lease/3
	}
	if !urgent {
		return nil
	}
	return holds
}

// renew renews leases, and ends the logs of those that another worker has.
func (j *Journal) renew(ctx context.Context, r *round, holds []hold) {
	if len(holds) == 0 {
		return
	}
	asked := time.Now()
	limit := asked.Add(j.lease())
	for _, h := range holds {
		if at := h.log.heard.Load().Add(j.lease() * 3 / 4); at.Before(limit) && at.After(asked) {
			limit = at
		}
	}
	ctx, cancel := context.WithDeadline(ctx, limit)
	defer cancel()
	held, err := j.prolong(ctx, r, holds)
	for _, h := range holds {
		renewed, still := held[h.log.session]
		switch {
		case err != nil:
			h.log.trouble.Store(&err)
		case renewed:
			h.log.hear(asked)
		case still: // an append that goes on prolongs it
		case h.log.leaseMu.TryLock(): // else its owner is another soon
			if h.log.owner == h.owner {
				h.log.end(errLost)
			}
			h.log.leaseMu.Unlock()
		}
	}
}

// prolong renews leases in the database, and returns the sessions whose leases are
// held, and whether each was renewed.
func (j *Journal) prolong(ctx context.Context, r *round, holds []hold) (held map[string]bool, err error) {
	names, owners := make([]string, len(holds)), make([]string, len(holds))
	for i, h := range holds {
		names[i], owners[i] = h.log.session, h.owner
	}
	if j.Dialect == Postgres {
		err = r.on(ctx, j, func(ctx context.Context, to execer) (err error) {
			held, err = heldOf(to.QueryContext(ctx, j.sql(postgresRenew), names, owners, j.lease().Milliseconds()))
			return err
		})
		return held, err
	}
	pairs := make([][2]string, len(holds))
	for i := range holds {
		pairs[i] = [2]string{names[i], owners[i]}
	}
	mine, err := json.Marshal(pairs)
	if err != nil {
		return nil, err
	}
	err = j.group.first(ctx, j.DB, func(ctx context.Context, to execer) (err error) {
		held, err = heldOf(to.QueryContext(ctx, j.sql(sqliteRenew), string(mine), j.lease().Milliseconds()))
		return err
	})
	return held, err
}

// heldOf reads what prolong returns.
func heldOf(rows *sql.Rows, err error) (map[string]bool, error) {
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

// elapsed is the time since a moment by the clock that has gone further: while a
// machine sleeps the monotonic one stands, and the other can be set back.
func elapsed(since, now time.Time) time.Duration {
	return max(now.Sub(since), now.Round(0).Sub(since.Round(0)))
}

// hear notes that the database granted what it was asked for at a moment: the lease,
// or an append, which prolongs it.
func (l *log) hear(asked time.Time) {
	for {
		before := l.heard.Load()
		if before != nil && !asked.After(*before) || l.heard.CompareAndSwap(before, &asked) {
			return
		}
	}
}

// expire ends the log if the database was not heard of for so long that another
// worker can have the session soon.
func (l *log) expire(passed time.Duration) {
	if passed < l.journal.lease()*3/4 || l.ctx.Err() != nil {
		return
	}
	cause := errLost
	if trouble := l.trouble.Load(); trouble != nil {
		cause = fmt.Errorf("%w: %w", errLost, *trouble)
	}
	l.end(cause)
}

// leaseContext is the context of a log. Whoever asks it whether it has ended asks the
// clock: a process that was stopped, or whose machine slept, asks before any timer
// has run, and must not believe that it has its lease.
type leaseContext struct {
	context.Context
	log *log
}

// Err implements [context.Context].
func (c leaseContext) Err() error {
	c.log.expire(elapsed(*c.log.heard.Load(), time.Now()))
	return c.Context.Err()
}
