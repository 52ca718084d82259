package inbox

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/queue"
)

// A State is the progress of a request.
type State string

// The states. A finished request stays done. After the death of a process, its requests
// stay running until the next worker has looked.
const (
	Waiting State = "waiting" // waits for a worker
	Running State = "running" // a worker has the request
	Paused  State = "paused"  // the request waits for a person's decision about calls
	Decided State = "decided" // a person has decided, and the request waits for a worker again
	Done    State = "done"
	Failed  State = "failed" // until [Inbox.Retry]
)

// Phrase returns the state as a part of a sentence, such as "is done".
func (s State) Phrase() string {
	if s == Failed {
		return "has failed"
	}
	return "is " + string(s)
}

// stateOf returns the state of a request by its job.
func stateOf(job queue.Job) State {
	switch job.State {
	case queue.Waiting, queue.Suspect, queue.Scheduled:
		if len(job.Pending) > 0 {
			return Decided
		}
		return Waiting
	case queue.Dead:
		return Failed
	}
	return State(job.State)
}

// A Request is a user's request and its result so far.
type Request struct {
	ID    int64 // counts from 1 in the order of arrival
	Text  string
	State State
	// Note is the answer to a request that is done, and the error of a failed request.
	Note string
	// Pending are the calls that need a decision, or needed a decision until now.
	Pending []runner.Pending
	Tokens  int64 // the sum of input and output, when a worker last left the request
}

// Session returns the name of the request's session in the journal.
func (r Request) Session() string { return sessionPrefix + strconv.FormatInt(r.ID, 10) }

const sessionPrefix = "request-"

// idOf returns the id of a request by its session.
func idOf(session string) int64 {
	id, err := strconv.ParseInt(strings.TrimPrefix(session, sessionPrefix), 10, 64)
	if err != nil {
		return 0
	}
	return id
}

// in sets the fields of a request that come from its job.
func (r Request) in(job queue.Job) Request {
	r.State, r.Pending = stateOf(job), job.Pending
	if r.State == Done || r.State == Failed {
		r.Note = job.Note
	}
	return r
}

// Totals are the numbers of requests in each state, and the sum of their tokens.
// Decided requests wait for a worker and count as Waiting.
type Totals struct {
	Waiting, Running, Paused, Done, Failed int
	Tokens                                 int64
}

// An Inbox has the requests in a database. An Inbox is safe for concurrent use, and several
// processes may have the same inbox open.
type Inbox struct {
	journal *sqljournal.Journal
	queue   *queue.Queue
}

// Open returns the inbox in the database of a journal, and creates its tables. A journal
// with invalid fields, such as a lease that is too short, is an error here, before the
// first request.
func Open(ctx context.Context, j *sqljournal.Journal) (*Inbox, error) {
	q, err := queue.Open(ctx, j)
	if err != nil {
		return nil, err
	}
	in := &Inbox{j, q}
	err = in.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
		id := `INTEGER PRIMARY KEY`
		if j.Dialect == sqljournal.Postgres {
			id = `BIGINT PRIMARY KEY GENERATED ALWAYS AS IDENTITY`
		}
		if err := in.alone(ctx, tx); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS requests (id `+id+`, text TEXT NOT NULL, tokens BIGINT NOT NULL DEFAULT 0)`)
		return err
	})
	return in, err
}

// transact runs f in a transaction, which is committed unless f fails. In SQLite,
// transactions never run at the same time.
func (in *Inbox) transact(ctx context.Context, f func(context.Context, *sql.Tx) error) error {
	tx, err := in.journal.DB.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("inbox: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	if err := f(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}

// alone makes every further transaction that calls alone wait for the end of this
// transaction.
func (in *Inbox) alone(ctx context.Context, tx *sql.Tx) error {
	if in.journal.Dialect != sqljournal.Postgres {
		return nil
	}
	_, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(hashtext('inbox'))`)
	return err
}

// Add adds requests, all or none, and returns their ids.
func (in *Inbox) Add(ctx context.Context, texts ...string) (ids []int64, err error) {
	err = in.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
		ids, err = in.add(ctx, tx, texts)
		return err
	})
	if err != nil {
		return nil, err
	}
	return ids, nil
}

