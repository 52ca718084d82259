package journaltest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// busy: an open session cannot be opened again, neither in the same process nor in a
// second process. A second Close of a closed log does not close the next opening.
func busy(ctx context.Context, s Store) error {
	mine, theirs := s.Open(), s.Open()
	first, err := mine.Open(ctx, session)
	if err != nil {
		return err
	}
	defer first.Close()
	isOpen := func() error {
		if err := isBusy(ctx, mine, session); err != nil {
			return fmt.Errorf("in the same process: %w", err)
		}
		if err := isBusy(ctx, theirs, session); err != nil {
			return fmt.Errorf("in another process: %w", err)
		}
		return nil
	}
	var second journal.Log
	return firstOf(
		isOpen,
		func() error { return add(ctx, first, true, 1, notes(1, 2)) },
		isOpen,
		func() error { return kept(ctx, s, "another", nil) },
		first.Close,
		func() (err error) { second, err = theirs.Open(ctx, session); return err },
		func() error {
			defer second.Close()
			return firstOf(first.Close, isOpen, func() error { return add(ctx, second, true, 1, notes(3, 1)) })
		},
		func() error { return kept(ctx, s, session, notes(1, 3)) },
	)
}

// openers: of many concurrent calls of Open, one gets the session.
func openers(ctx context.Context, s Store) error {
	const rounds, many = 10, 16
	for round := range rounds {
		var holders atomic.Int32
		won := make(chan journal.Log, many)
		failed := make(chan error, many)
		var group sync.WaitGroup
		for range many {
			j := s.Open()
			group.Go(func() {
				log, err := j.Open(ctx, session)
				if _, ok := errors.AsType[*journal.BusyError](err); ok {
					return
				}
				if err != nil {
					failed <- err
					return
				}
				holders.Add(1)
				won <- log
			})
		}
		group.Wait()
		close(won)
		err := appendOnce(ctx, won, int64(round)+1)
		close(failed)
		if n := holders.Load(); n != 1 {
			return fmt.Errorf("%d of %d who opened a session at once got it; %w", n, many, errors.Join(err, <-failed))
		}
		if err := errors.Join(err, <-failed); err != nil {
			return err
		}
	}
	return kept(ctx, s, session, notes(1, rounds))
}

// begunOnce: of many processes that begin a session at once, each if the session has no
// events, one begins it. This is what runner.Once needs of a store.
func begunOnce(ctx context.Context, s Store) error {
	const rounds, many = 5, 16
	for round := range rounds {
		name := fmt.Sprintf("%s %d", session, round)
		errs := make([]error, many)
		var group sync.WaitGroup
		for i := range many {
			j := s.Open()
			group.Go(func() { errs[i] = begin(ctx, j, name) })
		}
		group.Wait()
		if err := errors.Join(errs...); err != nil {
			return err
		}
		if err := kept(ctx, s, name, notes(1, 2)); err != nil {
			return fmt.Errorf("%d processes began a session at once, each if it was empty: %w", many, err)
		}
	}
	return nil
}

// begin adds the first events of a session, unless it has events.
func begin(ctx context.Context, j journal.Journal, session string) error {
	for {
		err := with(ctx, j, session, func(log journal.Log) error {
			for _, err := range log.Events(ctx) {
				return err
			}
			<-time.After(time.Millisecond) // time for another process that has the session, too
			return log.Append(ctx, true, notes(1, 2)...)
		})
		if _, busy := errors.AsType[*journal.BusyError](err); !busy || ctx.Err() != nil {
			return err
		}
		<-time.After(time.Millisecond) // another process is beginning
	}
}

func appendOnce(ctx context.Context, logs <-chan journal.Log, seq int64) error {
	var errs []error
	for log := range logs {
		errs = append(errs, add(ctx, log, false, 1, notes(seq, 1)), log.Close())
	}
	return errors.Join(errs...)
}

