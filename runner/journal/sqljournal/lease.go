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

// giveBound is how long who could not open a session waits to give it back.
const giveBound = 2 * time.Second

// take takes the lease, reads the position and looks whether all is there.
func (l *log) take(ctx context.Context) error {
	j := l.journal
	err := j.write(ctx, func(ctx context.Context, to execer) error {
		return to.QueryRowContext(ctx, j.sql(take), l.session, l.owner, j.lease().Milliseconds()).Scan(&l.last)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return &journal.BusyError{Session: l.session, Lease: j.lease()}
	}
	if err != nil {
		err = l.failed(0, err)
	} else {
		err = l.intact(ctx)
	}
	if err != nil {
		_ = l.give(giveBound) // perhaps it was taken; else it will run out
	}
	return err
}

// give gives the lease back.
func (l *log) give(bound time.Duration) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), bound)
	defer cancel()
	return l.journal.write(ctx, func(ctx context.Context, to execer) error {
		_, err := to.ExecContext(ctx, l.journal.sql(give), l.session, l.owner)
		return err
	})
}

// clear removes a session without events that nobody has open.
func (l *log) clear() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), storeBound)
	defer cancel()
	return l.journal.write(ctx, func(ctx context.Context, to execer) error {
		_, err := to.ExecContext(ctx, l.journal.sql(drop), l.session)
		return err
	})
}

// renew keeps the lease. It ends it for this process before it can end in the
// database, where it began later. An append prolongs it as well.
func (l *log) renew() {
	defer close(l.done)
	lease := l.journal.lease()
	timer := time.NewTimer(lease / 3)
	defer timer.Stop()
	for {
		select {
		case <-l.ctx.Done():
			return
		case <-timer.C:
		}
		asked, heard := time.Now(), *l.heard.Load()
		if early := heard.Add(lease / 3).Sub(asked); early > 0 {
			timer.Reset(early)
			continue
		}
		limit := heard.Add(lease * 3 / 4)
		// SQLite waits for its file without looking at a context, and a write that
		// others are in waits for them.
		late := time.AfterFunc(time.Until(limit)+lease/12, func() { l.end(errLost) })
		held, err := l.prolong(limit)
		late.Stop()
		switch {
		case err == nil && held:
			l.heard.Store(&asked)
			timer.Reset(time.Until(asked.Add(lease / 3)))
		case err == nil:
			l.end(errLost)
			return
		case time.Until(limit) <= 0:
			l.end(fmt.Errorf("%w: %w", errLost, err))
			return
		default:
			timer.Reset(lease / 12)
		}
	}
}

// end ends the log's context for a reason that is no append's.
func (l *log) end(cause error) {
	l.cancel(&journal.StoreError{Session: l.session, Err: cause})
}

// prolong renews the lease once. False: another worker has it.
func (l *log) prolong(limit time.Time) (held bool, err error) {
	ctx, cancel := context.WithDeadline(l.ctx, limit)
	defer cancel()
	l.leaseMu.Lock()
	defer l.leaseMu.Unlock()
	j := l.journal
	err = j.write(ctx, func(ctx context.Context, to execer) error {
		result, err := to.ExecContext(ctx, j.sql(renew), l.session, l.owner, j.lease().Milliseconds())
		held = err == nil && affected(result) > 0
		return err
	})
	return held, err
}

// changeOwner gives the lease another owner, the same log, and returns the
// session's position.
func (l *log) changeOwner(ctx context.Context) (last int64, err error) {
	l.leaseMu.Lock()
	defer l.leaseMu.Unlock()
	j, next := l.journal, rand.Text()
	err = j.DB.QueryRowContext(ctx, j.sql(rename), l.session, l.owner, next, j.lease().Milliseconds()).Scan(&last)
	if err == nil {
		l.owner = next
	}
	return last, err
}
