package sqljournal

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"time"

	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// giveBound is how long who could not open a session waits to give it back.
const giveBound = 2 * time.Second

// take takes the lease and looks whether all is there.
func (l *log) take(ctx context.Context) error {
	j := l.journal
	err := j.repeatable(ctx, func(ctx context.Context, to execer) error {
		l.hear(time.Now()) // and not when it began to wait for its turn
		owed := j.ownerOwed(l.session, l.owner)
		return to.QueryRowContext(ctx, j.sql(take), l.session, l.owner, j.lease().Milliseconds(), owed).Scan(&l.last)
	})
	if errors.Is(err, sql.ErrNoRows) {
		return l.busy()
	}
	if err != nil {
		err = l.failed(0, err)
	} else {
		err = l.intact(ctx)
	}
	if err != nil && l.give(giveBound) != nil { // perhaps it was taken
		j.owe(l)
	}
	return err
}

func (l *log) busy() error {
	return &journal.BusyError{Session: l.session, Lease: l.journal.lease()}
}

// give gives the lease back.
func (l *log) give(bound time.Duration) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), bound)
	defer cancel()
	return l.journal.repeatable(ctx, func(ctx context.Context, to execer) error {
		_, err := to.ExecContext(ctx, l.journal.sql(give), l.session, l.owner)
		return err
	})
}

// clear removes a session without events that nobody has open.
func (l *log) clear() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), storeBound)
	defer cancel()
	return l.journal.repeatable(ctx, func(ctx context.Context, to execer) error {
		_, err := to.ExecContext(ctx, l.journal.sql(drop), l.session)
		return err
	})
}

// end ends the log's context for a reason that is no append's.
func (l *log) end(cause error) {
	l.cancel(&journal.StoreError{Session: l.session, Err: cause})
}

// changeOwner gives the lease another owner, the same log, and returns the
// session's position.
func (l *log) changeOwner(ctx context.Context) (last int64, err error) {
	l.leaseMu.Lock()
	defer l.leaseMu.Unlock()
	j, next, asked := l.journal, rand.Text(), time.Now()
	err = j.repeatable(ctx, func(ctx context.Context, to execer) error {
		return to.QueryRowContext(ctx, j.sql(rename), l.session, l.owner, next, j.lease().Milliseconds()).Scan(&last)
	})
	if err == nil {
		l.owner = next
		l.hear(asked)
	}
	return last, err
}
