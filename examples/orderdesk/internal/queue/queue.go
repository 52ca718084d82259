package queue

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
)

// A State is where a request stands.
type State string

// The states. A request that is done stays so. Where a process died it may take
// until the next one works that the state is right.
const (
	Waiting State = "waiting" // for a worker
	Running State = "running" // a worker has it
	Asking  State = "asking"  // it asks a person whether calls may run
	Decided State = "decided" // a person answered, and it waits for a worker again
	Done    State = "done"
	Failed  State = "failed" // until somebody says [Queue.Retry]
)

// Phrase is the state as a part of a sentence, "is done".
func (s State) Phrase() string {
	if s == Failed {
		return "has failed"
	}
	return "is " + string(s)
}

// open reports whether a worker is to take the request.
func (s State) open() bool { return s == Waiting || s == Decided || s == Running }

// A Request is what somebody wants, and what came of it so far.
type Request struct {
	ID    int64 // from 1, in the order in which they came in
	Text  string
	State State
	// Note is the answer to a request that is done, and why one failed.
	Note string
	// Pending are the calls that a request asks about, or asked until it was decided.
	Pending []runner.Pending
	Tokens  int64 // that it took so far, both ways
}

// Session is the name of the request's conversation in the journal.
func (r Request) Session() string { return fmt.Sprintf("request-%d", r.ID) }

// Totals are how many requests are in each state, and what all of them took. Those
// that are decided wait for a worker, and count as Waiting.
type Totals struct {
	Waiting, Running, Asking, Done, Failed int
	Tokens                                 int64
}

// A Queue is requests in a database. It is safe for concurrent use; several
// processes may have it open.
type Queue struct{ journal *sqljournal.Journal }

// Open returns the queue that is in the same database as a journal, and readies
// the tables of both. A journal whose fields are wrong, such as a lease that is too
// short, is an error here, before any request meets it.
func Open(ctx context.Context, j *sqljournal.Journal) (*Queue, error) {
	q := &Queue{j}
	if err := j.Migrate(ctx); err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	if err := q.transact(ctx, q.migrate); err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	return q, nil
}

