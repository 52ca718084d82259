package temporal_test

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver

	"github.com/seed-916e8f6a/toolloop/tool"
)

// A book is a SQLite database with the effects of worker processes. The key of a call is the
// idempotency key of its effect. An attempt whose fence is recorded, or a later one, has no effect:
// somebody has looked, and decided about the call.
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
		"CREATE TABLE IF NOT EXISTS effects (key TEXT PRIMARY KEY, times INTEGER NOT NULL, tool TEXT NOT NULL, session TEXT NOT NULL, item TEXT NOT NULL)",
		"CREATE TABLE IF NOT EXISTS fences (key TEXT NOT NULL, fence INTEGER NOT NULL)",
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

var errFenced = errors.New("somebody has decided about this attempt")

// act has the effect of a call on an item. Only an effect that happens once looks at the key.
func (b *book) act(ctx context.Context, c tool.Call, item string, once bool) error {
	statement := "INSERT INTO effects SELECT ?, 1, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM fences WHERE key = ? AND fence >= ?) ON CONFLICT DO "
	if once {
		statement += "NOTHING"
	} else {
		statement += "UPDATE SET times = times + 1"
	}
	result, err := b.db.ExecContext(ctx, statement, c.Key, c.Tool, c.Session, item, c.Key, c.Fence)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 && !once {
		return cmp.Or(err, errFenced)
	}
	return nil
}

// happened reports whether an attempt has had its effect, and lets it have none from now on.
func (b *book) happened(ctx context.Context, key string, fence int64) (is bool, err error) {
	if _, err = b.db.ExecContext(ctx, "INSERT INTO fences VALUES (?, ?)", key, fence); err == nil {
		err = b.db.QueryRowContext(ctx, "SELECT count(*) > 0 FROM effects WHERE key = ?", key).Scan(&is)
	}
	return is, err
}

// count returns the number of rows.
func (b *book) count(t *testing.T, from string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, b.db.QueryRow("SELECT count(*) FROM "+from, args...).Scan(&n))
	return n
}

func (b *book) attempts(t *testing.T) int { t.Helper(); return b.count(t, "attempts") }

func (b *book) effects(t *testing.T) int { t.Helper(); return b.count(t, "effects") }

// An entry is a row of the book.
type entry struct {
	key, tool, session, item string
	times                    int
}

// list returns entries.
func (b *book) list(ctx context.Context, where string, args ...any) (all []entry, err error) {
	rows, err := b.db.QueryContext(ctx, "SELECT key, tool, session, item, times FROM effects WHERE "+where, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var e entry
		if err := rows.Scan(&e.key, &e.tool, &e.session, &e.item, &e.times); err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, rows.Err()
}
