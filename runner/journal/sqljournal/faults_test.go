package sqljournal_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
)

// notes are n events, the first of which is at a position.
func notes(first int64, n int) []event.Event {
	events := make([]event.Event, n)
	for i := range events {
		seq := first + int64(i)
		events[i] = event.Event{
			Seq: seq, Time: time.Date(2026, 11, 22, 0, 0, int(seq), 0, time.UTC),
			Body: event.UserMessaged{Message: llm.User(fmt.Sprintf("message %d", seq))},
		}
	}
	return events
}

// readAll returns the events of a log before the error, if there is one.
func readAll(log journal.Log) (events []event.Event, err error) {
	for e, err := range log.Events(context.Background()) {
		if err != nil {
			return events, err
		}
		events = append(events, e)
	}
	return events, nil
}

func open(t testing.TB, j journal.Journal, session string) journal.Log {
	t.Helper()
	log, err := j.Open(t.Context(), session)
	require.NoError(t, err)
	return log
}

// holds checks what a session holds, in a new opening.
func holds(t testing.TB, j journal.Journal, session string, want []event.Event) {
	t.Helper()
	log := open(t, j, session)
	got, err := readAll(log)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.NoError(t, log.Close())
}

// refusedAppend checks that an append fails at its position, and that the log
// goes on.
func refusedAppend(t *testing.T, log journal.Log, seq int64, cause string, events ...event.Event) {
	t.Helper()
	err := log.Append(t.Context(), true, events...)
	var e *journal.StoreError
	require.ErrorAs(t, err, &e)
	require.Equal(t, journal.StoreError{Session: "order-42", Seq: seq, Err: e.Err}, *e)
	require.ErrorContains(t, err, cause)
	require.NoError(t, log.Context().Err())
}

// TestDiskFull: an append that does not fit is refused whole; with room it is
// taken.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	j := openSQLite(t, filepath.Join(t.TempDir(), "desk.db"))
	log := open(t, j, "order-42")
	require.NoError(t, log.Append(t.Context(), true, notes(1, 3)...))
	execute(t, j.DB, `PRAGMA max_page_count = 20`)
	more := notes(4, 2)
	more[1].Body = event.UserMessaged{Message: llm.User(strings.Repeat("x", 100_000))}
	refusedAppend(t, log, 4, "database or disk is full", more...)
	got, err := readAll(log)
	require.NoError(t, err)
	require.Equal(t, notes(1, 3), got)
	execute(t, j.DB, `PRAGMA max_page_count = 1000`)
	require.NoError(t, log.Append(t.Context(), true, more...))
	require.NoError(t, log.Close())
	holds(t, j, "order-42", append(notes(1, 3), more...))
}

func execute(t testing.TB, db *sql.DB, statement string, args ...any) {
	t.Helper()
	_, err := db.ExecContext(context.Background(), statement, args...)
	require.NoError(t, err)
}

// TestReadOnly: a database that cannot be written to refuses to open a session,
// and to append to one that is open. What is kept stays.
func TestReadOnly(t *testing.T) {
	onEach(t, func(t *testing.T, process func() *sqljournal.Journal) {
		j := process()
		j.DB.SetMaxOpenConns(1)
		on, off := `PRAGMA query_only = 1`, `PRAGMA query_only = 0`
		if j.Dialect == sqljournal.Postgres {
			j.DB.SetConnMaxIdleTime(0) // it is one connection's setting
			on, off = `SET default_transaction_read_only = on`, `SET default_transaction_read_only = off`
		}
		log := open(t, j, "order-42")
		require.NoError(t, log.Append(t.Context(), true, notes(1, 3)...))
		execute(t, j.DB, on)
		refusedAppend(t, log, 4, "read", notes(4, 1)...)
		_, err := j.Open(t.Context(), "another")
		var e *journal.StoreError
		require.ErrorAs(t, err, &e)
		require.Equal(t, journal.StoreError{Session: "another", Err: e.Err}, *e)
		execute(t, j.DB, off)
		require.NoError(t, log.Append(t.Context(), true, notes(4, 1)...))
		require.NoError(t, log.Close())
		holds(t, j, "order-42", notes(1, 4))
	})
}

