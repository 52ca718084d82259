package stores_test

import (
	"fmt"
	"strings"
	"sync"
)

// turns and calls are the size of a session.
const (
	turns = 4
	calls = 3
	// helperTurns are the turns of each of two helpers.
	helperTurns = 2
	// lateTurn is the turn, from 0, with a call whose result comes later.
	lateTurn = 1
)

// A ledger is the outside world of one session. It lives in the parent, so that
// what was done stays done.
type ledger struct {
	effects  []string          // calls that must have their effect
	mu       sync.Mutex        // guards what follows
	done     map[string]string // results of effects by the key of the call
	times    map[string]int    // effects by call
	finished map[string]bool   // calls whose result a log has acknowledged
	last     int64             // Seq of the last event that a log has acknowledged
	fences   map[string]int64  // of the last attempt at an effect, by the key of the call
	buried   map[string]int64  // the last attempt that was said not to have happened
	late     int               // attempts that came after another, or after that was said

	doubled, lost []string // what must not be
}

func newLedger(o order) *ledger {
	return &ledger{effects: o.effects(), done: map[string]string{}, times: map[string]int{}, finished: map[string]bool{}, fences: map[string]int64{}, buried: map[string]int64{}}
}

// do has an effect. One that may be had again, and whose end is not recorded, is
// the same effect again.
func (l *ledger) do(e effect) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Fence < l.fences[e.Key] || e.Fence <= l.buried[e.Key] {
		l.late++
		return l.done[e.Key]
	}
	l.fences[e.Key] = e.Fence
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

// known says whether an effect was had. One that was not is buried with its attempt.
func (l *ledger) known(e effect) (result string, was bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if result, was = l.done[e.Key]; !was {
		l.buried[e.Key] = max(l.buried[e.Key], e.Fence)
	}
	return result, was
}

// acknowledged is what a log has promised to keep.
func (l *ledger) acknowledged(r report) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = max(l.last, r.Seq)
	for _, ref := range r.Ends {
		l.finished[ref] = true
	}
}

// loaded compares what was read with what was promised.
func (l *ledger) loaded(seq int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if seq < l.last {
		l.lost = append(l.lost, fmt.Sprintf("events %d to %d", seq+1, l.last))
	}
}

// close looks for effects that nobody had.
func (l *ledger) close() {
	for _, ref := range l.effects {
		if l.times[ref] == 0 {
			l.lost = append(l.lost, "effect "+ref)
		}
	}
}

func (l *ledger) faults() string { return strings.Join(append(l.doubled, l.lost...), "; ") }
