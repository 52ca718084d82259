package temporal

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/temporal/internal/flow"
)

// archiveChunk is the number of events of an append.
const archiveChunk = 500

// archive copies the events of an ended session into the Archive. A second attempt goes on
// after the events of the first.
func (a *activities) archive(ctx context.Context, in flow.Archive) error {
	defer beat(ctx)()
	if a.worker.Archive == nil {
		return nil
	}
	events, err := a.events(ctx, in.Events)
	if err != nil {
		return err
	}
	taken, err := a.copyTo(ctx, in.Session, events)
	if err == nil && taken { // by an earlier conversation
		name := in.Session + "@" + idOf(events)
		if taken, err = a.copyTo(ctx, name, events); err == nil && taken {
			err = fmt.Errorf("temporal: the archive has other events under %q", name)
		}
	}
	return err
}

// copyTo copies events into a session of the Archive. taken means that the session has
// different events, and nothing was copied.
func (a *activities) copyTo(ctx context.Context, name string, events []event.Event) (taken bool, err error) {
	log, err := a.worker.Archive.Open(ctx, name)
	if err != nil {
		return false, err
	}
	defer func() { err = cmp.Or(err, log.Close()) }()
	have, err := common(ctx, log, events)
	if err != nil || have < 0 {
		return have < 0, err
	}
	for chunk := range slices.Chunk(events[have:], archiveChunk) {
		if err := log.Append(ctx, true, chunk...); err != nil {
			return false, err
		}
	}
	return false, nil
}

// common returns how many of the events a log has, or -1 for a log with different events.
func common(ctx context.Context, log journal.Log, events []event.Event) (have int, err error) {
	for e, err := range log.Events(ctx) {
		if err != nil {
			return 0, err
		}
		if have == len(events) || !same(e, events[have]) {
			return -1, nil
		}
		have++
	}
	return have, nil
}

func same(a, b event.Event) bool {
	one, err := a.MarshalJSON()
	other, err2 := b.MarshalJSON()
	return err == nil && err2 == nil && bytes.Equal(one, other)
}

// idOf returns the random id of the first run.
func idOf(events []event.Event) string {
	for _, e := range events {
		if b, ok := e.Body.(event.RunStarted); ok {
			return b.ID
		}
	}
	return ""
}
