package pgtest_test

import (
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/pgtest"
)

func connect(t *testing.T, url string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func execute(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	_, err := db.ExecContext(t.Context(), statement)
	require.NoError(t, err)
}

// TestDatabase: each is empty and its test's own, and they are on one server.
func TestDatabase(t *testing.T) {
	t.Parallel()
	type facts struct {
		Name, User string
		Tables     int
	}
	directories := map[string]bool{}
	for range 2 {
		url := pgtest.Database(t)
		db := connect(t, url)
		var got facts
		var dir string
		require.NoError(t, db.QueryRowContext(t.Context(), `SELECT current_database(), current_user,
			(SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'), current_setting('data_directory')`).Scan(&got.Name, &got.User, &got.Tables, &dir))
		require.Regexp(t, `/`+got.Name+`\?sslmode=disable$`, url)
		require.Equal(t, facts{got.Name, "postgres", 0}, got)
		directories[dir] = true
		execute(t, db, `CREATE TABLE things (n INT)`)
	}
	require.Len(t, directories, 1)
}

// TestStart: what a server has acknowledged is there after its crash, and when its
// test has ended, nothing is left of it.
func TestStart(t *testing.T) {
	t.Parallel()
	var url, dir string
	t.Run("server", func(t *testing.T) {
		s := pgtest.Start(t)
		url = s.URL("postgres")
		db := connect(t, url)
		execute(t, db, `CREATE TABLE things (n INT)`)
		execute(t, db, `INSERT INTO things VALUES (7)`)
		require.NoError(t, s.Crash())
		require.Error(t, connect(t, url).PingContext(t.Context()))
		require.NoError(t, s.Restart())
		require.Equal(t, url, s.URL("postgres"))
		var n int
		require.NoError(t, connect(t, url).QueryRowContext(t.Context(), `SELECT n, current_setting('data_directory') FROM things`).Scan(&n, &dir))
		require.Equal(t, 7, n)
	})
	if url == "" {
		t.Skip("there was no server")
	}
	require.Error(t, connect(t, url).PingContext(t.Context()))
	_, err := os.Stat(dir)
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// TestWithout: a test that has no server is skipped with the reason, unless it is
// to fail.
func TestWithout(t *testing.T) {
	for _, tt := range []struct {
		require string
		want    ended
	}{
		{"", ended{skipped: "no server"}},
		{"1", ended{failed: "no server; and TOOLLOOP_REQUIRE_POSTGRES is set"}},
	} {
		t.Setenv("TOOLLOOP_REQUIRE_POSTGRES", tt.require)
		got := new(ended)
		done := make(chan struct{})
		go func() {
			defer close(done)
			pgtest.Skip(got, "no server")
		}()
		<-done
		require.Equal(t, tt.want, *got)
	}
}

// ended is a test that notes how it ended.
type ended struct {
	testing.TB
	skipped, failed string
}

func (e *ended) Helper() {}

func (e *ended) Skip(args ...any) {
	e.skipped = fmt.Sprint(args...)
	runtime.Goexit()
}

func (e *ended) Fatalf(format string, args ...any) {
	e.failed = fmt.Sprintf(format, args...)
	runtime.Goexit()
}
