package queue

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A Decision is the answer to calls that wait.
type Decision struct {
	// Call is the one that is meant; "" stands for all that wait.
	Call event.CallRef
	// Approved lets the call run; a call in doubt runs again.
	Approved bool
	// Reason is why it is not approved; the model reads it.
	Reason string
}

// Decide answers calls of a request that wait for it, and returns them: those that
// were not answered before. A worker goes on with it, in whatever process.
func (q *Queue) Decide(ctx context.Context, id int64, d Decision) (decided []runner.Pending, err error) {
	err = q.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
		// The first thing is to write, which keeps others from the row.
		result, err := tx.ExecContext(ctx, `UPDATE requests SET state = 'waiting' WHERE id = $1 AND state IN ('asking', 'waiting')`, id)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return err
		}
		r, err := scan(tx.QueryRowContext(ctx, `SELECT `+columns+` FROM requests WHERE id = $1`, id))
		switch {
		case err == sql.ErrNoRows:
			return fmt.Errorf("there is no request %d", id)
		case err != nil:
			return err
		case n == 0:
			return r.noQuestion()
		}
		decided, err = r.decide(ctx, tx, d)
		return err
	})
	if err != nil {
		return nil, err
	}
	return decided, nil
}

// decide keeps the answer to each call that is meant and has none.
func (r Request) decide(ctx context.Context, tx *sql.Tx, d Decision) (decided []runner.Pending, err error) {
	for _, p := range r.Pending {
		if d.Call != "" && d.Call != p.Call {
			continue
		}
		result, err := tx.ExecContext(ctx, `INSERT INTO decisions (request, call, asked, approved, reason) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT DO NOTHING`, r.ID, p.Call, p.Seq, d.Approved, d.Reason)
		if err != nil {
			return nil, err
		}
		switch n, err := result.RowsAffected(); {
		case err != nil:
			return nil, err
		case n > 0:
			decided = append(decided, p)
		}
	}
	switch {
	case len(decided) > 0:
		return decided, nil
	case d.Call == "":
		return nil, r.noQuestion()
	}
	return nil, fmt.Errorf("request %d does not wait for a decision about call %s", r.ID, d.Call)
}

// noQuestion says that nothing of a request waits for an answer.
func (r Request) noQuestion() error {
	return fmt.Errorf("request %d is %s: nothing of it waits for a decision", r.ID, r.State)
}

// querier is a database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// answersTo returns the answers that were given to calls which wait.
func answersTo(ctx context.Context, db querier, id int64, pending []runner.Pending) (in []runner.Input, err error) {
	rows, err := db.QueryContext(ctx, `SELECT call, asked, approved, reason FROM decisions WHERE request = $1`, id)
	if err != nil {
		return nil, err
	}
	defer func() { err = cmp.Or(err, rows.Close()) }()
	for rows.Next() {
		var d Decision
		var asked int64
		if err := rows.Scan(&d.Call, &asked, &d.Approved, &d.Reason); err != nil {
			return nil, err
		}
		for _, p := range pending {
			if p.Call == d.Call && p.Seq == asked {
				in = append(in, d.input(p))
			}
		}
	}
	return in, rows.Err()
}

// input is what the run is told.
func (d Decision) input(p runner.Pending) runner.Input {
	switch {
	case p.InDoubt && d.Approved:
		return p.RunAgain()
	case p.InDoubt:
		return p.Unknown()
	case d.Approved:
		return p.Approve()
	}
	return p.Deny(d.Reason)
}
