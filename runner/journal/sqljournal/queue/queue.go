package queue

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
)

// A State is the progress of a job.
type State string

// The states.
const (
	Scheduled State = "scheduled" // waits for its time: Job.Due
	Waiting   State = "waiting"   // waits for a worker
	// Suspect is the state of a job whose process has died during the second or a later attempt.
	// The job may be the cause, and waits for a worker that runs no other job meanwhile.
	Suspect State = "suspect"
	Running State = "running" // a worker has the job, or its process died less than a lease ago
	Paused  State = "paused"  // waits for people: for decisions in Job.Pending
	Late    State = "late"    // waits for Job.Pending, all of them results from outside
	Done    State = "done"
	Dead    State = "dead" // failed for good; the next Put revives the job
)

// A Job is a session in a queue.
type Job struct {
	// Session is the name of the session in the journal.
	Session string
	// Tenant is a customer or a department. Running jobs are shared out fairly between
	// tenants. In Put, "" keeps the tenant of the job.
	Tenant string
	// Priority orders jobs: a higher number comes first. In Put, 0 keeps the priority.
	Priority int
	// Due is when the job waits for a worker. In Put, the zero time means now. If the job
	// waits already, the earlier time counts. A paused or late job is due when the first of its
	// Pending no longer waits (Pending.Until); zero means never.
	Due time.Time

	// Put ignores what follows.

	State State
	// Attempt counts the starts of the job since its last success or its last Put. A start
	// that ended because the process was told to stop does not count. A Put for a running or a
	// suspect job leaves the count as it is.
	Attempt int
	// Note is the last answer, or the error of the last run that failed.
	Note string
	// Pending are the calls for which the job is paused.
	Pending []runner.Pending
	Added   time.Time
	Changed time.Time // since when the job has its State
}

// A Queue is a queue of sessions. A Queue is safe for concurrent use, and any number of
// processes may use the same database.
type Queue struct {
	journal *sqljournal.Journal
	texts   sync.Map      // the completed statements
	woken   chan struct{} // has a token after a Put of this process
}

// Open returns the queue in the database of a journal, and makes the tables of both. The
// tables of the queue have the Prefix of the journal.
func Open(ctx context.Context, j *sqljournal.Journal) (*Queue, error) {
	q := &Queue{journal: j, woken: make(chan struct{}, 1)}
	if err := j.Migrate(ctx); err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	return q, q.transact(ctx, nil, q.migrate)
}

// transact runs f in tx, or in a transaction of its own if tx is nil.
func (q *Queue) transact(ctx context.Context, tx *sql.Tx, f func(context.Context, *sql.Tx) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("queue: %w", err)
		}
	}()
	if tx != nil {
		return f(ctx, tx)
	}
	tx, err = q.journal.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	if err := f(ctx, tx); err != nil {
		return err
	}
	return tx.Commit()
}

