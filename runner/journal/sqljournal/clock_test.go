package sqljournal_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/pgtest"
)

// TestElapsed: the monotonic clock stands while a machine sleeps; the wall clock can be
// set back.
func TestElapsed(t *testing.T) {
	t.Parallel()
	since := time.Now()
	wall := since.Round(0)
	require.Equal(t, time.Second, sqljournal.Elapsed(since, since.Add(time.Second)))
	require.Equal(t, time.Hour, sqljournal.Elapsed(wall, wall.Add(time.Hour)), "the monotonic clock stood")
	require.GreaterOrEqual(t, sqljournal.Elapsed(since.Add(-time.Minute), time.Now()), time.Minute)
}

// TestClock: a process that was stopped asks the clock, before any timer has run.
func TestClock(t *testing.T) {
	onEach(t, func(t *testing.T, process func() *sqljournal.Journal) {
		j := process()
		log := open(t, j, "order-42")
		defer log.Close()
		ctx := log.Context()
		sqljournal.Sleep(log, 22*time.Second)
		require.NoError(t, ctx.Err())
		sqljournal.Sleep(log, time.Second)
		require.Equal(t, context.Canceled, ctx.Err())
		<-ctx.Done()
		require.EqualError(t, context.Cause(ctx), `journal: session "order-42": the lease is lost: another worker has taken the session, or may have`)
		require.ErrorIs(t, log.Append(t.Context(), true, notes(1, 1)...), sqljournal.ErrLost)
	})
}

// TestOpenedLate: the lease runs out while a session is opened, and another worker
// appends. The session is taken, and not damaged.
func TestOpenedLate(t *testing.T) {
	t.Parallel()
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		j := postgresDatabase(t)()
		keep(t, j, "order-42", 2)
		tx, err := j.DB.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		_, err = tx.ExecContext(t.Context(), `LOCK TABLE toolloop_events IN ACCESS EXCLUSIVE MODE`)
		require.NoError(t, err)
		done := make(chan error, 1)
		go func() { _, err := j.Open(context.Background(), "order-42"); done <- err }()
		const taken = `SELECT COUNT(*) FROM toolloop_sessions WHERE owner <> ''`
		require.Eventually(t, func() bool { return number(t, j, taken) == 1 }, 30*time.Second, time.Millisecond)
		for _, s := range another {
			_, err = tx.ExecContext(t.Context(), s)
			require.NoError(t, err)
		}
		require.NoError(t, tx.Commit())
		require.Equal(t, &journal.BusyError{Session: "order-42", Lease: 30 * time.Second}, <-done)
	})
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		j := sqliteFile(t)()
		keep(t, j, "order-42", 2)
		// As if it came right behind the statement that takes the lease.
		execute(t, j.DB, `CREATE TRIGGER late AFTER UPDATE OF owner ON toolloop_sessions WHEN NEW.owner NOT IN ('', 'another')
			BEGIN `+strings.Join(another, ";")+`; END`)
		_, err := j.Open(t.Context(), "order-42")
		require.Equal(t, &journal.BusyError{Session: "order-42", Lease: 30 * time.Second}, err)
	})
}

// another is what another worker does in place of one whose lease has run out.
var another = []string{
	`UPDATE toolloop_sessions SET owner = 'another', seq = 3`,
	`INSERT INTO toolloop_events (session, seq, body, sum) VALUES ('order-42', 3, '{}', 0)`,
}

func keep(t *testing.T, j *sqljournal.Journal, session string, n int) {
	t.Helper()
	log := open(t, j, session)
	require.NoError(t, log.Append(t.Context(), true, notes(1, n)...))
	require.NoError(t, log.Close())
}

func number(t *testing.T, j *sqljournal.Journal, query string) (n int64) {
	t.Helper()
	require.NoError(t, j.DB.QueryRowContext(t.Context(), query).Scan(&n))
	return n
}

// TestRenewedTogether: the leases of all sessions of a process are renewed in one
// transaction, those of other names and of other owners among them.
func TestRenewedTogether(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "desk.db")
	j := openSQLite(t, path)
	j.Lease = 6 * time.Second
	var logs []journal.Log
	for i := range 50 {
		logs = append(logs, open(t, j, fmt.Sprintf(`order-%d's "<name>" ‽`, i)))
	}
	_, err := j.DB.ExecContext(t.Context(), `UPDATE toolloop_sessions SET owner = 'another' WHERE name LIKE 'order-7''%'`)
	require.NoError(t, err)
	before := commits(t, path)
	const ends = `SELECT MIN(expires) FROM toolloop_sessions WHERE owner <> 'another'`
	first := number(t, j, ends)
	require.Eventually(t, func() bool { return number(t, j, ends) > first }, 30*time.Second, 10*time.Millisecond)
	require.LessOrEqual(t, commits(t, path)-before, 2)
	<-logs[7].Context().Done()
	require.ErrorIs(t, context.Cause(logs[7].Context()), sqljournal.ErrLost)
	for i, log := range logs {
		if i != 7 {
			require.NoError(t, log.Context().Err())
		}
		require.NoError(t, log.Close())
	}
}

// TestStuckAppends: appends that the database holds up take all connections but one.
// No other session loses its lease over it.
func TestStuckAppends(t *testing.T) {
	t.Parallel()
	where := pgtest.Database(t)
	j, other := openPostgres(t, where), openPostgres(t, where)
	j.Lease = 2 * time.Second
	idle, stuck := open(t, j, "idle"), make([]journal.Log, 20)
	for i := range stuck {
		stuck[i] = open(t, j, fmt.Sprint("stuck ", i))
	}
	tx, err := other.DB.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	_, err = tx.ExecContext(t.Context(), `SELECT FROM toolloop_sessions WHERE name LIKE 'stuck %' FOR UPDATE`)
	require.NoError(t, err)
	var group errgroup.Group
	for _, log := range stuck {
		group.Go(func() error { return log.Append(context.Background(), true, notes(1, 1)...) })
	}
	lost := func() (n int) {
		for _, log := range stuck {
			if log.Context().Err() != nil {
				n++
			}
		}
		return n
	}
	require.Eventually(t, func() bool { return lost() == len(stuck) }, 30*time.Second, 10*time.Millisecond)
	began := idle.Context()
	require.Never(t, func() bool { return began.Err() != nil }, 2*j.Lease, 100*time.Millisecond)
	require.NoError(t, tx.Rollback())
	_ = group.Wait() // those that had begun may have lost their leases, as they say
	require.NoError(t, idle.Append(t.Context(), true, notes(1, 1)...))
	for _, log := range append(stuck, idle) {
		require.NoError(t, log.Close())
	}
}
