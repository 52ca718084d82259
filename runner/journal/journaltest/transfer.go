package journaltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// transfers: a session is exported and imported, and forked at events, without a loss. A
// name that is taken, and a text that is damaged, change nothing.
func transfers(ctx context.Context, s Store) error {
	events := make([]event.Event, len(bodies()))
	for i, b := range bodies() {
		events[i] = event.Event{Seq: int64(i) + 1, Time: moment, Body: b}
	}
	if err := with(ctx, s.Open(), session, func(log journal.Log) error { return add(ctx, log, true, 3, events) }); err != nil {
		return err
	}
	j := s.Open()
	var text bytes.Buffer
	seq, err := journal.Export(ctx, j, session, &text)
	if err != nil || seq != int64(len(events)) {
		return fmt.Errorf("export of %d events: %d, %w", len(events), seq, err)
	}
	whole := text.Bytes()
	conflicts := func(err error) error {
		if _, ok := errors.AsType[*journal.ConflictError](err); !ok {
			return fmt.Errorf("a name that is taken: got error %s, want a *ConflictError", fmt.Sprint(err))
		}
		return nil
	}
	_, err = journal.Import(ctx, j, "", bytes.NewReader(whole))
	if err := conflicts(err); err != nil {
		return err
	}
	for _, bad := range [][]byte{whole[:len(whole)-1], whole[:bytes.LastIndexByte(whole[:len(whole)-1], '\n')+1], bytes.Replace(whole, []byte("desk"), []byte("disk"), 1), whole[:bytes.IndexByte(whole, '\n')+1], nil} {
		if _, err := journal.Import(ctx, j, "copy", bytes.NewReader(bad)); err == nil {
			return fmt.Errorf("a text that is damaged was imported: %s", cut(string(bad)))
		}
	}
	name, err := journal.Import(ctx, j, "copy", bytes.NewReader(whole))
	if err != nil || name != "copy" {
		return fmt.Errorf("import: %q, %w", name, err)
	}
	for _, last := range []int64{1, 5, int64(len(events))} {
		if err := journal.Fork(ctx, j, session, last, fmt.Sprint("fork ", last)); err != nil {
			return fmt.Errorf("fork at event %d: %w", last, err)
		}
		if err := kept(ctx, s, fmt.Sprint("fork ", last), events[:last]); err != nil {
			return fmt.Errorf("fork at event %d: %w", last, err)
		}
	}
	if err := journal.Fork(ctx, j, session, int64(len(events))+1, "more"); err == nil {
		return errors.New("a fork behind the end is no error")
	}
	return firstOf(
		func() error { return conflicts(journal.Fork(ctx, j, session, 0, "copy")) },
		func() error { return kept(ctx, s, "copy", events) },
		func() error { return kept(ctx, s, session, events) },
		func() error { return kept(ctx, s, "more", nil) },
	)
}

// deletes: a session that is open, or has gone on, is not deleted. After Delete, the name
// is that of a new session.
func deletes(ctx context.Context, s Store) error {
	d, ok := s.Open().(journal.Deleter)
	if !ok {
		return nil // the method is optional
	}
	j := s.Open()
	var log journal.Log
	return firstOf(
		func() error { return d.Delete(ctx, session, -1) },
		func() error {
			return with(ctx, j, "another", func(log journal.Log) error { return add(ctx, log, true, 1, notes(1, 2)) })
		},
		func() (err error) { log, err = j.Open(ctx, session); return err },
		func() error { return add(ctx, log, true, 1, notes(1, 3)) },
		func() error {
			if _, busy := errors.AsType[*journal.BusyError](d.Delete(ctx, session, -1)); !busy {
				return errors.New("an open session was deleted")
			}
			return add(ctx, log, true, 1, notes(4, 1))
		},
		func() error { return log.Close() },
		func() error {
			err := d.Delete(ctx, session, 3)
			c, ok := errors.AsType[*journal.ConflictError](err)
			if !ok || c.Want != 5 || c.Got != 4 {
				return fmt.Errorf("a session of 4 events was deleted after 3: %w", err)
			}
			return kept(ctx, s, session, notes(1, 4))
		},
		func() error { return d.Delete(ctx, session, 4) },
		func() error { return kept(ctx, s, session, nil) },
		func() error {
			return with(ctx, s.Open(), session, func(log journal.Log) error { return add(ctx, log, true, 1, notes(1, 1)) })
		},
		func() error { return kept(ctx, s, session, notes(1, 1)) },
		func() error { return d.Delete(ctx, session, -1) },
		func() error { return kept(ctx, s, session, nil) },
		func() error { return kept(ctx, s, "another", notes(1, 2)) },
	)
}
