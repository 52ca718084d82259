package temporal_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver
)

// A book is a SQLite database with the effects of worker processes. The key of a call is the
// idempotency key of its effect.
type book struct {
	file string
	db   *sql.DB
}

func openBook(file string) (*book, error) {
	// A killed process loses nothing, because SQLite gave all writes to the operating system.
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(file)+"?_pragma=busy_timeout(60000)&_pragma=journal_mode(wal)&_pragma=synchronous(off)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	for _, table := range []string{
		"CREATE TABLE IF NOT EXISTS attempts (key TEXT NOT NULL)",
		"CREATE TABLE IF NOT EXISTS effects (key TEXT PRIMARY KEY, times INTEGER NOT NULL)",
	} {
		if _, err := db.Exec(table); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	return &book{file, db}, nil
}

// newBook returns an empty book until the end of the test.
func newBook(t *testing.T) *book {
	t.Helper()
	b, err := openBook(filepath.Join(t.TempDir(), "effects.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.db.Close()) })
	return b
}

// begin notes an attempt of a call.
func (b *book) begin(ctx context.Context, key string) error {
	_, err := b.db.ExecContext(ctx, "INSERT INTO attempts VALUES (?)", key)
	return err
}

// act has the effect of a call. Only an effect that happens once looks at the key.
func (b *book) act(ctx context.Context, key string, once bool) error {
	statement := "INSERT INTO effects VALUES (?, 1) ON CONFLICT DO UPDATE SET times = times + 1"
	if once {
		statement = "INSERT INTO effects VALUES (?, 1) ON CONFLICT DO NOTHING"
	}
	_, err := b.db.ExecContext(ctx, statement, key)
	return err
}

// count returns the number of rows.
func (b *book) count(t *testing.T, from string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, b.db.QueryRow("SELECT count(*) FROM "+from, args...).Scan(&n))
	return n
}

func (b *book) attempts(t *testing.T) int { t.Helper(); return b.count(t, "attempts") }

// awaitCall waits for the next attempt of a call. It returns false if ended comes first.
func (b *book) awaitCall(t *testing.T, ended <-chan struct{}) bool {
	t.Helper()
	for before := b.attempts(t); b.attempts(t) == before; {
		select {
		case <-ended:
			return false
		case <-time.After(10 * time.Millisecond):
		}
	}
	return true
}

func (b *book) effects(t *testing.T) int { t.Helper(); return b.count(t, "effects") }

func (b *book) doubled(t *testing.T) int { t.Helper(); return b.count(t, "effects WHERE times > 1") }

func (b *book) has(t *testing.T, key string) bool {
	t.Helper()
	return b.count(t, "effects WHERE key = ?", key) > 0
}