// manySessions: 64 sessions are written and read at once, and their events do not mix.
func manySessions(ctx context.Context, s Store) error {
	const many = 64
	j := s.Open()
	errs := make([]error, many)
	var group sync.WaitGroup
	for i := range many {
		name := fmt.Sprintf("session %d", i)
		group.Go(func() {
			errs[i] = with(ctx, j, name, func(log journal.Log) error {
				for k := range int64(10) {
					if err := log.Append(ctx, k == 9, note(2*k+1, name), note(2*k+2, name)); err != nil {
						return fmt.Errorf("%s: append %d: %w", name, k+1, err)
					}
				}
				return nil
			})
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for i := range many {
		name := fmt.Sprintf("session %d", i)
		want := notes(1, 20)
		for k := range want {
			want[k] = note(int64(k)+1, name)
		}
		if err := kept(ctx, s, name, want); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// closedLog: a closed log refuses Append and Events, its context has ended, and a second
// Close does nothing.
func closedLog(ctx context.Context, s Store) error {
	log, err := s.Open().Open(ctx, session)
	if err != nil {
		return err
	}
	defer log.Close()
	if err := add(ctx, log, true, 1, notes(1, 1)); err != nil {
		return err
	}
	if err := log.Context().Err(); err != nil {
		return fmt.Errorf("the context of an open log ended: %w", context.Cause(log.Context()))
	}
	if err := firstOf(log.Close, log.Close); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	if log.Context().Err() == nil {
		return errors.New("the context of a closed log goes on")
	}
	for _, sync := range []bool{false, true} {
		if err := log.Append(ctx, sync, notes(2, 1)...); err == nil {
			return errors.New("a closed log took an append")
		}
	}
	failed := false
	for _, err := range log.Events(ctx) {
		failed = err != nil
	}
	if !failed {
		return errors.New("a closed log was read without an error")
	}
	return kept(ctx, s, session, notes(1, 1))
}

// lostLock: a log that lost its lock adds no event, whether or not a second log has the
// lock now, and the context of the log ends.
func lostLock(ctx context.Context, s Store) error {
	log, err := s.Open().Open(ctx, session)
	if err != nil {
		return err
	}
	defer log.Close()
	return firstOf(
		func() error { return add(ctx, log, true, 1, notes(1, 2)) },
		func() error { return s.Lose(session) },
		func() error {
			return with(ctx, s.Open(), session, func(theirs journal.Log) error {
				return firstOf(
					func() error { return add(ctx, theirs, true, 1, notes(3, 1)) },
					func() error { return endsRefusing(ctx, log) },
					log.Close,
					func() error { return isBusy(ctx, s.Open(), session) },
					func() error { return add(ctx, theirs, true, 1, notes(4, 1)) },
				)
			})
		},
		func() error { return kept(ctx, s, session, notes(1, 4)) },
	)
}

func endsRefusing(ctx context.Context, log journal.Log) error {
	if err := log.Append(ctx, true, note(3, "by the one who lost the lock")); err == nil {
		return errors.New("an append was taken from the one who lost the lock")
	}
	bound, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	select {
	case <-log.Context().Done():
		return nil
	case <-bound.Done():
		return errors.New("the log's context did not end with its lock")
	}
}

// oddNames: each name names a session of its own.
func oddNames(ctx context.Context, s Store) error {
	names := []string{
		"a", "A", "ä", "Ä", "a\u0308", " ", "a ", " a", ".", "..", "/", "a/b", "a\\b", "../a", "/etc/passwd", "a/", "a.", "a.jsonl",
		"con", "NUL", "nul.txt", "com1", "aux.", "*", "?", "a:b", "a|b", "<a>", "\"", "'", "'; --", "%", "%2f", "_", "a_b", "a%b", "$1", "~",
		"-rf", "\n", "\t", "\x7f", "a\nb", "\u202e", "😀", "İ", "ı", "K", "\u212a", "\ufffd",
		strings.Repeat("x", 255), strings.Repeat("x", 256), strings.Repeat("é", 500), strings.Repeat("/", 1000),
	}
	j := s.Open()
	for _, name := range names {
		err := with(ctx, j, name, func(log journal.Log) error {
			return firstOf(
				func() error { return isBusy(ctx, j, name) },
				func() error {
					return refuses(ctx, log, journal.ConflictError{Session: name, Want: 1, Got: 2}, note(2, name))
				},
				func() error { return log.Append(ctx, false, note(1, name)) },
			)
		})
		if err != nil {
			return fmt.Errorf("session %.40q: %w", name, err)
		}
	}
	for _, name := range names {
		if err := kept(ctx, s, name, []event.Event{note(1, name)}); err != nil {
			return fmt.Errorf("session %.40q: %w", name, err)
		}
	}
	return nil
}

// badNames: Open refuses names that are not valid.
func badNames(ctx context.Context, s Store) error {
	for _, name := range []string{"", "\xff", "a\xc3", "\x00", "a\x00b"} {
		if log, err := s.Open().Open(ctx, name); err == nil {
			_ = log.Close()
			return fmt.Errorf("a session was opened by the name %q", name)
		}
	}
	return nil
}
