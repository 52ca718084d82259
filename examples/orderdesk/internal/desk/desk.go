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

// A Desk is a database of users, products and orders, with the conversations about
// them. A Desk is safe for concurrent use, and several processes may have the same
// desk open.
type Desk struct {
	db       *sql.DB
	reads    *sql.DB       // for read-only transactions; the same as db for PostgreSQL
	prepared *statements   // of reads; nil for PostgreSQL, whose driver prepares statements itself
	turn     chan struct{} // a transaction on db holds it
	postgres bool
	journal  *sqljournal.Journal // uses db
}

// Open opens a database and creates the tables. A URL that begins with postgres://
// or postgresql:// is PostgreSQL. Every other text is the path of an SQLite file.
// Open creates the file if necessary. A path that begins with file: goes to SQLite
// unchanged, with all options. Open does not change a database with foreign tables
// and without a desk.
func Open(ctx context.Context, where string) (*Desk, error) {
	// If contentsOf fails, the code below reports a clearer error, except for these
	// errors.
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

// The connections of one process. SQLite allows one writer at a time, so the journal
// and the tools queue up here instead of retrying. Read-only transactions do not
// wait: in WAL mode they see the state before the write.
const (
	sqliteReads   = 4
	postgresConns = 16
)

func connect(ctx context.Context, where string) (*Desk, error) {
	if isPostgres(where) {
		journal, err := sqljournal.OpenPostgres(ctx, where) // its pool detects lost connections
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
	return &Desk{db: db, reads: reads, prepared: &statements{db: reads}, turn: make(chan struct{}, 1), journal: journal}, nil
}

// durable returns the data source of an SQLite file whose committed transactions are
// on the disk.
func durable(path string) string {
	query := url.Values{
		"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)"},
		"_txlock": {"immediate"}, // otherwise two transactions that first read and then write refuse each other
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

// Journal returns the journal in the same database. Do not close it.
func (d *Desk) Journal() *sqljournal.Journal { return d.journal }

// A tx is a transaction.
type tx struct {
	*sql.Tx
	lock     string      // appended to a SELECT, locks its rows
	prepared *statements // nil: each statement is parsed
	unknown  []string    // queries that were not prepared
}

// view runs f with one read-only state of the database.
func (d *Desk) view(ctx context.Context, f func(*tx) error) error {
	opts := sql.TxOptions{ReadOnly: true}
	if !d.postgres {
		return d.prepared.view(ctx, &opts, f)
	}
	opts.Isolation = sql.LevelRepeatableRead
	return d.inTurn(ctx, func() error { return transact(ctx, d.db, &opts, &tx{}, f) })
}

// update runs f in a transaction, which is committed unless f fails.
func (d *Desk) update(ctx context.Context, f func(*tx) error) error {
	lock := ""
	if d.postgres {
		lock = " FOR UPDATE"
	}
	return d.inTurn(ctx, func() error { return transact(ctx, d.db, nil, &tx{lock: lock}, f) })
}

// inTurn admits callers in their order, as many as db has connections. A sql.DB
// gives a free connection to any waiting caller, so the journal could wait very long
// among thousands of tools.
func (d *Desk) inTurn(ctx context.Context, do func() error) error {
	select {
	case d.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-d.turn }()
	return do()
}

// transact runs f in a transaction. It sets t.Tx.
func transact(ctx context.Context, db *sql.DB, opts *sql.TxOptions, t *tx, f func(*tx) error) error {
	began, err := db.BeginTx(ctx, opts)
	if err != nil {
		return err
	}
	defer func() { _ = began.Rollback() }() // does nothing after Commit
	t.Tx = began
	if err := f(t); err != nil {
		return err
	}
	if err := began.Commit(); err != nil {
		return &commitError{err}
	}
	return nil
}

// A commitError means that the transaction may or may not have taken effect.
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
