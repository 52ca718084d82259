package sqljournal

import (
	"errors"

	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// Abandon leaves a log as a process does that dies: nothing is given back, and
// nothing is renewed any more.
func Abandon(l journal.Log) {
	it := l.(*log)
	it.cancel(errors.New("the process died"))
	<-it.done
}

// Newest is the version of the tables.
func Newest() int { return len(migrations) }