func (q *Queue) migrate(ctx context.Context, tx *sql.Tx) error {
	if err := q.alone(ctx, tx); err != nil {
		return err
	}
	id := `INTEGER PRIMARY KEY`
	if q.journal.Dialect == sqljournal.Postgres {
		id = `BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY`
	}
	for _, statement := range []string{
		`CREATE TABLE IF NOT EXISTS requests (
			id ` + id + `,
			text TEXT NOT NULL,
			state TEXT NOT NULL DEFAULT 'waiting',
			note TEXT NOT NULL DEFAULT '',      -- the answer, or why it failed
			pending TEXT NOT NULL DEFAULT '[]', -- JSON: the calls that wait for a person
			tokens BIGINT NOT NULL DEFAULT 0,
			seq BIGINT NOT NULL DEFAULT 0)      -- the position in the journal at which all this was so`,
		`CREATE INDEX IF NOT EXISTS requests_by_state ON requests (state, id)`,
		`CREATE TABLE IF NOT EXISTS decisions (
			request BIGINT NOT NULL REFERENCES requests (id),
			call TEXT NOT NULL,
			asked BIGINT NOT NULL, -- the position in the journal of the question
			approved BOOLEAN NOT NULL,
			reason TEXT NOT NULL,
			PRIMARY KEY (request, call, asked))`,
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// transact runs f in a transaction, which is committed unless f fails. Those of
// SQLite exclude each other.
func (q *Queue) transact(ctx context.Context, f func(context.Context, *sql.Tx) error) error {
	tx, err := q.journal.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	if err := f(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}

// alone keeps other transactions that want to be alone waiting until this one has
// ended.
func (q *Queue) alone(ctx context.Context, tx *sql.Tx) error {
	if q.journal.Dialect != sqljournal.Postgres {
		return nil
	}
	_, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(hashtext('queue'))`)
	return err
}

// Add puts requests at the end of the queue, all or none, and returns their ids.
func (q *Queue) Add(ctx context.Context, texts ...string) (ids []int64, err error) {
	err = q.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
		ids, err = add(ctx, tx, texts)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	return ids, nil
}

// Seed is Add for a queue that never had a request. It reports whether it was
// such a one.
func (q *Queue) Seed(ctx context.Context, texts ...string) (did bool, err error) {
	err = q.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := q.alone(ctx, tx); err != nil {
			return err
		}
		var has bool
		if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM requests)`).Scan(&has); err != nil || has {
			return err
		}
		did = true
		_, err := add(ctx, tx, texts)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("queue: %w", err)
	}
	return did, nil
}

func add(ctx context.Context, tx *sql.Tx, texts []string) ([]int64, error) {
	ids := make([]int64, len(texts))
	for i, text := range texts {
		if strings.TrimSpace(text) == "" {
			return nil, errors.New("a request without text")
		}
		if err := tx.QueryRowContext(ctx, `INSERT INTO requests (text) VALUES ($1) RETURNING id`, text).Scan(&ids[i]); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

const columns = `id, text, state, note, pending, tokens`

// Get returns a request.
func (q *Queue) Get(ctx context.Context, id int64) (Request, error) {
	all, err := q.read(ctx, `SELECT `+columns+` FROM requests WHERE id = $1`, id)
	switch {
	case err != nil:
		return Request{}, fmt.Errorf("queue: %w", err)
	case len(all) == 0:
		return Request{}, fmt.Errorf("there is no request %d", id)
	}
	return all[0], nil
}

// List returns all requests in their order.
func (q *Queue) List(ctx context.Context) ([]Request, error) {
	all, err := q.read(ctx, `SELECT `+columns+` FROM requests ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	return all, nil
}

// read returns the requests of a query for the columns.
func (q *Queue) read(ctx context.Context, query string, args ...any) (all []Request, err error) {
	rows, err := q.journal.DB.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { err = cmp.Or(err, rows.Close()) }()
	for rows.Next() {
		r, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, rows.Err()
}

// scan reads a row of the columns.
func scan(row interface{ Scan(...any) error }) (r Request, err error) {
	var pending []byte
	if err := row.Scan(&r.ID, &r.Text, &r.State, &r.Note, &pending, &r.Tokens); err != nil {
		return r, err
	}
	if err := json.Unmarshal(pending, &r.Pending); err != nil {
		return r, fmt.Errorf("request %d: pending: %w", r.ID, err)
	}
	return r, nil
}

// Totals counts the requests.
func (q *Queue) Totals(ctx context.Context) (t Totals, err error) {
	rows, err := q.journal.DB.QueryContext(ctx, `SELECT state, COUNT(*), CAST(SUM(tokens) AS BIGINT) FROM requests GROUP BY state`)
	if err != nil {
		return t, fmt.Errorf("queue: %w", err)
	}
	defer func() { err = cmp.Or(err, rows.Close()) }()
	for rows.Next() {
		var state State
		var n int
		var tokens int64
		if err := rows.Scan(&state, &n, &tokens); err != nil {
			return t, fmt.Errorf("queue: %w", err)
		}
		t.Tokens += tokens
		switch state {
		case Waiting, Decided:
			t.Waiting += n
		case Running:
			t.Running = n
		case Asking:
			t.Asking = n
		case Done:
			t.Done = n
		case Failed:
			t.Failed = n
		}
	}
	return t, rows.Err()
}

// Retry lets workers take requests that failed again, all of these or none. Their
// conversations go on where they failed.
func (q *Queue) Retry(ctx context.Context, ids ...int64) error {
	return q.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, id := range ids {
			if err := retry(ctx, tx, id); err != nil {
				return err
			}
		}
		return nil
	})
}

func retry(ctx context.Context, tx *sql.Tx, id int64) error {
	result, err := tx.ExecContext(ctx, `UPDATE requests SET state = 'waiting' WHERE id = $1 AND state = 'failed'`, id)
	if err != nil {
		return fmt.Errorf("queue: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil || n > 0 {
		return err
	}
	r, err := get(ctx, tx, id)
	if err != nil {
		return err
	}
	return fmt.Errorf("request %d %s: there is nothing to try again", id, r.State.Phrase())
}

// get reads a request in a transaction.
func get(ctx context.Context, tx *sql.Tx, id int64) (Request, error) {
	r, err := scan(tx.QueryRowContext(ctx, `SELECT `+columns+` FROM requests WHERE id = $1`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return r, fmt.Errorf("there is no request %d", id)
	}
	return r, err
}

// exec changes a row, and reports whether there was one.
func (q *Queue) exec(ctx context.Context, statement string, args ...any) (bool, error) {
	result, err := q.journal.DB.ExecContext(ctx, statement, args...)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

// begin marks a request as a worker's, unless it does not wait for one any more.
func (q *Queue) begin(ctx context.Context, id int64) (bool, error) {
	return q.exec(ctx, `UPDATE requests SET state = 'running' WHERE id = $1 AND state IN ('waiting', 'decided', 'running')`, id)
}

// open returns the first requests that wait for a worker, or that one has or had.
func (q *Queue) open(ctx context.Context, limit int) ([]Request, error) {
	return q.read(ctx, `SELECT `+columns+` FROM requests WHERE state IN ('waiting', 'decided', 'running') ORDER BY id LIMIT $1`, limit)
}

// save records where the conversation of a request stands at a position in the
// journal, unless that or something newer is recorded; news: it was not. A request
// whose questions were answered meanwhile does not ask: it is decided.
func (q *Queue) save(ctx context.Context, r Request, seq int64) (saved Request, news bool, err error) {
	pending, err := json.Marshal(r.Pending)
	if err != nil {
		return r, false, err
	}
	err = q.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `UPDATE requests SET state = $2, note = $3, pending = $4, tokens = $5, seq = $6
			WHERE id = $1 AND (seq < $6 OR seq = $6 AND state IN ('waiting', 'decided', 'running'))`,
			r.ID, r.State, r.Note, pendingText(pending), r.Tokens, seq)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return err
		}
		news = n > 0
		saved, err = get(ctx, tx, r.ID)
		if err != nil || saved.State != Asking {
			return err
		}
		answers, err := decisionsOn(ctx, tx, saved)
		if err != nil || len(answers) == 0 {
			return err
		}
		saved.State = Decided
		_, err = tx.ExecContext(ctx, `UPDATE requests SET state = 'decided' WHERE id = $1 AND state = 'asking'`, r.ID)
		return err
	})
	return saved, news, err
}

// pendingText is what the column keeps.
func pendingText(pending []byte) string {
	if string(pending) == "null" {
		return "[]"
	}
	return string(pending)
}