// Seed is Add for an inbox that never had a request. The result reports whether Seed has
// added the requests.
func (in *Inbox) Seed(ctx context.Context, texts ...string) (did bool, err error) {
	err = in.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := in.alone(ctx, tx); err != nil {
			return err
		}
		var has bool
		if err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM requests)`).Scan(&has); err != nil || has {
			return err
		}
		did = true
		_, err := in.add(ctx, tx, texts)
		return err
	})
	return did && err == nil, err
}

func (in *Inbox) add(ctx context.Context, tx *sql.Tx, texts []string) ([]int64, error) {
	ids := make([]int64, len(texts))
	for i, text := range texts {
		if strings.TrimSpace(text) == "" {
			return nil, errors.New("inbox: the text of the request is empty")
		}
		if err := tx.QueryRowContext(ctx, `INSERT INTO requests (text) VALUES ($1) RETURNING id`, text).Scan(&ids[i]); err != nil {
			return nil, err
		}
		job := queue.Job{Session: Request{ID: ids[i]}.Session()}
		if _, err := in.queue.Put(ctx, tx, job, runner.Once("begin", llm.User(text))); err != nil {
			return nil, err
		}
	}
	return ids, nil
}

// Get returns a request.
func (in *Inbox) Get(ctx context.Context, id int64) (r Request, err error) {
	err = in.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
		r, err = in.get(ctx, tx, id)
		return err
	})
	return r, err
}

func (in *Inbox) get(ctx context.Context, tx *sql.Tx, id int64) (Request, error) {
	r := Request{ID: id}
	err := tx.QueryRowContext(ctx, `SELECT text, tokens FROM requests WHERE id = $1`, id).Scan(&r.Text, &r.Tokens)
	if errors.Is(err, sql.ErrNoRows) {
		return r, fmt.Errorf("there is no request %d", id)
	}
	if err != nil {
		return r, err
	}
	job, err := in.queue.Get(ctx, tx, r.Session())
	return r.in(job), err
}

// List returns all requests in order.
func (in *Inbox) List(ctx context.Context) (all []Request, err error) {
	jobs := map[string]queue.Job{}
	for job, err := range in.queue.Jobs(ctx, "") {
		if err != nil {
			return nil, err
		}
		jobs[job.Session] = job
	}
	rows, err := in.journal.DB.QueryContext(ctx, `SELECT id, text, tokens FROM requests ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("inbox: %w", err)
	}
	defer func() { err = cmp.Or(err, rows.Close()) }()
	for rows.Next() {
		var r Request
		if err := rows.Scan(&r.ID, &r.Text, &r.Tokens); err != nil {
			return nil, fmt.Errorf("inbox: %w", err)
		}
		if job, known := jobs[r.Session()]; known { // otherwise it came after the jobs were read
			all = append(all, r.in(job))
		}
	}
	return all, rows.Err()
}

// Totals counts the requests.
func (in *Inbox) Totals(ctx context.Context) (t Totals, err error) {
	stats, err := in.queue.Stats(ctx)
	if err != nil {
		return t, err
	}
	t.Waiting = stats[queue.Waiting].Count + stats[queue.Suspect].Count + stats[queue.Scheduled].Count
	t.Running, t.Paused = stats[queue.Running].Count, stats[queue.Paused].Count
	t.Done, t.Failed = stats[queue.Done].Count, stats[queue.Dead].Count
	err = in.journal.DB.QueryRowContext(ctx, `SELECT CAST(COALESCE(SUM(tokens), 0) AS BIGINT) FROM requests`).Scan(&t.Tokens)
	return t, err
}

// Retry makes failed requests available again, all or none.
func (in *Inbox) Retry(ctx context.Context, ids ...int64) error {
	return in.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, id := range ids {
			r, err := in.get(ctx, tx, id)
			if err != nil {
				return err
			}
			if r.State != Failed {
				return fmt.Errorf("request %d %s: there is nothing to try again", id, r.State.Phrase())
			}
			if _, err := in.queue.Put(ctx, tx, queue.Job{Session: r.Session()}); err != nil {
				return err
			}
		}
		return nil
	})
}

// Events returns the events of the conversation about a request so far. It needs no lease,
// so a worker may have the request at the same time. With a [journal.CorruptError] it
// returns the events before the damage.
func (in *Inbox) Events(ctx context.Context, r Request) (all []event.Event, err error) {
	for e, err := range in.journal.Read(ctx, r.Session(), 0) {
		if err != nil {
			return all, err
		}
		all = append(all, e)
	}
	return all, nil
}

// count notes the tokens of a request. Tokens of lost events were paid for, too.
func (in *Inbox) count(ctx context.Context, r Request) (tokens int64, err error) {
	events, unread := in.Events(ctx, r)
	for _, e := range events {
		if b, ok := e.Body.(event.ModelAnswered); ok {
			tokens += b.Usage.InputTokens + b.Usage.OutputTokens
		}
	}
	err = in.journal.DB.QueryRowContext(ctx, `UPDATE requests SET tokens = CASE WHEN tokens < $2 THEN $2 ELSE tokens END WHERE id = $1 RETURNING tokens`,
		r.ID, tokens).Scan(&tokens)
	if err != nil {
		return tokens, errors.Join(err, unread)
	}
	return tokens, nil // the request itself fails with what is unread
}
