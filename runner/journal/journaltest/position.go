package journaltest

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// positions: a log refuses an append at a wrong position, names both positions, and adds
// no event.
func positions(ctx context.Context, s Store) error {
	return leaves(ctx, s, func(log journal.Log) error {
		refused := func(kept int, want, got int64, events ...event.Event) func() error {
			return func() error {
				if err := refuses(ctx, log, journal.ConflictError{Session: session, Want: want, Got: got}, events...); err != nil {
					return err
				}
				return holds(ctx, log, notes(1, kept))
			}
		}
		return firstOf(
			refused(0, 1, 2, note(2, "a gap")),
			refused(0, 1, 0, note(0, "an ephemeral event")),
			func() error { return add(ctx, log, true, 2, notes(1, 2)) },
			refused(2, 3, 2, note(2, "again")),
			refused(2, 3, 1, notes(1, 3)...),
			refused(2, 3, 4, notes(4, 2)...),
			refused(2, 5, 6, append(notes(3, 2), note(6, "a gap inside"))...),
			refused(2, 4, 3, append(notes(3, 1), note(3, "twice"))...),
			func() error { return add(ctx, log, false, 1, notes(3, 1)) },
		)
	}, notes(1, 3))
}

// noEvents: an append without events adds nothing, with sync and without.
func noEvents(ctx context.Context, s Store) error {
	return leaves(ctx, s, func(log journal.Log) error {
		return firstOf(
			func() error { return log.Append(ctx, false) },
			func() error { return log.Append(ctx, true) },
			func() error { return holds(ctx, log, nil) },
			func() error { return add(ctx, log, false, 2, notes(1, 2)) },
			func() error { return log.Append(ctx, true) },
			func() error { return log.Append(ctx, false) },
			func() error { return add(ctx, log, true, 2, notes(3, 1)) },
		)
	}, notes(1, 3))
}

// reopened: each process continues at the position where the last process ended.
func reopened(ctx context.Context, s Store) error {
	total := 0
	for i := range 12 {
		err := with(ctx, s.Open(), session, func(log journal.Log) error {
			if err := holds(ctx, log, notes(1, total)); err != nil {
				return err
			}
			if err := refuses(ctx, log, journal.ConflictError{Session: session, Want: int64(total) + 1, Got: 99}, note(99, "")); err != nil {
				return err
			}
			if i%4 == 3 {
				return nil // this process only reads
			}
			n := 1 + i%3
			err := add(ctx, log, i%2 == 0, 2, notes(int64(total)+1, n))
			total += n
			return err
		})
		if err != nil {
			return fmt.Errorf("process %d: %w", i+1, err)
		}
	}
	return kept(ctx, s, session, notes(1, total))
}

// endedContext: Open, Append and Events do nothing if their context has ended. The log
// outlives the context of Open.
func endedContext(ctx context.Context, s Store) error {
	cause := errors.New("enough")
	ended, cancel := context.WithCancelCause(ctx)
	cancel(cause)
	j := s.Open()
	if log, err := j.Open(ended, session); !errors.Is(err, cause) && !errors.Is(err, context.Canceled) {
		if err == nil {
			_ = log.Close()
		}
		return fmt.Errorf("open with a context that ended: got error %s, want its cause", fmt.Sprint(err))
	}

	opening, cancel := context.WithCancelCause(ctx)
	log, err := j.Open(opening, session)
	cancel(cause)
	if err != nil {
		return fmt.Errorf("open, after one whose context had ended: %w", err)
	}
	defer log.Close()
	if err := log.Context().Err(); err != nil {
		return fmt.Errorf("the log ended with the context that it was opened with: %w", err)
	}
	if err := add(ctx, log, true, 2, notes(1, 2)); err != nil {
		return err
	}
	for _, sync := range []bool{false, true} {
		if err := log.Append(ended, sync, notes(3, 1)...); !errors.Is(err, cause) && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("append with a context that ended: got error %s, want its cause", fmt.Sprint(err))
		}
	}
	var last error
	n := 0
	for _, err := range log.Events(ended) {
		n, last = n+1, err
	}
	if n != 1 || last == nil {
		return fmt.Errorf("reading with a context that ended: %d pairs, the last with error %s, want one with an error", n, fmt.Sprint(last))
	}
	return holds(ctx, log, notes(1, 2))
}

// tornAppend: no event of an interrupted append appears, wherever the append was cut off,
// and the session continues.
func tornAppend(ctx context.Context, s Store) error {
	for n := 1; n <= 300; n++ {
		err := with(ctx, s.Open(), session, func(log journal.Log) error {
			if n == 1 {
				if err := add(ctx, log, true, 2, notes(1, 2)); err != nil {
					return err
				}
			}
			if err := holds(ctx, log, notes(1, 2)); err != nil {
				return err
			}
			return log.Append(ctx, false, notes(3, 3)...) // without sync, because a synced append can no longer be torn
		})
		if err == nil {
			err = s.Tear(session, n)
		}
		if err != nil {
			return fmt.Errorf("%d bytes torn off: %w", n-1, err)
		}
	}
	return leaves(ctx, s, func(log journal.Log) error { return add(ctx, log, true, 3, notes(3, 5)) }, notes(1, 7))
}
