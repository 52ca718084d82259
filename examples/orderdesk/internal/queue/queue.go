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

// A State is the progress of a request.
type State string

// The states. A finished request stays done. After the death of a process, a state
// may be out of date until the next worker has run.
const (
	Waiting State = "waiting" // waits for a worker
	Running State = "running" // a worker has the request
	Paused  State = "paused"  // the request waits for a person's decision about calls
	Decided State = "decided" // a person has decided, and the request waits for a worker again
	Done    State = "done"
	Failed  State = "failed" // until [Queue.Retry]
)

// Phrase returns the state as a part of a sentence, such as "is done".
func (s State) Phrase() string {
	if s == Failed {
		return "has failed"
	}
	return "is " + string(s)
}

// open reports whether the request needs a worker.
func (s State) open() bool { return s == Waiting || s == Decided || s == Running }

// A Request is a user's request and its result so far.
type Request struct {
	ID    int64 // counts from 1 in the order of arrival
	Text  string
	State State
	// Note is the answer to a request that is done, and the error of a failed
	// request.
	Note string
	// Pending are the calls that need a decision, or needed a decision until now.
	Pending []runner.Pending
	Tokens  int64 // the sum of input and output so far
}

// Session returns the name of the request's session in the journal.
func (r Request) Session() string { return fmt.Sprintf("request-%d", r.ID) }

// Totals are the numbers of requests in each state, and the sum of their tokens.
// Decided requests wait for a worker and count as Waiting.
type Totals struct {
	Waiting, Running, Paused, Done, Failed int
	Tokens                                 int64
}

// A Queue is a queue of requests in a database. A Queue is safe for concurrent use,
// and several processes may have the same queue open.
type Queue struct{ journal *sqljournal.Journal }

// Open returns the queue in the database of a journal, and creates the tables of
// both. A journal with invalid fields, such as a lease that is too short, is an
// error here, before the first request.
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

// transact runs f in a transaction, which is committed unless f fails. In SQLite,
// transactions never run at the same time.
func (q *Queue) transact(ctx context.Context, f func(context.Context, *sql.Tx) error) error {
	tx, err := q.journal.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	if err := f(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}

// alone makes every further transaction that calls alone wait for the end of this
// transaction.
func (q *Queue) alone(ctx context.Context, tx *sql.Tx) error {
	if q.journal.Dialect != sqljournal.Postgres {
		return nil
	}
	_, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(hashtext('queue'))`)
	return err
}

// Add appends requests to the queue, all or none, and returns their ids.
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

// Seed is Add for a queue that never had a request. The result reports whether Seed
// has added the requests.
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
			return nil, errors.New("the text of the request is empty")
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

// List returns all requests in order.
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
		case Paused:
			t.Paused = n
		case Done:
			t.Done = n
		case Failed:
			t.Failed = n
		}
	}
	return t, rows.Err()
}

// Retry makes failed requests available to workers again. Their conversations
// continue where they failed. After an error, no request has changed.
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

// exec changes a row, and reports whether the row existed.
func (q *Queue) exec(ctx context.Context, statement string, args ...any) (bool, error) {
	result, err := q.journal.DB.ExecContext(ctx, statement, args...)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

// begin marks a request as running, unless it no longer waits for a worker.
func (q *Queue) begin(ctx context.Context, id int64) (bool, error) {
	return q.exec(ctx, `UPDATE requests SET state = 'running' WHERE id = $1 AND state IN ('waiting', 'decided', 'running')`, id)
}

// open returns the first requests that wait for a worker or are running.
func (q *Queue) open(ctx context.Context, limit int) ([]Request, error) {
	return q.read(ctx, `SELECT `+columns+` FROM requests WHERE state IN ('waiting', 'decided', 'running') ORDER BY id LIMIT $1`, limit)
}

// save records the state of a request at a position in the journal, unless that
// position or a newer position is recorded already; news reports whether save has
// changed the row. A request becomes Decided instead of Paused if a person has
// answered all its questions in the meantime.
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
		if err != nil || saved.State != Paused {
			return err
		}
		answers, err := decisionsOn(ctx, tx, saved)
		if err != nil || len(answers) == 0 {
			return err
		}
		saved.State = Decided
		_, err = tx.ExecContext(ctx, `UPDATE requests SET state = 'decided' WHERE id = $1 AND state = 'paused'`, r.ID)
		return err
	})
	return saved, news, err
}

// pendingText returns the text of the column pending.
func pendingText(pending []byte) string {
	if string(pending) == "null" {
		return "[]"
	}
	return string(pending)
}
