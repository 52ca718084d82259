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

// ErrLost is the cause where a lease was lost.
var ErrLost = errLost

// Newest is the version of the tables.
func Newest() int { return len(migrations) }

// Statements make the tables of the newest version.
func Statements(j *Journal) []string {
	all := []string{j.sql(createVersion)}
	for _, statements := range migrations {
		for _, s := range statements {
			all = append(all, j.sql(s))
		}
	}
	return all
}