// TestCorrupt: rows that are not what was written are found, with the first
// position that is wrong, and stay as they are.
func TestCorrupt(t *testing.T) {
	onEach(t, func(t *testing.T, process func() *sqljournal.Journal) {
		j := process()
		for i, tt := range []struct {
			name, damage string
			seq          int64
			reason       string
			readable     int // events before it; -1: the session is not opened
		}{
			{"a letter", `UPDATE toolloop_events SET body = replace(body, 'message 3', 'massage 3') WHERE session = $1 AND seq = 3`, 3, "the checksum does not match", 2},
			{"no JSON", `UPDATE toolloop_events SET body = '' WHERE session = $1 AND seq = 1`, 1, "the checksum does not match", 0},
			{"the checksum", `UPDATE toolloop_events SET sum = sum + 1 WHERE session = $1 AND seq = 5`, 5, "the checksum does not match", 4},
			{"two bodies alike", `UPDATE toolloop_events SET (body, sum) = (SELECT o.body, o.sum FROM toolloop_events o WHERE o.session = $1 AND o.seq = 2) WHERE session = $1 AND seq = 4`, 4, "the row is that of event 2", 3},
			{"one in the middle", `DELETE FROM toolloop_events WHERE session = $1 AND seq = 3`, 3, "it is missing", -1},
			{"the first", `DELETE FROM toolloop_events WHERE session = $1 AND seq = 1`, 1, "it is missing", -1},
			{"the last", `DELETE FROM toolloop_events WHERE session = $1 AND seq = 5`, 5, "it is missing", -1},
			{"all", `DELETE FROM toolloop_events WHERE session = $1`, 1, "it is missing", -1},
			{"another number", `UPDATE toolloop_events SET seq = 7 WHERE session = $1 AND seq = 5`, 5, "it is missing", -1},
			{"a number below", `UPDATE toolloop_events SET seq = 0 WHERE session = $1 AND seq = 5`, 1, "it is missing", -1},
			{"an earlier position", `UPDATE toolloop_sessions SET seq = 2 WHERE name = $1`, 3, "it lies behind the session's end, which is 2", -1},
			{"no position", `UPDATE toolloop_sessions SET seq = 0 WHERE name = $1`, 1, "it lies behind the session's end, which is 0", -1},
			{"a later position", `UPDATE toolloop_sessions SET seq = 6 WHERE name = $1`, 6, "it is missing", -1},
		} {
			name := fmt.Sprintf("s%d", i)
			log := open(t, j, name)
			require.NoError(t, log.Append(t.Context(), true, notes(1, 5)...))
			require.NoError(t, log.Close())
			execute(t, j.DB, tt.damage, name)
			before := dump(t, j.DB)
			for range 2 { // the session is not left taken
				readable := -1
				log, err := j.Open(t.Context(), name)
				if err == nil {
					var events []event.Event
					events, err = readAll(log)
					readable = len(events)
					require.NoError(t, log.Close())
				}
				require.Equal(t, &journal.CorruptError{
					Session: name, Seq: tt.seq, Place: fmt.Sprintf("table toolloop_events, seq %d", tt.seq), Reason: tt.reason,
				}, err, tt.name)
				require.Equal(t, tt.readable, readable, tt.name)
			}
			require.Equal(t, before, dump(t, j.DB), tt.name)
		}
	})
}

// dump is all that the tables hold.
func dump(t testing.TB, db *sql.DB) (all []string) {
	t.Helper()
	for _, statement := range []string{
		`SELECT name || ' ' || seq || ' ' || owner FROM toolloop_sessions ORDER BY name`,
		`SELECT session || ' ' || seq || ' ' || sum || ' ' || body FROM toolloop_events ORDER BY session, seq`,
	} {
		rows, err := db.QueryContext(t.Context(), statement)
		require.NoError(t, err)
		for rows.Next() {
			var text string
			require.NoError(t, rows.Scan(&text))
			all = append(all, text)
		}
		require.NoError(t, errorsOf(rows))
	}
	return all
}

