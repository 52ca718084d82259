package sqljournal

import (
	"context"
	"database/sql"
	"errors"
)

// LoadState implements the optional method of [journal.Log].
func (l *log) LoadState(ctx context.Context) (seq int64, state []byte, err error) {
	l.mu.Lock()
	none := l.states == 0
	l.mu.Unlock()
	if none {
		return 0, nil, nil
	}
	var kept int64
	err = l.journal.read(ctx, func(ctx context.Context, from execer) error {
		return from.QueryRowContext(ctx, l.journal.sql(loadState), l.session).Scan(&seq, &state, &kept)
	})
	switch {
	case errors.Is(err, sql.ErrNoRows), err == nil && kept != sum(state):
		return 0, nil, nil // the events are the truth
	case err != nil:
		return 0, nil, l.storeError(0, err)
	}
	return seq, state, nil
}

// SaveState implements the optional method of [journal.Log].
func (l *log) SaveState(ctx context.Context, seq int64, state []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := context.Cause(l.ctx); err != nil {
		return err
	}
	err := l.journal.write(ctx, false, func(ctx context.Context, to execer) error {
		_, err := to.ExecContext(ctx, l.journal.sql(saveState), l.session, l.owner, seq, string(state), sum(state))
		return err
	})
	if err != nil {
		return l.storeError(seq, err)
	}
	l.states = 1
	return nil
}
