package step

import (
	"context"
	"iter"
	"slices"
	"sync"

	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// Events is a journal in memory for a step of a session: the events before the step, and the
// events of the step. Open takes no lock, because the caller does one step of a session at a
// time. The methods are safe for concurrent use.
type Events struct {
	mu    sync.Mutex
	all   []event.Event // guarded by mu
	begin int           // the number of events before the step
	ends  []int         // the number of added events after each append; guarded by mu
}

// NewEvents returns a journal with the events of a session. The position of an event
// becomes the Seq, because the ends of calls come without a Seq.
func NewEvents(events []event.Event) *Events {
	all := slices.Clone(events)
	for i := range all {
		all[i].Seq = int64(i) + 1
	}
	return &Events{all: all, begin: len(all)}
}

// Open implements [journal.Journal].
func (e *Events) Open(context.Context, string) (journal.Log, error) {
	ctx, cancel := context.WithCancel(context.Background())
	return &log{events: e, ctx: ctx, cancel: cancel}, nil
}

// Added returns the events of the step.
func (e *Events) Added() []event.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.all[e.begin:])
}

// Whole returns the largest number up to n of added events that cuts no append apart: the
// events of an append are all there, or none of them.
func (e *Events) Whole(n int) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	whole := 0
	for _, end := range e.ends {
		if end <= n {
			whole = end
		}
	}
	return whole
}

// A log is the open log of the session.
type log struct {
	events *Events
	ctx    context.Context
	cancel context.CancelFunc
}

// Events implements [journal.Log].
func (l *log) Events(context.Context) iter.Seq2[event.Event, error] {
	l.events.mu.Lock()
	all := l.events.all
	l.events.mu.Unlock()
	return func(yield func(event.Event, error) bool) {
		for _, e := range all {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// Append implements [journal.Log].
func (l *log) Append(_ context.Context, _ bool, events ...event.Event) error {
	l.events.mu.Lock()
	defer l.events.mu.Unlock()
	l.events.all = append(l.events.all, events...)
	l.events.ends = append(l.events.ends, len(l.events.all)-l.events.begin)
	return nil
}

// Context implements [journal.Log].
func (l *log) Context() context.Context { return l.ctx }

// Close implements [journal.Log].
func (l *log) Close() error { l.cancel(); return nil }
