package queue

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// A standing is where a conversation stands, by what its journal has.
type standing struct {
	seq    int64      // of the last event; 0: nothing was said yet
	last   event.Body // what that was
	answer string     // the last one
	tokens int64
}

// Events returns what happened in the conversation about a request so far. It
// needs no lease, and may be called while somebody works on it.
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
			return nil, fmt.Errorf("queue: %s: %w", r.Session(), err)
		}
		all = append(all, e)
	}
	return all, rows.Err()
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