// Put gives inputs to a session, and wakes the session: a worker continues it with the
// inputs. A session that is not in the queue enters the queue. Without inputs, the session
// is only woken.
//
//   - An input is a [runner.Once], a decision about a call in Job.Pending, or the result of
//     a call that comes later ([runner.Pending.Result]), also with the key of the call
//     alone. Put adds an input once: with a key, or about a question or a result, that waits
//     already, the input in the queue stays, and the new input does not count as added. The session
//     ignores known inputs.
//   - Messages reach the session in the order of their Puts, between two runs.
//   - With tx, all this is a part of the caller's transaction. With SQLite and the pool of
//     OpenSQLite, an open transaction blocks all sessions of the process, and a call
//     of this package without that transaction, for example a Put with tx nil, waits until the
//     transaction has ended: before you end the transaction, it waits
//     for ever, or until its context ends.
//   - Put does not check whether an input fits. A decision or a result that does not fit when
//     the worker has the session is dropped, and so is a message whose key the session knows
//     with other messages; see Workers.Dropped.
func (q *Queue) Put(ctx context.Context, tx *sql.Tx, job Job, in ...runner.Input) (added int, err error) {
	if err := journal.CheckName(job.Session); err != nil {
		return 0, fmt.Errorf("queue: %w", err)
	}
	rows := make([]input, len(in))
	for i, one := range in {
		if rows[i], err = newInput(one); err != nil {
			return 0, fmt.Errorf("queue: session %q: %w", job.Session, err)
		}
	}
	err = q.transact(ctx, tx, func(ctx context.Context, tx *sql.Tx) error {
		added = 0
		due := int64(0)
		if !job.Due.IsZero() {
			due = job.Due.UnixMilli()
		}
		if _, err := tx.ExecContext(ctx, q.sql(putJob), job.Session, job.Tenant, job.Priority, due); err != nil {
			return err
		}
		for _, row := range rows {
			result, err := tx.ExecContext(ctx, q.sql(putInput), job.Session, row.name, row.body)
			if err != nil {
				return err
			}
			n, err := result.RowsAffected()
			if err != nil {
				return err
			}
			added += int(n)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	if tx == nil {
		q.wake()
	}
	return added, nil
}

// each calls scan for each row of a statement.
func (q *Queue) each(ctx context.Context, scan func(*sql.Rows) error, statement string, args ...any) (err error) {
	rows, err := q.journal.DB.QueryContext(ctx, q.sql(statement), args...)
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, rows.Close()) }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// wake makes the workers of this process look at once.
func (q *Queue) wake() {
	select {
	case q.woken <- struct{}{}:
	default:
	}
}

// An input is a row of the inputs that wait.
type input struct {
	id   int64
	name string // what the input is about
	body string
	in   runner.Input

	call string // the call of a decision; "" for messages
	seq  int64  // of the question of a decision; the largest number for a result
	key  string // of messages
}

// newInput makes the row of an input.
func newInput(in runner.Input) (input, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return input{}, err
	}
	return parseInput(string(body))
}

func parseInput(body string) (row input, err error) {
	if row.in, err = runner.ParseInput([]byte(body)); err != nil {
		return row, err
	}
	var about struct {
		Once     string
		Messages []llm.Message
		Call     string
		Seq      int64
		Key      string
		Late     string
	}
	if err := json.Unmarshal([]byte(body), &about); err != nil {
		return row, err
	}
	row.body, row.call, row.seq, row.key = body, about.Call, about.Seq, about.Once
	switch {
	case about.Once != "" && len(about.Messages) == 0:
		return row, errors.New("an input by Once has no messages")
	case about.Once != "":
		row.name = "once " + about.Once
	case about.Late != "":
		row.name, row.seq = "result "+about.Key, math.MaxInt64
	case about.Call != "":
		row.name = fmt.Sprintf("call %s %d", about.Call, about.Seq)
	default:
		return row, errors.New("a message needs a key: a worker that dies may say it twice; use runner.Once")
	}
	return row, nil
}

// An InputError says that the row of an input cannot be read: a newer version of this library
// wrote the row, or another program did. The session does nothing before the row is readable
// or gone, because an input can be an answer about money, and later inputs can depend on it.
// By [Backoff] the attempts come every few minutes and hours, and then the job is dead. A dead
// job goes on after the next Put.
type InputError struct {
	Session string
	ID      int64 // of the row in toolloop_inputs
	Err     error
}

// Error names the row.
func (e *InputError) Error() string {
	return fmt.Sprintf("queue: session %q: input %d cannot be read: %v; let a newer version work, or delete the row", e.Session, e.ID, e.Err)
}

// Unwrap returns Err.
func (e *InputError) Unwrap() error { return e.Err }

// Inputs returns the inputs of a session that wait for a worker, or that a worker has now. Beside
// an [*InputError] about the first row that cannot be read, Inputs returns the others.
func (q *Queue) Inputs(ctx context.Context, session string) ([]runner.Input, error) {
	rows, unreadable, err := q.inputs(ctx, session)
	if err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	all := make([]runner.Input, len(rows))
	for i, row := range rows {
		all[i] = row.in
	}
	if unreadable != nil {
		return all, unreadable
	}
	return all, nil
}

// inputs returns the inputs that can be read, and an error about the first of the others.
func (q *Queue) inputs(ctx context.Context, session string) (all []input, unreadable *InputError, err error) {
	err = q.each(ctx, func(rows *sql.Rows) error {
		var id int64
		var body string
		if err := rows.Scan(&id, &body); err != nil {
			return err
		}
		row, err := parseInput(body)
		if err != nil {
			unreadable = cmp.Or(unreadable, &InputError{Session: session, ID: id, Err: err})
			return nil
		}
		row.id = id
		all = append(all, row)
		return nil
	}, readInputs, session)
	return all, unreadable, err
}

// ErrNoJob says that a session is not in the queue.
var ErrNoJob = errors.New("queue: the session is not in the queue")

// Get returns the job of a session, as a part of tx unless tx is nil. The error is
// [ErrNoJob] if there is none.
func (q *Queue) Get(ctx context.Context, tx *sql.Tx, session string) (job Job, err error) {
	read := q.journal.DB.QueryRowContext
	if tx != nil {
		read = tx.QueryRowContext
	}
	var id int64
	switch err := job.scan(read(ctx, q.sql(readJob), session), []any{&id}); {
	case errors.Is(err, sql.ErrNoRows):
		return job, fmt.Errorf("%w: %q", ErrNoJob, session)
	case err != nil:
		return job, fmt.Errorf("queue: %w", err)
	}
	return job, nil
}

// pageSize bounds the jobs that Jobs reads at once.
const pageSize = 500

// Jobs yields the jobs in a state, in the order in which they entered the queue. "" means
// every state. Jobs holds no connection while the caller uses a job. An error is the last
// pair.
func (q *Queue) Jobs(ctx context.Context, state State) iter.Seq2[Job, error] {
	return func(yield func(Job, error) bool) {
		var last int64
		for page := make([]Job, pageSize); len(page) == pageSize; {
			page = page[:0]
			if err := q.each(ctx, func(rows *sql.Rows) error {
				page = append(page, Job{})
				return page[len(page)-1].scan(rows, []any{&last})
			}, readJobs, last, state, pageSize); err != nil {
				yield(Job{}, fmt.Errorf("queue: %w", err))
				return
			}
			for _, job := range page {
				if !yield(job, nil) {
					return
				}
			}
		}
	}
}

// forever is the due time of a running job that nobody has woken.
const forever = math.MaxInt64 / 2

// scan reads the values of columns, with other values before and after.
func (j *Job) scan(row interface{ Scan(...any) error }, before []any, after ...any) error {
	var due, added, changed int64
	var pending []byte
	values := append(before, &j.Session, &j.Tenant, &j.Priority, &j.State, &due, &j.Attempt, &j.Note, &pending, &added, &changed)
	if err := row.Scan(append(values, after...)...); err != nil {
		return err
	}
	j.Added, j.Changed = time.UnixMilli(added), time.UnixMilli(changed)
	if due < forever {
		j.Due = time.UnixMilli(due)
	}
	if json.Unmarshal(pending, &j.Pending) != nil {
		j.Pending = nil // for people; the session knows what it waits for
	}
	return nil
}

// A Stat is the number of jobs in a state.
type Stat struct {
	Count int
	// Oldest is how long the oldest job has been in the state. A long time in Waiting means
	// that there are too few workers; a long time in Paused, that nobody decides; in Late, that no result comes.
	Oldest time.Duration
}

// Stats counts the jobs in each state, for an operator. A state without jobs has the zero
// Stat.
func (q *Queue) Stats(ctx context.Context) (all map[State]Stat, err error) {
	all = map[State]Stat{}
	err = q.each(ctx, func(rows *sql.Rows) error {
		var state State
		var count int
		var oldest int64
		err := rows.Scan(&state, &count, &oldest)
		all[state] = Stat{count, time.Duration(max(oldest, 0)) * time.Millisecond}
		return err
	}, readStats)
	if err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	return all, nil
}

// Delete removes the job of a session and its inputs from the queue. The session stays in
// the journal. A running job continues to its end.
func (q *Queue) Delete(ctx context.Context, tx *sql.Tx, session string) error {
	return q.transact(ctx, tx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, q.sql(dropInputs), session)
		if err == nil {
			_, err = tx.ExecContext(ctx, q.sql(dropJob), session)
		}
		return err
	})
}
