package queue

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// A standing is where a conversation stands, by what its journal has.
type standing struct {
	seq    int64      // of the last event; 0: nothing was said yet
	last   event.Body // what that was
	answer string     // the last one
	tokens int64
}

// Events returns what happened in the conversation about a request so far. It
// needs no lease, and may be called while somebody works on it. With a
// [journal.CorruptError] it returns what is before the event that is damaged.
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

// position is the one in the journal at which a request was as it is kept.
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
