package queue

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// A standing is the progress of a conversation by its journal.
type standing struct {
	seq    int64      // the position of the last event; 0 before the first event
	last   event.Body // the last event
	answer string     // the last answer
	tokens int64
}

// Events returns the events of the conversation about a request so far. It needs no
// lease, so a worker may have the request at the same time. With a
// [journal.CorruptError] it returns the events before the damage.
func (q *Queue) Events(ctx context.Context, r Request) ([]event.Event, error) {
	rows, err := q.journal.DB.QueryContext(ctx,
		`SELECT body FROM `+q.table("events")+` WHERE session = $1 ORDER BY seq`, r.Session())
	if err != nil {
		return nil, fmt.Errorf("queue: %w", err)
	}
	defer rows.Close()
	var all []event.Event
	for rows.Next() {
		var body []byte
		var e event.Event
		if err := rows.Scan(&body); err != nil {
			return nil, fmt.Errorf("queue: %w", err)
		}
		if err := json.Unmarshal(body, &e); err != nil {
			return all, &journal.CorruptError{
				Session: r.Session(), Seq: int64(len(all)) + 1, Place: "table " + q.table("events"), Reason: err.Error(),
			}
		}
		all = append(all, e)
	}
	return all, rows.Err()
}

// position returns the position in the journal at which the state of a request was
// recorded.
func (q *Queue) position(ctx context.Context, id int64) (seq int64, err error) {
	err = q.journal.DB.QueryRowContext(ctx, `SELECT seq FROM requests WHERE id = $1`, id).Scan(&seq)
	return seq, err
}

func (q *Queue) standing(ctx context.Context, r Request) (s standing, err error) {
	events, err := q.Events(ctx, r)
	for _, e := range events {
		s.seq, s.last = e.Seq, e.Body
		if b, ok := e.Body.(event.ModelAnswered); ok {
			s.answer = b.Message.Text()
			s.tokens += b.Usage.InputTokens + b.Usage.OutputTokens
		}
	}
	return s, err
}
