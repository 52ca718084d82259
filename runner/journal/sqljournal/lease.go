package sqljournal

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// releaseTimeout limits the release of the lease after a failed open.
const releaseTimeout = 2 * time.Second

// acquire takes the lease and checks that the session is complete.
func (l *log) acquire(ctx context.Context) error {
	j, summary := l.journal, ""
	err := j.repeatable(ctx, func(ctx context.Context, to execer) error {
		l.extend(time.Now()) // here and not earlier: the statement may have waited in a queue
		unreleased := j.unreleasedOwner(l.session, l.owner)
		return to.QueryRowContext(ctx, j.sql(takeLease), l.session, l.owner, j.lease().Milliseconds(), unreleased).Scan(&l.last, &summary)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return l.busy()
	}
	if err != nil {
		err = l.storeError(0, err)
	} else {
		err = l.verify(ctx)
	}
	if err == nil {
		l.summary, err = j.summaryOf(ctx, l.session, l.last, summary)
	}
	if err != nil && l.release(releaseTimeout) != nil { // the failed statement may have taken the lease
		j.releaseLater(l)
	}
	return err
}

func (l *log) busy() error {
	return &journal.BusyError{Session: l.session, Lease: l.journal.lease()}
}

// release gives the lease back, without waiting for the disk: if the machine crashes now,
// the session stays taken until the lease has run out, as after the death of a worker.
func (l *log) release(timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), timeout)
	defer cancel()
	return retry(ctx, func() error {
		return l.journal.write(ctx, false, func(ctx context.Context, to execer) error {
			_, err := to.ExecContext(ctx, l.journal.sql(releaseLease), l.session, l.owner)
			return err
		})
	})
}

// deleteEmpty deletes the row of a session that has no events and no owner.
func (l *log) deleteEmpty() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), storeTimeout)
	defer cancel()
	return l.journal.repeatable(ctx, func(ctx context.Context, to execer) error {
		_, err := to.ExecContext(ctx, l.journal.sql(deleteEmpty), l.session)
		return err
	})
}

// changeOwner moves the lease to a new owner name of the same log, and returns the
// position of the session. Statements with the old owner name have no effect afterwards.
func (l *log) changeOwner(ctx context.Context) (last int64, err error) {
	l.leaseMu.Lock()
	defer l.leaseMu.Unlock()
	j, next, asked := l.journal, rand.Text(), time.Now()
	err = j.repeatable(ctx, func(ctx context.Context, to execer) error {
		return to.QueryRowContext(ctx, j.sql(renameOwner), l.session, l.owner, next, j.lease().Milliseconds()).Scan(&last)
	})
	if err == nil {
		l.owner = next
		l.extend(asked)
	}
	return last, err
}

// elapsed is the time since a moment, by the clock that has advanced further. The
// monotonic clock stands while a machine sleeps; the wall clock can be set back.
func elapsed(since, now time.Time) time.Duration {
	return max(now.Sub(since), now.Round(0).Sub(since.Round(0)))
}

// extend notes that the database granted a request from a moment: the lease, or an
// append, because an append renews the lease. The moment is the time of the request and
// not of the answer, so the process never believes in a longer lease than the database.
func (l *log) extend(asked time.Time) {
	for {
		before := l.granted.Load()
		if before != nil && !asked.After(*before) || l.granted.CompareAndSwap(before, &asked) {
			return
		}
	}
}

// expire ends the log when three quarters of the lease have passed since the last grant.
// The last quarter is the margin for a function that has just begun, and for clocks that
// do not run equally fast.
func (l *log) expire(passed time.Duration) {
	if passed < l.journal.lease()*3/4 || l.ctx.Err() != nil {
		return
	}
	cause := errLost
	if err := l.renewErr.Load(); err != nil {
		cause = fmt.Errorf("%w: %w", errLost, *err)
	}
	l.end(cause)
}

// end ends the log's context, where no append is the reason.
func (l *log) end(cause error) {
	l.cancel(&journal.StoreError{Session: l.session, Err: cause})
}

// leaseContext is the context of a log. Its Err compares the lease with the clock: a
// process that was stopped, or whose machine slept, asks before any timer has run, and
// must not believe that its lease still counts.
type leaseContext struct {
	context.Context
	log *log
}

// Err implements [context.Context].
func (c leaseContext) Err() error {
	c.log.expire(elapsed(*c.log.granted.Load(), time.Now()))
	return c.Context.Err()
}
