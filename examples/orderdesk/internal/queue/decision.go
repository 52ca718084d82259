package queue

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A Decision is a person's answer to calls that wait.
type Decision struct {
	// Call is the call to decide about. "" means all waiting calls.
	Call event.CallRef
	// Approved lets the call run. A call in doubt runs again.
	Approved bool
	// Reason is the reason of a denial. The model reads it.
	Reason string
}

// Decide records a decision about the waiting calls of a request, and returns the
// calls that had no decision before. A worker in any process then continues the
// request.
func (q *Queue) Decide(ctx context.Context, id int64, d Decision) (decided []runner.Pending, err error) {
	err = q.transact(ctx, func(ctx context.Context, tx *sql.Tx) error {
		// The transaction begins with a write, which locks the row.
		result, err := tx.ExecContext(ctx, `UPDATE requests SET state = 'decided' WHERE id = $1 AND state IN ('paused', 'decided')`, id)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return err
		}
		r, err := get(ctx, tx, id)
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("request %d %s: there is nothing to decide", id, r.State.Phrase())
		}
		decided, err = r.decide(ctx, tx, d)
		return err
	})
	if err != nil {
		return nil, err
	}
	return decided, nil
}

// Decisions returns the decisions about the pending calls of a request, in no
// particular order.
func (q *Queue) Decisions(ctx context.Context, r Request) ([]Decision, error) {
	all, err := decisionsOn(ctx, q.journal.DB, r)
	if err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	return all, nil
}

// decide records the decision for each selected call without a decision.
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
	if len(decided) > 0 {
		return decided, nil
	}
	return nil, r.notAsked(ctx, tx, d.Call)
}

// notAsked returns the reason why a call needs no decision. "" stands for all calls.
func (r Request) notAsked(ctx context.Context, tx *sql.Tx, call event.CallRef) error {
	before, err := decisionsOn(ctx, tx, r)
	if err != nil {
		return err
	}
	before = slices.DeleteFunc(before, func(d Decision) bool { return call != "" && d.Call != call })
	if len(before) == 0 {
		return fmt.Errorf("request %d does not ask about call %s", r.ID, call)
	}
	what := fmt.Sprintf("request %d", r.ID)
	if call != "" {
		what = fmt.Sprintf("call %s of request %d", call, r.ID)
	}
	return fmt.Errorf("%s was %s already; a worker goes on with it", what, summary(before))
}

// summary summarizes several decisions.
func summary(all []Decision) string {
	differs := func(d Decision) bool { return d.Approved != all[0].Approved }
	switch {
	case slices.ContainsFunc(all, differs):
		return "decided"
	case all[0].Approved:
		return "approved"
	}
	return "denied"
}

// A querier is a database or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// decisionsOn returns the decisions about the waiting calls of a request.
func decisionsOn(ctx context.Context, db querier, r Request) (all []Decision, err error) {
	rows, err := db.QueryContext(ctx, `SELECT call, asked, approved, reason FROM decisions WHERE request = $1`, r.ID)
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
		if slices.ContainsFunc(r.Pending, func(p runner.Pending) bool { return p.Call == d.Call && p.Seq == asked }) {
			all = append(all, d)
		}
	}
	return all, rows.Err()
}

// answersTo returns the decisions as inputs of the paused run.
func answersTo(ctx context.Context, db querier, r Request) (in []runner.Input, err error) {
	all, err := decisionsOn(ctx, db, r)
	for _, d := range all {
		for _, p := range r.Pending {
			if p.Call == d.Call {
				in = append(in, d.input(p))
			}
		}
	}
	return in, err
}

// input returns the decision as an input of a run.
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
