package stores_test

import (
	"fmt"
	"strings"
)

// turns and calls are the size of a session.
const (
	turns = 4
	calls = 3
)

// A ledger is the outside world of one session. It lives in the parent, so that
// what was done stays done.
type ledger struct {
	done     map[string]string // results of effects by the key of the call
	times    map[string]int    // effects by call
	finished map[string]bool   // calls whose result a log has acknowledged
	last     int64             // Seq of the last event that a log has acknowledged

	doubled, lost []string // what must not be
}

func newLedger() *ledger {
	return &ledger{done: map[string]string{}, times: map[string]int{}, finished: map[string]bool{}}
}

// do has an effect. One that may be had again, and whose end is not recorded, is
// the same effect again.
func (l *ledger) do(e effect) string {
	ref := refOf(e.Key)
	_, same := l.done[e.Key]
	switch {
	case l.finished[ref]:
		l.doubled = append(l.doubled, e.Key+" was finished")
	case l.times[ref] > 0 && !same:
		l.doubled = append(l.doubled, e.Key+" had another key before")
	case l.times[ref] > 0 && e.Tool != "repeat":
		l.doubled = append(l.doubled, e.Key+" was done, and nobody said that it was not")
	}
	l.times[ref]++
	l.done[e.Key] = fmt.Sprintf("%s %d is done", e.Tool, e.N)
	return l.done[e.Key]
}

// acknowledged is what a log has promised to keep.
func (l *ledger) acknowledged(r report) {
	l.last = max(l.last, r.Seq)
	for _, ref := range r.Ends {
		l.finished[ref] = true
	}
}

// loaded compares what was read with what was promised.
func (l *ledger) loaded(seq int64) {
	if seq < l.last {
		l.lost = append(l.lost, fmt.Sprintf("events %d to %d", seq+1, l.last))
	}
}

// close looks for effects that nobody had.
func (l *ledger) close() {
	for turn := range turns {
		for call := range calls {
			if ref := fmt.Sprintf("r1.t%d.c%d", turn+1, call); l.times[ref] == 0 {
				l.lost = append(l.lost, "effect "+ref)
			}
		}
	}
}

func (l *ledger) faults() string { return strings.Join(append(l.doubled, l.lost...), "; ") }