func errorsOf(rows *sql.Rows) error {
	if err := rows.Err(); err != nil {
		return err
	}
	return rows.Close()
}

// TestCorruptFile: a SQLite file whose pages were overwritten.
func TestCorruptFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "desk.db")
	j, err := sqljournal.OpenSQLite(t.Context(), path)
	require.NoError(t, err)
	log := open(t, j, "order-42")
	require.NoError(t, log.Append(t.Context(), true, notes(1, 500)...))
	require.NoError(t, log.Close())
	require.NoError(t, j.Close())
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	for i := len(data) / 2; i < len(data); i++ {
		data[i] = 0xa5
	}
	require.NoError(t, os.WriteFile(path, data, 0o600))
	j = openSQLite(t, path)
	log, err = j.Open(t.Context(), "order-42")
	if err == nil { // the index was spared
		_, err = readAll(log)
		_ = log.Close()
	}
	var e *journal.CorruptError
	require.ErrorAs(t, err, &e)
	require.Equal(t, "order-42", e.Session)
	require.Positive(t, e.Seq)
}

// TestEmptySession: one that nothing was appended to leaves nothing.
func TestEmptySession(t *testing.T) {
	onEach(t, func(t *testing.T, process func() *sqljournal.Journal) {
		j := process()
		log := open(t, j, "order-42")
		require.NoError(t, log.Close())
		require.Empty(t, dump(t, j.DB))
	})
}

// TestSessions: names come in the order of their bytes, over many pages.
func TestSessions(t *testing.T) {
	onEach(t, func(t *testing.T, process func() *sqljournal.Journal) {
		j := process()
		var want []string
		for i := range 405 {
			want = append(want, fmt.Sprintf("%04d", i))
		}
		want = append(want, "A", "B", "a", "ä")
		for _, name := range want {
			execute(t, j.DB, `INSERT INTO toolloop_sessions (name, seq, owner, expires) VALUES ($1, 1, '', 0)`, name)
		}
		empty := open(t, j, "not appended to")
		defer empty.Close()
		var got []string
		for s, err := range j.List(t.Context(), journal.Filter{}) {
			require.NoError(t, err)
			got = append(got, s.Session)
		}
		require.Equal(t, want, got)
	})
}

// TestSQLitePaths: a file may have any name.
func TestSQLitePaths(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"a b.db", "what?.db", "a#b.db", "100%.db", "%41.db", "a&b=c;d+e.db", "é'\"😀.db", "?_pragma=query_only(1)"} {
		j := openSQLite(t, filepath.Join(dir, name))
		log := open(t, j, "s")
		require.NoError(t, log.Append(t.Context(), true, notes(1, 1)...), name)
		require.NoError(t, log.Close())
		require.FileExists(t, filepath.Join(dir, name))
	}
	for _, name := range []string{"", ":memory:", ":memory:?cache=shared"} {
		_, err := sqljournal.OpenSQLite(t.Context(), name)
		require.EqualError(t, err, fmt.Sprintf("sqljournal: %q is not a file; see journal.Memory", name))
	}
}

// TestFields: what cannot be worked with is named.
func TestFields(t *testing.T) {
	t.Parallel()
	db := openSQLite(t, filepath.Join(t.TempDir(), "desk.db")).DB
	for _, tt := range []struct {
		journal *sqljournal.Journal
		want    string
	}{
		{&sqljournal.Journal{DB: db}, `sqljournal: Dialect is ""`},
		{&sqljournal.Journal{Dialect: sqljournal.SQLite}, `sqljournal: DB is nil`},
		{&sqljournal.Journal{DB: db, Dialect: sqljournal.SQLite, Lease: -1}, `sqljournal: Lease is -1ns, the shortest is 50ms`},
		{&sqljournal.Journal{DB: db, Dialect: sqljournal.SQLite, Lease: 1}, `sqljournal: Lease is 1ns, the shortest is 50ms`},
	} {
		_, err := tt.journal.Open(t.Context(), "s")
		require.EqualError(t, err, tt.want)
		require.EqualError(t, tt.journal.Migrate(t.Context()), tt.want)
	}
}
