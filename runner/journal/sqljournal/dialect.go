package sqljournal

import "strings"

// A Dialect is the SQL dialect of a database.
type Dialect string

// The dialects.
const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
)

// The statements. Journal.sql replaces {names} of tables, {now} and {unsynced}. Times are
// milliseconds of the database's clock, because all workers share this clock.
const (
	takeLease = `INSERT INTO {sessions} AS s (name, seq, owner, expires) VALUES ($1, 0, $2, {now} + $3)
		ON CONFLICT (name) DO UPDATE SET owner = $2, expires = {now} + $3
		WHERE s.owner = '' OR s.owner IN ($2, $4) OR s.expires < {now} RETURNING seq, summary`
	renameOwner  = `UPDATE {sessions} SET owner = $3, expires = {now} + $4 WHERE name = $1 AND owner IN ($2, $3) RETURNING seq`
	readOwner    = `SELECT owner, seq FROM {sessions} WHERE name = $1`
	releaseLease = `UPDATE {sessions} SET owner = '', expires = 0 {unsynced} name = $1 AND owner = $2`
	// deleteSession deletes nothing if the session is open, or is not at the position $2; -1 is
	// any position.
	deleteSession = `DELETE FROM {sessions} WHERE name = $1 AND (owner = '' OR expires < {now}) AND (seq = $2 OR $2 = -1)`
	deleteEvents  = `DELETE FROM {events} WHERE session = $1 AND NOT EXISTS (SELECT 1 FROM {sessions} WHERE name = $1)`
	deleteState   = `DELETE FROM {states} WHERE session = $1 AND NOT EXISTS (SELECT 1 FROM {sessions} WHERE name = $1)`
	loadState     = `SELECT seq, state, sum FROM {states} WHERE session = $1`
	saveState     = `INSERT INTO {states} (session, seq, state, sum)
		SELECT name, CAST($3 AS BIGINT), CAST($4 AS TEXT), CAST($5 AS BIGINT) FROM {sessions} WHERE name = $1 AND owner = $2
		ON CONFLICT (session) DO UPDATE SET seq = $3, state = $4, sum = $5`
	deleteEmpty = `DELETE FROM {sessions} WHERE name = $1 AND owner = '' AND seq = 0
		AND NOT EXISTS (SELECT 1 FROM {events} WHERE session = $1)`
	// checkEvents is countEvents for a session without damage. It is fast, because it numbers
	// no rows.
	checkEvents = `SELECT s.owner, s.seq, s.bytes, c.n, c.low, c.high,
		(SELECT COUNT(*) FROM {states} WHERE session = $1) FROM {sessions} AS s,
		(SELECT COUNT(*) AS n, COALESCE(MIN(seq), 1) AS low, COALESCE(MAX(seq), 0) AS high FROM {events} WHERE session = $1) AS c
		WHERE s.name = $1`
	// countEvents is one statement and returns the owner as well. The lease can run out
	// before the statement, and events that another worker has added are not damage.
	countEvents = `SELECT s.owner, s.seq, s.bytes, c.n, c.wrong FROM {sessions} AS s,
		(SELECT COUNT(*) AS n, COALESCE(MIN(CASE WHEN seq <> place THEN place END), 0) AS wrong
			FROM (SELECT seq, ROW_NUMBER() OVER (ORDER BY seq) AS place FROM {events} WHERE session = $1) AS placed) AS c
		WHERE s.name = $1`
	readEvents = `SELECT seq, body, sum FROM {events} WHERE session = $1 AND seq BETWEEN $2 AND $3 ORDER BY seq LIMIT $4`
	// listSessions begins with the name $1, but leaves out the name $2.
	listSessions = `SELECT name, seq, summary FROM {sessions} WHERE name >= $1 AND name <> $2 AND seq > 0 ORDER BY name LIMIT $3`
)

func (j *Journal) table(name string) string {
	if j.Prefix == "" {
		return "toolloop_" + name
	}
	return j.Prefix + name
}

// sql completes a statement. The journal keeps the text, because completing a statement
// takes about as long as running one.
func (j *Journal) sql(statement string) string {
	if text, ok := j.texts.Load(statement); ok {
		return text.(string)
	}
	now, bytewise, unsynced := sqliteNow, ``, `WHERE`
	if j.Dialect == Postgres {
		now, bytewise, unsynced = postgresNow, `COLLATE "C"`, postgresUnsynced
	}
	text := strings.NewReplacer(
		"{now}", now, "{bytewise}", bytewise, "{unsynced}", unsynced,
		"{sessions}", j.table("sessions"), "{events}", j.table("events"), "{version}", j.table("version"), "{states}", j.table("states"),
	).Replace(statement)
	j.texts.Store(statement, text)
	return text
}
