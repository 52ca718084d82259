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
	// postgresWrite is one statement, so that an append is one round trip.
	postgresWrite = `WITH moved AS (
			UPDATE {sessions} SET seq = $3::bigint + cardinality($5::text[]), expires = {now} + $4, bytes = bytes + $7
			WHERE name = $1 AND owner = $2 AND seq = $3::bigint RETURNING name)
		INSERT INTO {events} (session, seq, body, sum)
		SELECT moved.name, $3::bigint + added.place, added.body, added.sum
		FROM moved, unnest($5::text[], $6::bigint[]) WITH ORDINALITY AS added (body, sum, place)`
	// postgresRenew waits for no row that an append holds, which prolongs the lease
	// itself. It tells the leases that are held, and of each whether it was renewed.
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
// A connection that something on the way has forgotten, as a NAT forgets idle ones,
// is found in a second or two and replaced. The pool asks each connection that was
// idle for a second whether it is alive; so tables of your own do well to use DB of
// the Journal. A statement that waits longer than a second is looked for on the
// server, by pg_stat_activity, and left alone if it is there.
func OpenPostgres(ctx context.Context, dsn string) (*Journal, error) {
	db, err := openPool(dsn)
	if err == nil {
		db.SetMaxOpenConns(postgresConns)
		db.SetMaxIdleConns(postgresConns)
		db.SetConnMaxIdleTime(postgresIdle)
	}
	return ready(ctx, db, Postgres, err)
}

// writePostgres adds rows at the position that the log believes to be the next.
func (l *log) writePostgres(ctx context.Context, rows []row) (moved bool, err error) {
	bodies, sums := make([]string, len(rows)), make([]int64, len(rows))
	for i, r := range rows {
		bodies[i], sums[i] = r.body, r.sum
	}
	j := l.journal
	err = j.write(ctx, func(ctx context.Context, to execer) error {
		result, err := to.ExecContext(ctx, j.sql(postgresWrite), l.session, l.owner, l.last, j.lease().Milliseconds(), bodies, sums, size(rows))
		if err != nil {
			return postgresFailed(err)
		}
		moved = affected(result) > 0
		return nil
	})
	return moved, err
}

// postgresFailed tells what the server refused, or was never sent, from what may
// have been done all the same.
func postgresFailed(err error) error {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.SeverityUnlocalized == "ERROR" {
		return err
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return err
	}
	return &unsettledError{err}
}

// postgresDamaged says whether a page or an index is not what was written.
func postgresDamaged(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (e.Code == "XX001" || e.Code == "XX002")
}
