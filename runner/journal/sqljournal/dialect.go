package sqljournal

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	_ "modernc.org/sqlite"             // the driver "sqlite"
)

// A Dialect is the database's way of saying things.
type Dialect string

// The dialects.
const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
)

// OpenSQLite opens a database file, which is made if there is none, and readies
// its tables. Its journal mode is WAL, and each append is on the disk when it
// returns (synchronous=FULL). [Journal.Close] closes it.
func OpenSQLite(ctx context.Context, path string) (*Journal, error) {
	query := url.Values{
		"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)"},
		"_txlock": {"immediate"},
	}
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?"+query.Encode())
	return ready(ctx, db, SQLite, err)
}

// OpenPostgres opens a PostgreSQL database by its URL or connection string, and
// readies its tables. [Journal.Close] closes the connections.
func OpenPostgres(ctx context.Context, dsn string) (*Journal, error) {
	db, err := sql.Open("pgx", dsn)
	return ready(ctx, db, Postgres, err)
}

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

// The statements, with names of tables and the time to be filled in. Times are
// milliseconds of the database's clock, which all workers share.
const (
	take = `INSERT INTO {sessions} AS s (name, seq, owner, expires) VALUES ($1, 0, $2, {now} + $3)
		ON CONFLICT (name) DO UPDATE SET owner = $2, expires = {now} + $3
		WHERE s.owner = '' OR s.expires < {now} RETURNING seq`
	renew = `UPDATE {sessions} SET expires = {now} + $3 WHERE name = $1 AND owner = $2`
	move  = `UPDATE {sessions} SET seq = $4, expires = {now} + $5 WHERE name = $1 AND owner = $2 AND seq = $3`
	look  = `SELECT owner, seq FROM {sessions} WHERE name = $1`
	give  = `UPDATE {sessions} SET owner = '', expires = 0 WHERE name = $1 AND owner = $2`
	read  = `SELECT seq, body FROM {events} WHERE session = $1 AND seq >= $2 ORDER BY seq LIMIT $3`
	list  = `SELECT name FROM {sessions} WHERE name > $1 AND seq > 0 ORDER BY name LIMIT $2`
)

// insert adds n events of session $1.
func insert(n int) string {
	var b strings.Builder
	b.WriteString(`INSERT INTO {events} (session, seq, body) VALUES `)
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "($1, $%d, $%d)", 2*i+2, 2*i+3)
	}
	return b.String()
}

// migrations are applied in their order, each once. They are only ever added to.
var migrations = [][]string{
	{
		`CREATE TABLE {sessions} (name TEXT {bytewise} PRIMARY KEY, seq BIGINT NOT NULL, owner TEXT NOT NULL, expires BIGINT NOT NULL)`,
		`CREATE TABLE {events} (session TEXT {bytewise} NOT NULL REFERENCES {sessions} (name) ON DELETE CASCADE,
			seq BIGINT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (session, seq))`,
	},
}

// Migrate brings the tables to the form of this version. Any number of workers
// may do it at once. Tables of a newer version are an error.
func (j *Journal) Migrate(ctx context.Context) error {
	if j.Dialect != SQLite && j.Dialect != Postgres {
		return fmt.Errorf("sqljournal: Dialect is %q", j.Dialect)
	}
	if err := j.migrate(ctx); err != nil {
		return fmt.Errorf("sqljournal: migrate: %w", err)
	}
	return nil
}

func (j *Journal) migrate(ctx context.Context) error {
	tx, err := j.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	if j.Dialect == Postgres {           // SQLite's transactions exclude each other
		if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(hashtext($1))`, j.table("version")); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, j.sql(`CREATE TABLE IF NOT EXISTS {version} (version BIGINT NOT NULL)`)); err != nil {
		return err
	}
	var version int
	if err := tx.QueryRowContext(ctx, j.sql(`SELECT COALESCE(MAX(version), 0) FROM {version}`)).Scan(&version); err != nil {
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
		if _, err := tx.ExecContext(ctx, j.sql(`INSERT INTO {version} (version) VALUES ($1)`), version+i+1); err != nil {
			return err
		}
	}
	return tx.Commit()
}

func (j *Journal) table(name string) string {
	if j.Prefix == "" {
		return "toolloop_" + name
	}
	return j.Prefix + name
}

// sql fills in a statement.
func (j *Journal) sql(statement string) string {
	now, bytewise := `CAST(unixepoch('subsec') * 1000 AS INTEGER)`, ``
	if j.Dialect == Postgres {
		now, bytewise = `CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)`, `COLLATE "C"`
	}
	return strings.NewReplacer(
		"{now}", now, "{bytewise}", bytewise,
		"{sessions}", j.table("sessions"), "{events}", j.table("events"), "{version}", j.table("version"),
	).Replace(statement)
}
