package sqljournal_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
)

// full makes a file in which no lease can be given back, as on a disk without room for
// it, until the function that it returns is called.
func full(t *testing.T, j *sqljournal.Journal) (room func()) {
	t.Helper()
	execute(t, j.DB, `CREATE TRIGGER full BEFORE UPDATE OF owner ON toolloop_sessions WHEN NEW.owner = ''
		BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END`)
	return func() { execute(t, j.DB, `DROP TRIGGER full`) }
}

// TestOwed: a lease that cannot be given back when its session is closed is given back
// as soon as there is room. The process that has it opens the session at once.
func TestOwed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "desk.db")
	j, other := openSQLite(t, path), openSQLite(t, path)
	j.Lease = time.Minute // looked after every 5 seconds
	log := open(t, j, "order-42")
	require.NoError(t, log.Append(t.Context(), true, notes(1, 2)...))
	room := full(t, j)
	err := log.Close()
	require.ErrorContains(t, err, `journal: session "order-42": the session stays taken for up to 1m0s: its lease could not be given back: `)
	require.ErrorContains(t, err, "database or disk is full")
	require.IsType(t, new(journal.StoreError), err)
	_, err = other.Open(t.Context(), "order-42")
	require.True(t, isBusy(err))

	log = open(t, j, "order-42")
	require.NoError(t, log.Append(t.Context(), true, notes(3, 1)...))
	require.Error(t, log.Close())
	room()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	log, err = openAgain(ctx, other, "order-42")
	require.NoError(t, err)
	events, err := readAll(log)
	require.NoError(t, err)
	require.Equal(t, notes(1, 3), events)
	require.NoError(t, log.Close())
	require.Eventually(t, func() bool { return !sqljournal.Keeping(j) }, 60*time.Second, 10*time.Millisecond)
}

// TestOwedForEver: what cannot be given back before the lease has run out is forgotten,
// and so it is when the journal is closed.
func TestOwedForEver(t *testing.T) {
	t.Parallel()
	for _, closes := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "desk.db")
		j, other := openSQLite(t, path), openSQLite(t, path)
		j.Lease = 300 * time.Millisecond
		log := open(t, j, "order-42")
		require.NoError(t, log.Append(t.Context(), true, notes(1, 2)...))
		full(t, j)
		require.Error(t, log.Close())
		if closes {
			require.NoError(t, j.Close())
			require.False(t, sqljournal.Keeping(j))
		}
		taken, err := openAgain(t.Context(), other, "order-42")
		require.NoError(t, err)
		require.Eventually(t, func() bool { return !sqljournal.Keeping(j) }, 30*time.Second, 10*time.Millisecond)
		require.Error(t, taken.Close())
	}
}
