package sqljournal

import (
	"cmp"
	"context"
	"database/sql"
	"errors"

	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// Delete implements [journal.Deleter]. The events go by the foreign key of their table.
// SQLite needs the setting foreign_keys for that; a pool of your own may lack the setting,
// so SQLite deletes them by a statement, too.
func (j *Journal) Delete(ctx context.Context, session string, seq int64) error {
	if err := cmp.Or(j.check(), journal.CheckName(session), context.Cause(ctx)); err != nil {
		return err
	}
	p, deleted := place{j, session}, false
	err := j.write(ctx, true, func(ctx context.Context, to execer) error {
		result, err := to.ExecContext(ctx, j.sql(deleteSession), session, max(seq, -1))
		if err != nil {
			return err
		}
		deleted = affected(result) > 0
		if deleted && j.Dialect == SQLite {
			if _, err = to.ExecContext(ctx, j.sql(deleteEvents), session); err == nil {
				_, err = to.ExecContext(ctx, j.sql(deleteState), session)
			}
		}
		return err
	})
	if err != nil {
		return p.storeError(0, err)
	}
	if deleted {
		return nil
	}
	return p.notDeleted(ctx, seq)
}

// notDeleted returns the reason why a session was not deleted, or nil if there is none.
func (p place) notDeleted(ctx context.Context, seq int64) error {
	var owner string
	var last int64
	err := p.journal.read(ctx, func(ctx context.Context, from execer) error {
		return from.QueryRowContext(ctx, p.journal.sql(readOwner), p.session).Scan(&owner, &last)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows) && seq > 0:
		return &journal.ConflictError{Session: p.session, Want: 1, Got: seq + 1}
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return p.storeError(0, err)
	case seq >= 0 && last != seq && owner == "":
		return &journal.ConflictError{Session: p.session, Want: last + 1, Got: seq + 1}
	}
	return &journal.BusyError{Session: p.session, Lease: p.journal.lease()}
}
