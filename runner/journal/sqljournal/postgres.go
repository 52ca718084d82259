package sqljournal

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

const (
	postgresNow  = `CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)`
	postgresLock = `SELECT pg_advisory_xact_lock(hashtext($1))`
	// postgresWrite checks the lease, moves the position and adds the events in one
	// statement, so an append is one round trip.
	// The subquery changes synchronous_commit for this statement alone: $8 is true for an
	// append that does not wait for the disk. The condition on its result makes sure that
	// the server runs the subquery.
	postgresWrite = `WITH moved AS (
			UPDATE {sessions} SET seq = $3::bigint + cardinality($5::text[]), expires = {now} + $4, bytes = bytes + $7, summary = $9
			FROM (SELECT set_config('synchronous_commit',
				CASE WHEN $8 THEN 'off' ELSE current_setting('synchronous_commit') END, true) AS level OFFSET 0) AS mode
			WHERE name = $1 AND owner = $2 AND seq = $3::bigint AND mode.level <> '' RETURNING name)
		INSERT INTO {events} (session, seq, body, sum)
		SELECT moved.name, $3::bigint + added.place, added.body, added.sum
		FROM moved, unnest($5::text[], $6::bigint[]) WITH ORDINALITY AS added (body, sum, place)`
	// postgresUnsynced begins the conditions of an UPDATE that does not wait for the disk.
	// See postgresWrite.
	postgresUnsynced = `FROM (SELECT set_config('synchronous_commit', 'off', true) AS level OFFSET 0) AS mode WHERE mode.level <> '' AND`
	// postgresRenew skips rows that an append has locked, because the append renews the
	// lease. The rows are the leases of this process; the second column reports
	// whether the statement renewed the lease.
	postgresRenew = `WITH mine AS (SELECT * FROM unnest($1::text[], $2::text[]) AS m (name, owner)),
		free AS (SELECT s.name FROM {sessions} AS s, mine WHERE s.name = mine.name AND s.owner = mine.owner
			FOR NO KEY UPDATE OF s SKIP LOCKED),
		renewed AS (UPDATE {sessions} AS s SET expires = {now} + $3 FROM free WHERE s.name = free.name RETURNING s.name)
		SELECT s.name, renewed.name IS NOT NULL FROM {sessions} AS s JOIN mine ON s.name = mine.name AND s.owner = mine.owner
			LEFT JOIN renewed ON renewed.name = s.name`
)

const (
	postgresConns = 16
	postgresIdle  = 5 * time.Minute
)

// OpenPostgres opens a PostgreSQL database by its URL or connection string, and prepares
// its tables. The pool has at most 16 connections. Sessions share the connections; one
// connection renews leases while a session is open. The server's synchronous_commit
// decides how durable an append is. [Journal.Close] closes the connections.
//
// A NAT or a proxy can forget an idle connection. The pool pings each connection that was
// idle for a second, and replaces a dead connection within two seconds. Use Journal.DB for
// tables of your own, too, to have the same check. A statement that runs for longer than a
// second is looked up in pg_stat_activity. If the server runs the statement, it continues;
// otherwise its connection is closed.
func OpenPostgres(ctx context.Context, dsn string) (*Journal, error) {
	db, err := openPool(dsn)
	if err == nil {
		db.SetMaxOpenConns(postgresConns)
		db.SetMaxIdleConns(postgresConns)
		db.SetConnMaxIdleTime(postgresIdle)
	}
	return ready(ctx, db, Postgres, err)
}

// writePostgres adds rows behind the position that the log believes in. moved is false if
// the position or the owner in the database differs.
func (l *log) writePostgres(ctx context.Context, sync bool, rows []row, summary string) (moved bool, err error) {
	bodies, sums := make([]string, len(rows)), make([]int64, len(rows))
	for i, r := range rows {
		bodies[i], sums[i] = r.body, r.sum
	}
	j := l.journal
	err = j.write(ctx, sync, func(ctx context.Context, to execer) error {
		result, err := to.ExecContext(ctx, j.sql(postgresWrite), l.session, l.owner, l.last, j.lease().Milliseconds(), bodies, sums, bodyBytes(rows), !sync, summary)
		if err != nil {
			return postgresFailed(err)
		}
		moved = affected(result) > 0
		return nil
	})
	return moved, err
}

// postgresFailed makes an error an *unknownOutcomeError, unless the server refused the
// statement or there was no connection.
func postgresFailed(err error) error {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.SeverityUnlocalized == "ERROR" {
		return err
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return err
	}
	return &unknownOutcomeError{err}
}

// postgresDamaged reports whether the server found a damaged page or index.
func postgresDamaged(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "XX001" || e.Code == "XX002")
}
