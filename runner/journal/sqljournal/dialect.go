package sqljournal

import "strings"

// A Dialect is the database's way of saying things.
type Dialect string

// The dialects.
const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
)

// The statements, with names of tables and the time to be filled in. Times are
// milliseconds of the database's clock, which all workers share.
const (
	take = `INSERT INTO {sessions} AS s (name, seq, owner, expires) VALUES ($1, 0, $2, {now} + $3)
		ON CONFLICT (name) DO UPDATE SET owner = $2, expires = {now} + $3
		WHERE s.owner = '' OR s.owner IN ($2, $4) OR s.expires < {now} RETURNING seq`
	rename = `UPDATE {sessions} SET owner = $3, expires = {now} + $4 WHERE name = $1 AND owner IN ($2, $3) RETURNING seq`
	look   = `SELECT owner, seq FROM {sessions} WHERE name = $1`
	give   = `UPDATE {sessions} SET owner = '', expires = 0 WHERE name = $1 AND owner = $2`
	drop   = `DELETE FROM {sessions} WHERE name = $1 AND owner = '' AND seq = 0
		AND NOT EXISTS (SELECT 1 FROM {events} WHERE session = $1)`
	// count is one statement, since the lease can run out before it: events of
	// another worker are no damage.
	count = `SELECT s.owner, s.seq, s.bytes, c.n, c.wrong FROM {sessions} AS s,
		(SELECT COUNT(*) AS n, COALESCE(MIN(CASE WHEN seq <> place THEN place END), 0) AS wrong
			FROM (SELECT seq, ROW_NUMBER() OVER (ORDER BY seq) AS place FROM {events} WHERE session = $1) AS placed) AS c
		WHERE s.name = $1`
	read = `SELECT seq, body, sum FROM {events} WHERE session = $1 AND seq BETWEEN $2 AND $3 ORDER BY seq LIMIT $4`
	list = `SELECT name FROM {sessions} WHERE name > $1 AND seq > 0 ORDER BY name LIMIT $2`
)

func (j *Journal) table(name string) string {
	if j.Prefix == "" {
		return "toolloop_" + name
	}
	return j.Prefix + name
}

// sql fills in a statement.
func (j *Journal) sql(statement string) string {
	now, bytewise := sqliteNow, ``
	if j.Dialect == Postgres {
		now, bytewise = postgresNow, `COLLATE "C"`
	}
	return strings.NewReplacer(
		"{now}", now, "{bytewise}", bytewise,
		"{sessions}", j.table("sessions"), "{events}", j.table("events"), "{version}", j.table("version"),
	).Replace(statement)
}
