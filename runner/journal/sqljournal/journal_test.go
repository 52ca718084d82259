package sqljournal_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/journaltest"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
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
	return func() *sqljournal.Journal { return openSQLite(t, path) }
}

func postgresDatabase(t testing.TB) func() *sqljournal.Journal {
	dsn := database(t)
	return func() *sqljournal.Journal { return openPostgres(t, dsn) }
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

// store is a database for journaltest. Its processes share a connection pool for
// each check but for the first, so that servers are not run out of connections.
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
	needPostgres(t)
	journaltest.Test(t, func(t *testing.T) journaltest.Store { return store(postgresDatabase(t)) })
}

// TestOwnPool: pools that a user has set up, with SQLite's defaults but for the
// time that it waits for a lock, in a mode that PostgreSQL's poolers want, and
// with tables of other names.
func TestOwnPool(t *testing.T) {
	t.Parallel()
	literal := func(t *testing.T, driver, dsn string, j sqljournal.Journal) *sqljournal.Journal {
		db, err := sql.Open(driver, dsn)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, db.Close()) })
		j.DB = db
		require.NoError(t, j.Migrate(context.Background()))
		return &j
	}
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		journaltest.Test(t, func(t *testing.T) journaltest.Store {
			dsn := "file:" + filepath.Join(t.TempDir(), "desk.db") + "?_pragma=busy_timeout(20000)&_pragma=synchronous(OFF)"
			return store(func() *sqljournal.Journal {
				return literal(t, "sqlite", dsn, sqljournal.Journal{Dialect: sqljournal.SQLite})
			})
		})
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		needPostgres(t)
		journaltest.Test(t, func(t *testing.T) journaltest.Store {
			dsn := database(t) + " default_query_exec_mode=exec"
			s := store(func() *sqljournal.Journal {
				j := literal(t, "pgx", dsn, sqljournal.Journal{Dialect: sqljournal.Postgres})
				j.DB.SetMaxOpenConns(10)
				return j
			})
			return s
		})
	})
}
