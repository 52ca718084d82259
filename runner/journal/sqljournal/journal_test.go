package sqljournal_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/journaltest"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/pgtest"
)

// backend is a kind of database. Each call of make is a database of its own, and
// each call of what it returns a process that uses it.
type backend struct {
	name string
	make func(t testing.TB) func() *sqljournal.Journal
}

var backends = []backend{{"SQLite", sqliteFile}, {"PostgreSQL", postgresDatabase}}

func sqliteFile(t testing.TB) func() *sqljournal.Journal {
	path := filepath.Join(t.TempDir(), "desk.db")
	return func() *sqljournal.Journal {
		j := openSQLite(t, path)
		execute(t, j.DB, `PRAGMA synchronous = OFF`) // no test here cuts the power
		return j
	}
}

func postgresDatabase(t testing.TB) func() *sqljournal.Journal {
	url := pgtest.Database(t)
	return func() *sqljournal.Journal { return openPostgres(t, url) }
}

func openSQLite(t testing.TB, path string) *sqljournal.Journal {
	t.Helper()
	j, err := sqljournal.OpenSQLite(context.Background(), path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, j.Close()) })
	return j
}

func openPostgres(t testing.TB, dsn string) *sqljournal.Journal {
	t.Helper()
	j, err := sqljournal.OpenPostgres(context.Background(), dsn)
	require.NoError(t, err)
	j.DB.SetConnMaxIdleTime(time.Second) // a test has as many processes as it likes, a server not as many connections
	t.Cleanup(func() { require.NoError(t, j.Close()) })
	return j
}

// onEach runs a test with each kind of database.
func onEach(t *testing.T, test func(t *testing.T, process func() *sqljournal.Journal)) {
	t.Helper()
	t.Parallel()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			test(t, b.make(t))
		})
	}
}

// store is a database for journaltest.
func store(process func() *sqljournal.Journal) journaltest.Store {
	first := process()
	return journaltest.Store{
		Open: func() journal.Journal { return process() },
		Lose: func(session string) error { return lose(first, session) },
	}
}

// lose takes a lease away, as its end does.
func lose(j *sqljournal.Journal, session string) error {
	_, err := j.DB.ExecContext(context.Background(), `UPDATE toolloop_sessions SET owner = '' WHERE name = $1`, session)
	return err
}

// TestSQLite and TestPostgres: they are stores as package journal wants them.
func TestSQLite(t *testing.T) {
	t.Parallel()
	journaltest.Test(t, func(t *testing.T) journaltest.Store { return store(sqliteFile(t)) })
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	journaltest.Test(t, func(t *testing.T) journaltest.Store { return store(postgresDatabase(t)) })
}

// TestOwnPool: pools that a user has set up, with SQLite's defaults but for the
// time that it waits for a lock, in a mode that PostgreSQL's poolers want, and
// with tables of other names.
func TestOwnPool(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		driver string
		dsn    func(t *testing.T) string
		own    *sqljournal.Journal
	}{
		{"sqlite", func(t *testing.T) string {
			return filepath.Join(t.TempDir(), "desk.db") + "?_pragma=busy_timeout(20000)"
		}, &sqljournal.Journal{Dialect: sqljournal.SQLite, Prefix: "other_"}},
		{"pgx", func(t *testing.T) string {
			return pgtest.Database(t) + "&default_query_exec_mode=exec"
		}, &sqljournal.Journal{Dialect: sqljournal.Postgres, Prefix: "public.other_", Lease: time.Minute}},
	} {
		t.Run(tt.driver, func(t *testing.T) {
			t.Parallel()
			db, err := sql.Open(tt.driver, tt.dsn(t))
			require.NoError(t, err)
			defer db.Close()
			db.SetMaxOpenConns(8)
			j := tt.own
			j.DB = db
			require.NoError(t, j.Migrate(t.Context()))
			var group errgroup.Group
			for i := range 20 {
				name := fmt.Sprint("session ", i)
				group.Go(func() error {
					log, err := j.Open(context.Background(), name)
					for k := int64(0); k < 5 && err == nil; k++ {
						err = log.Append(context.Background(), false, notes(2*k+1, 2)...)
					}
					if err == nil {
						err = log.Close()
					}
					return err
				})
			}
			require.NoError(t, group.Wait())
			for i := range 20 {
				holds(t, j, fmt.Sprint("session ", i), notes(1, 10))
			}
		})
	}
}
