package queue

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
)

// The statements. Queue.sql replaces {names} of tables and {now}. Times are milliseconds of
// the database's clock, which is also the clock of the leases.
const (
	columns = `session, tenant, priority, state, due, attempt, note, pending, added, changed`

	putJob = `INSERT INTO {jobs} AS j (session, tenant, priority, state, due, added, changed)
		VALUES ($1, $2, $3, CASE WHEN $4 > {now} THEN 'scheduled' ELSE 'waiting' END, CASE WHEN $4 > {now} THEN $4 ELSE {now} END, {now}, {now})
		ON CONFLICT (session) DO UPDATE SET
			wakes = j.wakes + 1,
			tenant = CASE WHEN $2 = '' THEN j.tenant ELSE $2 END,
			priority = CASE WHEN $3 = 0 THEN j.priority ELSE $3 END,
			attempt = CASE WHEN j.state IN ('running', 'suspect') THEN j.attempt ELSE 0 END,
			state = CASE WHEN j.state IN ('running', 'waiting', 'suspect') THEN j.state ELSE excluded.state END,
			due = CASE WHEN j.state IN ('running', 'waiting', 'suspect', 'scheduled', 'paused', 'late') AND j.due < excluded.due THEN j.due ELSE excluded.due END,
			changed = CASE WHEN j.state IN ('running', 'waiting', 'suspect', 'scheduled') THEN j.changed ELSE {now} END`
	putInput   = `INSERT INTO {inputs} (session, name, body) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`
	readInputs = `SELECT id, body FROM {inputs} WHERE session = $1 ORDER BY id`
	dropInput  = `DELETE FROM {inputs} WHERE id = $1`
	dropInputs = `DELETE FROM {inputs} WHERE session = $1`
	dropJob    = `DELETE FROM {jobs} WHERE session = $1`
	readJob    = `SELECT id, ` + columns + ` FROM {jobs} WHERE session = $1`
	readJobs   = `SELECT id, ` + columns + ` FROM {jobs} WHERE id > $1 AND ($2 = '' OR state = $2) ORDER BY id LIMIT $3`
	readStats  = `SELECT state, COUNT(*), CAST({now} - MIN(changed) AS BIGINT) FROM {jobs} GROUP BY state`

	// moveDue and moveDead make jobs wait: scheduled and paused jobs whose time has come, and
	// running jobs whose session nobody has. The grace of a job covers the time before
	// its worker has the lease.
	moveDue = `UPDATE {jobs} SET state = 'waiting', changed = {now} WHERE state IN ('scheduled', 'paused', 'late') AND due <= {now}`
	// After some deaths, the job may be their cause, and in the end it is dead.
	moveDead = `UPDATE {jobs} SET state = CASE WHEN attempt < $3 THEN 'waiting' WHEN attempt < $1 THEN 'suspect' ELSE 'dead' END,
		note = CASE WHEN attempt < $1 THEN note ELSE $2 END, due = added, changed = {now} WHERE state = 'running' AND grace <= {now}
		AND NOT EXISTS (SELECT 1 FROM {sessions} WHERE name = session AND owner <> '' AND expires > {now})
		RETURNING ` + columns
	anySuspect = `SELECT EXISTS (SELECT 1 FROM {jobs} WHERE state = 'suspect')`
	anyOpen    = `SELECT EXISTS (SELECT 1 FROM {jobs} WHERE state IN ('waiting', 'suspect', 'scheduled', 'running'))`

	// take takes the next job. It reads one row of the index for each tenant, so its time
	// grows with the number of waiting tenants, and not with the number of jobs.
	take = `UPDATE {jobs} SET state = 'running', claim = claim + 1, attempt = attempt + 1, grace = {now} + $1, due = $2, changed = {now}
		WHERE state = 'waiting' AND id = (
			WITH RECURSIVE waits (tenant) AS (
				SELECT MIN(tenant) FROM {jobs} WHERE state = 'waiting'
				UNION ALL SELECT (SELECT MIN(tenant) FROM {jobs} WHERE state = 'waiting' AND tenant > waits.tenant) FROM waits WHERE tenant IS NOT NULL)
			SELECT j.id FROM waits {first}
			ORDER BY j.priority DESC, (SELECT COUNT(*) FROM {jobs} AS r WHERE r.state = 'running' AND r.tenant = waits.tenant), j.due, j.id LIMIT 1)
		RETURNING id, ` + columns + `, claim, wakes, begun`
	// takeSuspect takes the suspect job with the fewest attempts, so a job that kills every
	// process delays no healthy job.
	takeSuspect = `UPDATE {jobs} SET state = 'running', claim = claim + 1, attempt = attempt + 1, grace = {now} + $1, due = $2, changed = {now}
		WHERE state = 'suspect' AND id = (SELECT id FROM {jobs} WHERE state = 'suspect'
			ORDER BY attempt, priority DESC, due, id LIMIT 1 {unlocked})
		RETURNING id, ` + columns + `, claim, wakes, begun`
	sqliteFirst = `JOIN {jobs} AS j ON j.id = (SELECT id FROM {jobs} AS w WHERE w.state = 'waiting' AND w.tenant = waits.tenant
				ORDER BY w.priority DESC, w.due, w.id LIMIT 1)`
	// postgresFirst skips the locked rows of other processes.
	postgresFirst = `CROSS JOIN LATERAL (SELECT * FROM {jobs} AS w WHERE w.state = 'waiting' AND w.tenant = waits.tenant
				ORDER BY w.priority DESC, w.due, w.id LIMIT 1 FOR UPDATE SKIP LOCKED) AS j`

	// leave notes the new state of a job, for the worker that has taken the job last. A job
	// that was woken meanwhile waits again. A wait below zero keeps the place of the job. A wake-up
	// for later delays no attempt that is due before.
	leave = `UPDATE {jobs} SET
			state = CASE WHEN wakes = $3 OR $4 IN ('waiting', 'suspect') THEN $4 WHEN due <= {now} THEN 'waiting' ELSE 'scheduled' END,
			due = CASE WHEN CAST($5 AS BIGINT) < 0 THEN added WHEN wakes = $3 OR $4 IN ('scheduled', 'paused', 'late') AND {now} + $5 < due THEN {now} + $5 ELSE due END,
			attempt = $6, note = $7, pending = $8, begun = $9, changed = {now}
		WHERE id = $1 AND claim = $2 RETURNING ` + columns
)

