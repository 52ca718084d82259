package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"sync"

	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// Memory is a [Journal] in memory. The zero value is empty and ready. The JSON of a
// Memory holds every session, so you can keep it anywhere. Unmarshalling replaces all
// sessions.
//
// A Memory is safe for concurrent use and must not be copied.
type Memory struct {
	mu       sync.Mutex
	sessions map[string][]event.Event
	open     map[string]bool
}

// Open implements [Journal].
func (m *Memory) Open(ctx context.Context, session string) (Log, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if err := CheckName(session); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open[session] {
		return nil, &BusyError{Session: session}
	}
	if m.open == nil {
		m.open = map[string]bool{}
	}
	m.open[session] = true
	l := &memoryLog{journal: m, session: session}
	l.ctx, l.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	return l, nil
}

// MarshalJSON implements [json.Marshaler]: an object with an array of events
// for each session.
func (m *Memory) MarshalJSON() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sessions == nil {
		return []byte("{}"), nil
	}
	return json.Marshal(m.sessions)
}

// UnmarshalJSON implements [json.Unmarshaler]. It returns an error while a session is
// open, and for a session whose events are not numbered from 1 without a gap.
func (m *Memory) UnmarshalJSON(data []byte) error {
	var sessions map[string][]event.Event
	if err := json.Unmarshal(data, &sessions); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	for name, events := range sessions {
		for i, e := range events {
			if e.Seq != int64(i)+1 {
				return fmt.Errorf("journal: session %q: event %d has seq %d", name, i+1, e.Seq)
			}
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.open) > 0 {
		return errors.New("journal: a session is open")
	}
	m.sessions = sessions
	return nil
}

// memoryLog is an opening of a session.
type memoryLog struct {
	journal *Memory
	session string
	ctx     context.Context // ends with the log; Log.Context hands it out
	cancel  context.CancelCauseFunc
}

func (l *memoryLog) Context() context.Context { return l.ctx }

func (l *memoryLog) Events(ctx context.Context) iter.Seq2[event.Event, error] {
	return l.EventsAfter(ctx, 0)
}

// EventsAfter implements the optional method of [Log].
func (l *memoryLog) EventsAfter(ctx context.Context, after int64) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		l.journal.mu.Lock()
		// Events are only added, so this view never changes.
		events := l.journal.sessions[l.session]
		l.journal.mu.Unlock()
		if l.ctx.Err() != nil {
			yield(event.Event{}, errClosed)
			return
		}
		for _, e := range events[min(max(after, 0), int64(len(events))):] {
			if err := context.Cause(ctx); err != nil {
				yield(event.Event{}, err)
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (l *memoryLog) Append(ctx context.Context, _ bool, events ...event.Event) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	l.journal.mu.Lock()
	defer l.journal.mu.Unlock()
	if l.ctx.Err() != nil {
		return errClosed
	}
	kept := l.journal.sessions[l.session]
	if err := conflict(l.session, int64(len(kept)+1), events); err != nil || len(events) == 0 {
		return err
	}
	if l.journal.sessions == nil {
		l.journal.sessions = map[string][]event.Event{}
	}
	l.journal.sessions[l.session] = append(kept, events...)
	return nil
}

func (l *memoryLog) Close() error {
	l.journal.mu.Lock()
	defer l.journal.mu.Unlock()
	if l.ctx.Err() == nil {
		delete(l.journal.open, l.session)
		l.cancel(errClosed)
	}
	return nil
}
