package desk

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
)

// A Desk is a database of users, products and orders, and the conversations about
// them. It is safe for concurrent use; several processes may have it open.
type Desk struct {
	db       *sql.DB
	reads    *sql.DB       // for transactions that only look; for PostgreSQL it is db
	turn     chan struct{} // held by a transaction on db
	postgres bool
	journal  *sqljournal.Journal // on db
}

// Open opens a database and readies its tables: PostgreSQL by a URL that begins
// with postgres:// or postgresql://, else an SQLite file by its path, which is
// made if there is none. A path that begins with file: is given to SQLite as it
// stands, and says itself how it is opened. A database that has tables of others, and
// none of a desk, is left as it is.
func Open(ctx context.Context, where string) (*Desk, error) {
	// What cannot be looked into, the rest of Open tells better, but for these.
	if _, err := Exists(ctx, where); errors.Is(err, errOthers) || errors.Is(err, errDirectory) {
		return nil, err
	}
	d, err := connect(ctx, where)
	if err != nil {
		return nil, fmt.Errorf("desk: %w", err)
	}
	err = d.migrate(ctx)
	if err == nil {
		err = d.journal.Migrate(ctx)
	}
	if err != nil {
		_ = d.Close()
		return nil, err
	}
	return d, nil
}

// The connections that one process keeps. SQLite has one writer, for which the
// journal and the tools wait in a queue, in place of trying again and again. Who
// only looks waits for nobody: its mode WAL shows the state before.
const (
	sqliteReads   = 4
	postgresConns = 16
)

func connect(ctx context.Context, where string) (*Desk, error) {
	if isPostgres(where) {
		journal, err := sqljournal.OpenPostgres(ctx, where) // whose pool finds connections that were forgotten
		if err != nil {
			return nil, err
		}
		db := journal.DB
		db.SetMaxOpenConns(postgresConns)
		db.SetMaxIdleConns(postgresConns)
		return &Desk{db: db, reads: db, turn: make(chan struct{}, postgresConns), postgres: true, journal: journal}, nil
	}
	if !strings.HasPrefix(where, "file:") {
		where = durable(where)
	}
	db, err := sql.Open("sqlite", where)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	reads, err := sql.Open("sqlite", where)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	reads.SetMaxOpenConns(sqliteReads)
	reads.SetMaxIdleConns(sqliteReads)
	journal := &sqljournal.Journal{DB: db, Dialect: sqljournal.SQLite}
	return &Desk{db: db, reads: reads, turn: make(chan struct{}, 1), journal: journal}, nil
}

// durable is an SQLite file whose transactions are on the disk once they are
// committed.
func durable(path string) string {
	query := url.Values{
		"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)"},
		"_txlock": {"immediate"}, // else two that read first and then write refuse each other
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + query.Encode()
}

// Close closes the connections.
func (d *Desk) Close() error {
	err := d.db.Close()
	if d.reads != d.db {
		err = errors.Join(err, d.reads.Close())
	}
	return err
}

// Journal keeps conversations in the same database. It must not be closed.
func (d *Desk) Journal() *sqljournal.Journal { return d.journal }

// tx is a transaction.
type tx struct {
	*sql.Tx
	lock string // keeps others from the rows of a SELECT that it ends
}

// view shows f one state of the database, which it does not change.
func (d *Desk) view(ctx context.Context, f func(*tx) error) error {
	opts := sql.TxOptions{ReadOnly: true}
	if !d.postgres {
		return transact(ctx, d.reads, &opts, "", f)
	}
	opts.Isolation = sql.LevelRepeatableRead
	return d.inTurn(ctx, func() error { return transact(ctx, d.db, &opts, "", f) })
}

// update runs f in a transaction, which is committed unless f fails.
func (d *Desk) update(ctx context.Context, f func(*tx) error) error {
	lock := ""
	if d.postgres {
		lock = " FOR UPDATE"
	}
	return d.inTurn(ctx, func() error { return transact(ctx, d.db, nil, lock, f) })
}

// inTurn lets as many to the database as it has connections, as they come. It
// would hand one to any of those who wait, and with thousands of tools among them
// the journal would wait for very long.
func (d *Desk) inTurn(ctx context.Context, do func() error) error {
	select {
	case d.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-d.turn }()
	return do()
}

func transact(ctx context.Context, db *sql.DB, opts *sql.TxOptions, lock string, f func(*tx) error) error {
	began, err := db.BeginTx(ctx, opts)
	if err != nil {
		return err
	}
	defer func() { _ = began.Rollback() }() // after Commit it does nothing
	if err := f(&tx{Tx: began, lock: lock}); err != nil {
		return err
	}
	if err := began.Commit(); err != nil {
		return &commitError{err}
	}
	return nil
}

// A commitError leaves open whether the transaction took effect.
type commitError struct{ err error }

func (e *commitError) Error() string { return "commit: " + e.err.Error() }
func (e *commitError) Unwrap() error { return e.err }

func (t *tx) exec(ctx context.Context, statement string, args ...any) error {
	_, err := t.ExecContext(ctx, statement, args...)
	return err
}

func isPostgres(where string) bool {
	return strings.HasPrefix(where, "postgres://") || strings.HasPrefix(where, "postgresql://")
}
