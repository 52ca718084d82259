package sqljournal_test

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/pgtest"
)

// TestMigrateAtOnce: many workers start on an empty database.
func TestMigrateAtOnce(t *testing.T) {
	t.Parallel()
	for _, b := range []struct {
		name string
		make func(t *testing.T) func() (*sqljournal.Journal, error)
	}{
		{"SQLite", func(t *testing.T) func() (*sqljournal.Journal, error) {
			path := filepath.Join(t.TempDir(), "desk.db")
			return func() (*sqljournal.Journal, error) { return sqljournal.OpenSQLite(context.Background(), path) }
		}},
		{"PostgreSQL", func(t *testing.T) func() (*sqljournal.Journal, error) {
			url := pgtest.Database(t)
			return func() (*sqljournal.Journal, error) { return sqljournal.OpenPostgres(context.Background(), url) }
		}},
	} {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			for range 3 {
				start := b.make(t)
				var group errgroup.Group
				for i := range 8 {
					group.Go(func() error {
						j, err := start()
						if err != nil {
							return err
						}
						log, err := j.Open(context.Background(), fmt.Sprint("s", i))
						if err != nil {
							return err
						}
						if err := log.Append(context.Background(), true, notes(1, 1)...); err != nil {
							return err
						}
						if err := log.Close(); err != nil {
							return err
						}
						return j.Close()
					})
				}
				require.NoError(t, group.Wait())
			}
		})
	}
}

// TestNewerVersion: tables of a newer version are refused, and left alone.
func TestNewerVersion(t *testing.T) {
	onEach(t, func(t *testing.T, process func() *sqljournal.Journal) {
		j := process()
		newer := sqljournal.Newest() + 1
		execute(t, j.DB, `INSERT INTO toolloop_version (version) VALUES ($1)`, newer)
		require.EqualError(t, j.Migrate(t.Context()),
			fmt.Sprintf("sqljournal: migrate: the tables are of version %d, and this library knows up to %d", newer, newer-1))
	})
}

// golden is a session that each version's dump has.
func golden() []event.Event {
	events := notes(1, 3)
	events[1].Body = event.UserMessaged{Message: llm.User("it's \"quoted\" \\ \x00 \u2028 é 😀")}
	events[2].Body = event.ToolCallStarted{Call: "r1.t1.c0", ID: "c", Name: "refund", Arguments: `{"amount":1.0}`}
	return events
}

var update = flag.Bool("update", false, "write the dump of the newest version, where there is none")

// TestOldVersions: the tables of each version that there was are read, and go on.
func TestOldVersions(t *testing.T) {
	t.Parallel()
	for version := 1; version <= sqljournal.Newest(); version++ {
		for _, b := range []struct {
			driver  string
			dialect sqljournal.Dialect
			dsn     func(t *testing.T) string
		}{
			{"sqlite", sqljournal.SQLite, func(t *testing.T) string { return filepath.Join(t.TempDir(), "desk.db") }},
			{"pgx", sqljournal.Postgres, func(t *testing.T) string { return pgtest.Database(t) }},
		} {
			t.Run(fmt.Sprintf("%s %d", b.dialect, version), func(t *testing.T) {
				t.Parallel()
				db, err := sql.Open(b.driver, b.dsn(t))
				require.NoError(t, err)
				defer db.Close()
				db.SetMaxOpenConns(1)
				j := &sqljournal.Journal{DB: db, Dialect: b.dialect}
				path := filepath.Join("testdata", fmt.Sprintf("version%d.%s.sql", version, b.dialect))
				if _, err := os.Stat(path); *update && os.IsNotExist(err) {
					writeDump(t, j, path)
				}
				text, err := os.ReadFile(path)
				require.NoError(t, err)
				for statement := range strings.SplitSeq(string(text), ";\n") {
					if strings.TrimSpace(statement) != "" && !*update {
						execute(t, db, statement)
					}
				}
				require.NoError(t, j.Migrate(t.Context()))
				var now int
				require.NoError(t, db.QueryRowContext(t.Context(), `SELECT MAX(version) FROM toolloop_version`).Scan(&now))
				require.Equal(t, sqljournal.Newest(), now)
				const holds = `SELECT MAX(bytes) - (SELECT SUM(octet_length(body)) FROM toolloop_events) FROM toolloop_sessions`
				require.Zero(t, number(t, j, holds))
				for s, err := range j.List(t.Context(), journal.Filter{}) { // the dump has no summary, as after an older process
					require.NoError(t, err)
					require.Equal(t, []any{"order-42", journal.Waiting, int64(3)}, []any{s.Session, s.Status, s.Seq})
				}
				log := open(t, j, "order-42")
				events, err := readAll(log)
				require.NoError(t, err)
				require.Equal(t, golden(), events)
				require.NoError(t, log.Append(t.Context(), true, notes(4, 1)...))
				require.Zero(t, number(t, j, holds))
				require.NoError(t, log.Close())
			})
		}
	}
}

// writeDump makes the tables and the session as this version does, and writes
// them down as statements.
func writeDump(t *testing.T, j *sqljournal.Journal, path string) {
	t.Helper()
	require.NoError(t, j.Migrate(t.Context()))
	log := open(t, j, "order-42")
	require.NoError(t, log.Append(t.Context(), true, golden()...))
	require.NoError(t, log.Close())
	text := strings.Join(sqljournal.Statements(j), ";\n") + ";\n"
	for _, q := range []string{
		`SELECT 'INSERT INTO toolloop_version (version) VALUES (' || version || ')' FROM toolloop_version ORDER BY version`,
		`SELECT 'INSERT INTO toolloop_sessions (name, seq, owner, expires, bytes) VALUES (''' || name || ''', ' || seq || ', ''' || owner || ''', ' || expires || ', ' || bytes || ')' FROM toolloop_sessions`,
		`SELECT 'INSERT INTO toolloop_events (session, seq, body, sum) VALUES (''' || session || ''', ' || seq || ', ''' || replace(body, '''', '''''') || ''', ' || sum || ')' FROM toolloop_events ORDER BY seq`,
	} {
		rows, err := j.DB.QueryContext(t.Context(), q)
		require.NoError(t, err)
		for rows.Next() {
			var line string
			require.NoError(t, rows.Scan(&line))
			text += line + ";\n"
		}
		require.NoError(t, errorsOf(rows))
	}
	require.NoError(t, os.MkdirAll("testdata", 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}
