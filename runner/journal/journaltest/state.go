package journaltest

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// A stateKeeper is a log with the optional methods for saved states.
type stateKeeper interface {
	LoadState(ctx context.Context) (seq int64, state []byte, err error)
	SaveState(ctx context.Context, seq int64, state []byte) error
}

// savedStates: a log returns what was saved last, in every process, and nothing after the
// session was deleted.
func savedStates(ctx context.Context, s Store) error {
	saved := func(log journal.Log, seq int64, state string) error {
		keeper, _ := log.(stateKeeper)
		gotSeq, got, err := keeper.LoadState(ctx)
		if err != nil || gotSeq != seq || string(got) != state {
			return fmt.Errorf("the saved state is %d with %s, %w; want %d with %s", gotSeq, cut(string(got)), err, seq, cut(state))
		}
		return nil
	}
	long := `{"text":"` + brief(note(1, large(100_000, 1)))[1:] + `"}`
	optional := false
	err := with(ctx, s.Open(), session, func(log journal.Log) error {
		keeper, ok := log.(stateKeeper)
		if optional = !ok; optional {
			return nil
		}
		return firstOf(
			func() error { return saved(log, 0, "") },
			func() error { return add(ctx, log, true, 2, notes(1, 4)) },
			func() error { return keeper.SaveState(ctx, 3, []byte(long)) },
			func() error { return saved(log, 3, long) },
			func() error { return keeper.SaveState(ctx, 4, []byte(`{}`)) },
			func() error { return saved(log, 4, `{}`) },
			func() error { return holds(ctx, log, notes(1, 4)) },
		)
	})
	if err != nil || optional {
		return err
	}
	err = with(ctx, s.Open(), session, func(log journal.Log) error {
		return firstOf(
			func() error { return saved(log, 4, `{}`) },
			func() error { return add(ctx, log, true, 1, notes(5, 1)) },
			func() error { return saved(log, 4, `{}`) },
			func() error { return holds(ctx, log, notes(1, 5)) },
		)
	})
	d, ok := s.Open().(journal.Deleter)
	if err != nil || !ok {
		return err
	}
	if err := d.Delete(ctx, session, -1); err != nil {
		return err
	}
	return with(ctx, s.Open(), session, func(log journal.Log) error {
		return errors.Join(saved(log, 0, ""), add(ctx, log, true, 1, notes(1, 1)), saved(log, 0, ""))
	})
}
