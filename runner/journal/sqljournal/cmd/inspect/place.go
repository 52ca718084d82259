package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/queue"
)

// A place is where sessions are.
type place struct {
	reader journal.Reader
	queue  *queue.Queue // nil for reading only
	close  func()
}

// open opens a place, and makes no file and no table. Without answers, the place is open
// for reading only.
func open(ctx context.Context, name, tables string, answers bool) (*place, error) {
	if strings.HasPrefix(name, "postgres://") || strings.HasPrefix(name, "postgresql://") {
		return openDatabase(ctx, "the database", tables, answers, func() (*sqljournal.Journal, error) { return readPostgres(name) },
			func() (*sqljournal.Journal, error) { return sqljournal.OpenPostgres(ctx, name) })
	}
	file, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, err
	case file.IsDir() && answers:
		return nil, errors.New("a directory has no queue, so nobody can answer: leave -answer out")
	case file.IsDir():
		return &place{reader: journal.Dir{Path: name}, close: func() {}}, nil
	case !isSQLite(name):
		return nil, fmt.Errorf("%s is not an SQLite database; of the files of journal.Dir, name the directory", name)
	}
	return openDatabase(ctx, name, tables, answers, func() (*sqljournal.Journal, error) { return readSQLite(name) },
		func() (*sqljournal.Journal, error) { return sqljournal.OpenSQLite(ctx, name) })
}

func openDatabase(ctx context.Context, name, tables string, answers bool, read, write func() (*sqljournal.Journal, error)) (*place, error) {
	j, err := read()
	if err != nil {
		return nil, err
	}
	j.Prefix = tables
	p := &place{reader: j, close: func() { _ = j.Close() }}
	for _, err := range j.List(ctx, journal.Filter{After: "\U0010FFFF"}) {
		if err != nil {
			p.close()
			return nil, fmt.Errorf("%s has no sessions that can be read: %w", name, err)
		}
	}
	if !answers {
		return p, nil
	}
	defer p.close()
	if err := hasQueue(ctx, j); err != nil {
		return nil, fmt.Errorf("%s has no queue, so nobody can answer: leave -answer out: %w", name, err)
	}
	w, err := write()
	if err != nil {
		return nil, err
	}
	w.Prefix = tables
	q, err := queue.Open(ctx, w)
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return &place{reader: w, queue: q, close: func() { _ = w.Close() }}, nil
}

// hasQueue looks for the tables of package queue.
func hasQueue(ctx context.Context, j *sqljournal.Journal) error {
	prefix := j.Prefix
	if prefix == "" {
		prefix = "toolloop_"
	}
	rows, err := j.DB.QueryContext(ctx, "SELECT session FROM "+prefix+"inputs WHERE id < 0")
	if err != nil {
		return err
	}
	return errors.Join(rows.Err(), rows.Close())
}

func isSQLite(name string) bool {
	f, err := os.Open(name) //nolint:gosec // the user's file
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	head := make([]byte, 16)
	_, err = io.ReadFull(f, head)
	return err == nil && bytes.Equal(head, []byte("SQLite format 3\x00"))
}

// readSQLite opens a file for reading.
func readSQLite(name string) (*sqljournal.Journal, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	path := filepath.ToSlash(abs)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	query := url.Values{"mode": {"rw"}, "_pragma": {"busy_timeout(20000)", "query_only(1)"}} // without mode=rw, a missing file is made
	db, err := sql.Open("sqlite", "file://"+(&url.URL{Path: path}).EscapedPath()+"?"+query.Encode())
	if err != nil {
		return nil, err
	}
	return &sqljournal.Journal{DB: db, Dialect: sqljournal.SQLite}, nil
}

// readPostgres opens a database for reading.
func readPostgres(dsn string) (*sqljournal.Journal, error) {
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("the URL of the database cannot be read") // the error can have the password
	}
	config.RuntimeParams["default_transaction_read_only"] = "on"
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(8)
	return &sqljournal.Journal{DB: db, Dialect: sqljournal.Postgres}, nil
}
