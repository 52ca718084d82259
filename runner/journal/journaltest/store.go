package journaltest

import (
	"context"
	"testing"

	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// A Store is the data of a journal, empty at first, with the ways to get at it.
type Store struct {
	// Open returns the journal as a process would that has just been started:
	// the same data with each call. Required.
	Open func() journal.Journal
	// Lose takes the lock or lease of a session away from the log that has it
	// open, so that others can open it; what was kept stays. It need not tell
	// the log. Nil: it cannot be lost.
	Lose func(session string) error
	// Tear makes the store look as if the last append of a session, which is
	// closed, had been interrupted before its last n bytes were written. It is
	// called with n from 1 up to a few hundred, for appends of more bytes than
	// that. Nil: an append cannot be interrupted in the middle.
	Tear func(session string, n int) error
}

// Test checks a store: every check, as a subtest, asks open for one of its own.
// They run in parallel. Checks that need Lose or Tear are skipped without it.
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

// check is one promise. It reports how it was broken.
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

// unfit says why a check cannot be made; "": it can.
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
	{"10,000 events", manyEvents, needNothing},
	{"large events", largeEvents, needNothing},
	{"odd names", oddNames, needNothing},
	{"bad names", badNames, needNothing},
	{"busy until closed", busy, needNothing},
	{"one of many openers", openers, needNothing},
	{"64 sessions at once", manySessions, needNothing},
	{"a closed log", closedLog, needNothing},
	{"a context that ended", endedContext, needNothing},
	{"a lost lock", lostLock, needLose},
	{"a torn append", tornAppend, needTear},
}