func (q *Queue) migrate(ctx context.Context, tx *sql.Tx) error {
	id, bytewise := `INTEGER PRIMARY KEY AUTOINCREMENT`, `` // no later row gets the id of a deleted row
	if q.journal.Dialect == sqljournal.Postgres {
		id, bytewise = `BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY`, `COLLATE "C"`
		if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(hashtext($1))`, q.table("jobs")); err != nil {
			return err
		}
	}
	for _, statement := range []string{
		`CREATE TABLE IF NOT EXISTS {jobs} (
			id ` + id + `,
			session TEXT ` + bytewise + ` NOT NULL UNIQUE,
			tenant TEXT ` + bytewise + ` NOT NULL,
			priority BIGINT NOT NULL,
			state TEXT NOT NULL,
			due BIGINT NOT NULL,                -- when the job waits, or waits again; when a call of a paused job no longer waits
			attempt BIGINT NOT NULL DEFAULT 0,  -- starts since the last success
			claim BIGINT NOT NULL DEFAULT 0,    -- counts starts
			wakes BIGINT NOT NULL DEFAULT 0,    -- counts wake-ups
			grace BIGINT NOT NULL DEFAULT 0,    -- the worker may not have the lease yet
			begun BIGINT NOT NULL DEFAULT 0,    -- 1: a run has read the first message
			note TEXT NOT NULL DEFAULT '',      -- the answer, or the last error
			pending TEXT NOT NULL DEFAULT '[]', -- JSON: the calls that wait for a person
			added BIGINT NOT NULL,
			changed BIGINT NOT NULL)`,
		`CREATE INDEX IF NOT EXISTS {jobs}_by_order ON {jobs} (state, tenant, priority DESC, due, id)`,
		`CREATE INDEX IF NOT EXISTS {jobs}_by_due ON {jobs} (state, due)`,
		`CREATE TABLE IF NOT EXISTS {inputs} (
			id ` + id + `,
			session TEXT ` + bytewise + ` NOT NULL,
			name TEXT NOT NULL,                 -- what the input is about, once for each session
			body TEXT NOT NULL,                 -- JSON: see runner.ParseInput
			UNIQUE (session, name))`,
	} {
		if _, err := tx.ExecContext(ctx, q.sql(statement)); err != nil {
			return fmt.Errorf("tables: %w", err)
		}
	}
	return nil
}

func (q *Queue) table(name string) string {
	if q.journal.Prefix == "" {
		return "toolloop_" + name
	}
	return q.journal.Prefix + name
}

// sql completes a statement. Queue keeps the text.
func (q *Queue) sql(statement string) string {
	if text, ok := q.texts.Load(statement); ok {
		return text.(string)
	}
	now, first, unlocked := `CAST(unixepoch('subsec') * 1000 AS INTEGER)`, sqliteFirst, ``
	if q.journal.Dialect == sqljournal.Postgres {
		now, first, unlocked = `CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)`, postgresFirst, `FOR UPDATE SKIP LOCKED`
	}
	text := strings.NewReplacer("{now}", now, "{unlocked}", unlocked, "{jobs}", q.table("jobs"), "{inputs}", q.table("inputs"), "{sessions}", q.table("sessions")).
		Replace(strings.ReplaceAll(statement, "{first}", first))
	q.texts.Store(statement, text)
	return text
}
