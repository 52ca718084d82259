package sqljournal

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
)

const (
	sqliteNow = `CAST(unixepoch('subsec') * 1000 AS INTEGER)`
	// sqliteLock changes nothing, but takes the write lock of the file.
	sqliteLock  = `DELETE FROM {version} WHERE version < 0`
	sqliteMove  = `UPDATE {sessions} SET seq = $4, expires = {now} + $5, bytes = bytes + $6, summary = $7 WHERE name = $1 AND owner = $2 AND seq = $3`
	sqliteRenew = `UPDATE {sessions} SET expires = {now} + $2 FROM json_each($1) AS mine
		WHERE name = mine.value ->> 0 AND owner = mine.value ->> 1 RETURNING name, true`
	sqliteAdd = `INSERT INTO {events} (session, seq, body, sum) VALUES ($1, $2, $3, $4)`
)

// OpenSQLite opens or makes a database file, and prepares its tables. The journal mode is
// WAL, and each append is on the disk when it returns (synchronous=FULL). Any number of
// processes of a machine may use the file, each with one connection. [Journal.Close]
// closes the file.
//
// A database in memory is an error: use [journal.Memory].
func OpenSQLite(ctx context.Context, path string) (*Journal, error) {
	if path == "" || strings.HasPrefix(path, ":memory:") {
		return nil, fmt.Errorf("sqljournal: %q is not a file; see journal.Memory", path)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("sqljournal: %w", err)
	}
	db, err := sql.Open("sqlite", sqliteURL(abs))
	if err == nil {
		// SQLite has one writer. With one connection, the writers of this process wait in
		// the queue of the group, in place of polling the lock of the file.
		db.SetMaxOpenConns(1)
	}
	return ready(ctx, db, SQLite, err)
}

// sqliteURL returns the URL of a file. A plain path would not work with every letter.
func sqliteURL(abs string) string {
	path := filepath.ToSlash(abs)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/desk.db
	}
	query := url.Values{
		"_pragma": {"busy_timeout(20000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)"},
		"_txlock": {"immediate"},
	}
	return "file://" + (&url.URL{Path: path}).EscapedPath() + "?" + query.Encode()
}

// writeSQLite adds rows behind the position that the log believes in. moved is false if the
// position or the owner in the database differs.
func (l *log) writeSQLite(ctx context.Context, sync bool, rows []row, summary string) (moved bool, err error) {
	j, last := l.journal, l.last+int64(len(rows))
	err = j.write(ctx, sync, func(ctx context.Context, to execer) error {
		result, err := to.ExecContext(ctx, j.sql(sqliteMove), l.session, l.owner, l.last, last, j.lease().Milliseconds(), bodyBytes(rows), summary)
		if moved = err == nil && affected(result) > 0; !moved {
			return err
		}
		add := j.sql(sqliteAdd)
		for i, r := range rows {
			if _, err := to.ExecContext(ctx, add, l.session, l.last+int64(i)+1, r.body, r.sum); err != nil {
				return err
			}
		}
		return nil
	})
	return moved, err
}

// sqliteNormal is the level of "PRAGMA synchronous" where a commit in a file with a
// write-ahead log does not wait for the disk. Source: https://www.sqlite.org/pragma.html
const sqliteNormal = 1

// skipSync lets commits on a connection return before their data is on the disk, until the
// caller calls restore. The next commit that waits for the disk waits for all earlier
// data, too, because all of it is in the same write-ahead log. Without a write-ahead log a
// lower level can damage the file, so the level stays.
func skipSync(ctx context.Context, conn *sql.Conn) (restore func(), err error) {
	var mode string
	var level int
	if err := conn.QueryRowContext(ctx, `PRAGMA journal_mode`).Scan(&mode); err != nil {
		return nil, err
	}
	if err := conn.QueryRowContext(ctx, `PRAGMA synchronous`).Scan(&level); err != nil {
		return nil, err
	}
	if mode != "wal" || level <= sqliteNormal {
		return func() {}, nil
	}
	set := func(ctx context.Context, level int) error {
		_, err := conn.ExecContext(ctx, fmt.Sprintf(`PRAGMA synchronous = %d`, level))
		return err
	}
	return func() {
		if set(context.WithoutCancel(ctx), level) != nil {
			_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // the pool must not hand out this connection
		}
	}, set(ctx, sqliteNormal)
}

// sqliteCommit commits. After a full disk or a lock that another process holds, the file
// is unchanged. After any other failure of the disk the outcome is unknown.
func sqliteCommit(tx *sql.Tx) error {
	err := tx.Commit()
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err // the commit has not begun
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok && (e.Code()&0xff == sqliteFull || e.Code()&0xff == sqliteBusy) {
		return err
	}
	return &unknownOutcomeError{err}
}

// Result codes of SQLite. Source: https://www.sqlite.org/rescode.html
const (
	sqliteBusy    = 5
	sqliteCorrupt = 11
	sqliteFull    = 13
	sqliteNoDB    = 26
)

// sqliteDamaged reports whether the file is damaged.
func sqliteDamaged(err error) bool {
	e, ok := errors.AsType[*sqlite.Error](err)
	return ok && (e.Code()&0xff == sqliteCorrupt || e.Code()&0xff == sqliteNoDB)
}
