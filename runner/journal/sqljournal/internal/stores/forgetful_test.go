package stores_test

import (
	"context"

	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// forgetful is a journal that writes each append when the next one comes. Who
// kills its process takes away the last.
type forgetful struct{ journal.Journal }

func (j forgetful) Open(ctx context.Context, session string) (journal.Log, error) {
	log, err := j.Journal.Open(ctx, session)
	if err != nil {
		return nil, err
	}
	return &forgetfulLog{Log: log}, nil
}

// forgetfulLog is not safe for concurrent use, which the engine makes none of.
type forgetfulLog struct {
	journal.Log
	kept []event.Event
}

func (l *forgetfulLog) Append(ctx context.Context, _ bool, events ...event.Event) error {
	if err := l.Log.Append(ctx, true, l.kept...); err != nil {
		return err
	}
	l.kept = events
	return nil
}

func (l *forgetfulLog) Close() error {
	if err := l.Log.Append(context.Background(), true, l.kept...); err != nil {
		return err
	}
	return l.Log.Close()
}
