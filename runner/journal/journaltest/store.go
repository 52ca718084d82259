package journaltest

import (
	"context"
	"testing"

	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// A Store is a new, empty journal for one check, with the operations that the check needs.
type Store struct {
	// Open returns the journal as a new process sees it. All calls return the same data.
	// Required.
	Open func() journal.Journal
	// Lose takes the lock or lease of an open session away from its log, without a word to
	// the log. The events stay, and the next Open gets the session. Nil means that a lock
	// cannot be lost; the check of lost locks is then skipped.
	Lose func(session string) error
	// Tear makes the store look as if a crash had interrupted the last append of a closed
	// session before the last n bytes were written. n is between 1 and a few hundred, and
	// smaller than the append. Nil means that an append cannot be torn; the check of torn
	// appends is then skipped.
	Tear func(session string, n int) error
}

// Test checks a store. Every check is a parallel subtest and calls open for a Store of its
// own.
func Test(t *testing.T, open func(t *testing.T) Store) {
	t.Helper()
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := open(t)
			if reason := c.unfit(s); reason != "" {
				t.Skip(reason)
			}
			if err := c.run(t.Context(), s); err != nil {
				t.Error(err)
			}
		})
	}
}

// check tests one rule. The error of run says how the store broke the rule.
type check struct {
	name string
	run  func(ctx context.Context, s Store) error
	need need
}

type need int

const (
	needNothing need = iota
	needLose
	needTear
)

// unfit returns the reason to skip a check, or "".
func (c check) unfit(s Store) string {
	switch {
	case c.need == needLose && s.Lose == nil:
		return "the store says that a lock cannot be lost"
	case c.need == needTear && s.Tear == nil:
		return "the store says that an append cannot be torn"
	}
	return ""
}

var checks = []check{
	{"every kind of event", everyKind, needNothing},
	{"all or none, at the right position", positions, needNothing},
	{"no events", noEvents, needNothing},
	{"reopened", reopened, needNothing},
	{"reading while open", readingWhileOpen, needNothing},
	{"reading from a position", readingAfter, needNothing},
	{"reading without opening", readWhileWriting, needNothing},
	{"reading without opening, in a loop", readWhileReading, needNothing},
	{"lists of sessions", lists, needNothing},
	{"export, import and fork", transfers, needNothing},
	{"deleted sessions", deletes, needNothing},
	{"saved states", savedStates, needNothing},
	{"10,000 events", manyEvents, needNothing},
	{"large events", largeEvents, needNothing},
	{"odd names", oddNames, needNothing},
	{"bad names", badNames, needNothing},
	{"busy until closed", busy, needNothing},
	{"one of many openers", openers, needNothing},
	{"begun once", begunOnce, needNothing},
	{"64 sessions at once", manySessions, needNothing},
	{"a closed log", closedLog, needNothing},
	{"a context that ended", endedContext, needNothing},
	{"a lost lock", lostLock, needLose},
	{"a torn append", tornAppend, needTear},
}
