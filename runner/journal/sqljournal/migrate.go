package sqljournal

import (
	"context"
	"database/sql"
	"fmt"
)

// migrations run in this order, each once per database. New migrations go to the end;
// existing migrations never change.
var migrations = [][]string{
	{
		`CREATE TABLE {sessions} (name TEXT {bytewise} PRIMARY KEY, seq BIGINT NOT NULL, owner TEXT NOT NULL, expires BIGINT NOT NULL)`,
		`CREATE TABLE {events} (session TEXT {bytewise} NOT NULL REFERENCES {sessions} (name) ON DELETE CASCADE,
			seq BIGINT NOT NULL, body TEXT NOT NULL, sum BIGINT NOT NULL, PRIMARY KEY (session, seq))`,
	},
	{
		// The size of a session, kept beside the position: a sum at opening would read every event.
		`ALTER TABLE {sessions} ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0`,
		`UPDATE {sessions} SET bytes = (SELECT COALESCE(SUM(octet_length(body)), 0) FROM {events} WHERE session = name)`,
	},
	{
		// The summary of a session for lists, as JSON. It is stale if its seq is not that of the
		// session: a process of an older version wrote the last event.
		`ALTER TABLE {sessions} ADD COLUMN summary TEXT NOT NULL DEFAULT ''`,
	},
	{
		// The saved state of a session, so that opening need not read all events.
		`CREATE TABLE {states} (session TEXT {bytewise} PRIMARY KEY REFERENCES {sessions} (name) ON DELETE CASCADE,
			seq BIGINT NOT NULL, state TEXT NOT NULL, sum BIGINT NOT NULL)`,
	},
}

const (
	createVersion = `CREATE TABLE IF NOT EXISTS {version} (version BIGINT NOT NULL)`
	readVersion   = `SELECT COALESCE(MAX(version), 0) FROM {version}`
	addVersion    = `INSERT INTO {version} (version) VALUES ($1)`
)

func ready(ctx context.Context, db *sql.DB, d Dialect, err error) (*Journal, error) {
	if err != nil {
		return nil, fmt.Errorf("sqljournal: %w", err)
	}
	j := &Journal{DB: db, Dialect: d}
	if err := j.Migrate(ctx); err != nil {
		_ = db.Close()
		return nil, err
	}
	return j, nil
}

// Migrate makes or updates the tables. Any number of workers may call Migrate at once. A
// worker without the right to make tables can call Migrate if the tables are up to date.
// Tables of a newer version are an error.
func (j *Journal) Migrate(ctx context.Context) error {
	if err := j.check(); err != nil {
		return err
	}
	if version, err := j.version(ctx, j.DB); err == nil && version == len(migrations) {
		return nil
	}
	if err := j.migrate(ctx); err != nil {
		return fmt.Errorf("sqljournal: migrate: %w", err)
	}
	return nil
}

func (j *Journal) migrate(ctx context.Context) error {
	if j.Dialect == SQLite { // the lock of SQLite is a write to this table
		if _, err := j.DB.ExecContext(ctx, j.sql(createVersion)); err != nil {
			return err
		}
	}
	tx, err := j.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	if err := j.lockVersion(ctx, tx); err != nil {
		return err
	}
	version, err := j.version(ctx, tx)
	if err != nil {
		return err
	}
	if version > len(migrations) {
		return fmt.Errorf("the tables are of version %d, and this library knows up to %d", version, len(migrations))
	}
	for i, statements := range migrations[version:] {
		for _, s := range statements {
			if _, err := tx.ExecContext(ctx, j.sql(s)); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, j.sql(addVersion), version+i+1); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// lockVersion keeps other processes from migrating until the transaction ends.
func (j *Journal) lockVersion(ctx context.Context, tx *sql.Tx) error {
	if j.Dialect == SQLite {
		_, err := tx.ExecContext(ctx, j.sql(sqliteLock))
		return err
	}
	if _, err := tx.ExecContext(ctx, postgresLock, j.table("version")); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, j.sql(createVersion))
	return err
}

// version returns the version of the tables.
func (j *Journal) version(ctx context.Context, from interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}) (version int, err error) {
	err = from.QueryRowContext(ctx, j.sql(readVersion)).Scan(&version)
	return version, err
}
