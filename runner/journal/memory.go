package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/seed-916e8f6a/toolloop/runner/event"
)

// Memory is a [Journal] in memory. The zero value is empty and ready. The JSON of a
// Memory holds every session, so you can keep it anywhere. Unmarshalling replaces all
// sessions.
//
// A Memory is safe for concurrent use and must not be copied.
type Memory struct {
	mu        sync.Mutex
	sessions  map[string][]event.Event
	summaries map[string]*Summary
	open      map[string]bool
	states    map[string]savedState
	changed   chan struct{} // closed at the next append; nil: nobody watches
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
	m.sessions, m.summaries, m.states = sessions, map[string]*Summary{}, nil
	for name, events := range sessions {
		m.summarize(name, events)
	}
	m.tell()
	return nil
}

// summarize adds events to the summary of a session. The caller holds mu.
func (m *Memory) summarize(session string, events []event.Event) {
	if m.summaries == nil {
		m.summaries = map[string]*Summary{}
	}
	s := m.summaries[session]
	if s == nil {
		s = &Summary{Session: session}
		m.summaries[session] = s
	}
	for _, e := range events {
		s.Add(e)
	}
}

// tell wakes everybody who watches. The caller holds mu.
func (m *Memory) tell() {
	if m.changed != nil {
		close(m.changed)
		m.changed = nil
	}
}

// List implements [Reader].
func (m *Memory) List(ctx context.Context, f Filter) iter.Seq2[Summary, error] {
	return func(yield func(Summary, error) bool) {
		m.mu.Lock()
		var all []Summary
		for _, s := range m.summaries {
			if f.Fits(*s) && s.Seq > 0 {
				all = append(all, *s)
			}
		}
		m.mu.Unlock()
		yieldList(ctx, all, yield)
	}
}

// yieldList yields summaries in the order of their names.
func yieldList(ctx context.Context, all []Summary, yield func(Summary, error) bool) {
	slices.SortFunc(all, func(a, b Summary) int { return strings.Compare(a.Session, b.Session) })
	for _, s := range all {
		if err := context.Cause(ctx); err != nil {
			yield(Summary{}, err)
			return
		}
		if !yield(s, nil) {
			return
		}
	}
}

// Read implements [Reader].
func (m *Memory) Read(ctx context.Context, session string, after int64) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		if err := CheckName(session); err != nil {
			yield(event.Event{}, err)
			return
		}
		events, _ := m.behind(session, after, false)
		_, err := yieldAll(ctx, events, yield)
		if err != nil {
			yield(event.Event{}, err)
		}
	}
}

// Watch implements [Reader].
func (m *Memory) Watch(ctx context.Context, session string, after int64) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		err := CheckName(session)
		for after = max(after, 0); err == nil; {
			events, changed := m.behind(session, after, true)
			var more bool
			if more, err = yieldAll(ctx, events, yield); !more {
				break
			}
			after += int64(len(events))
			select {
			case <-changed:
			case <-ctx.Done():
				err = context.Cause(ctx)
			}
		}
		if err != nil {
			yield(event.Event{}, err)
		}
	}
}

// behind returns the events of a session behind a position. With watch, changed is closed
// at the next append to any session.
func (m *Memory) behind(session string, after int64, watch bool) (events []event.Event, changed <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if watch && m.changed == nil {
		m.changed = make(chan struct{})
	}
	all := m.sessions[session] // events are only added, so this view never changes
	return all[min(max(after, 0), int64(len(all))):], m.changed
}

// yieldAll yields events. more is false if the caller has left, or with an error.
func yieldAll(ctx context.Context, events []event.Event, yield func(event.Event, error) bool) (more bool, err error) {
	for _, e := range events {
		if err := context.Cause(ctx); err != nil {
			return false, err
		}
		if !yield(e, nil) {
			return false, nil
		}
	}
	return true, context.Cause(ctx)
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
	l.journal.summarize(l.session, events)
	l.journal.tell()
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

// Delete implements [Deleter].
func (m *Memory) Delete(ctx context.Context, session string, seq int64) error {
	log, err := m.Open(ctx, session)
	if err != nil {
		return err
	}
	defer log.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	if last := int64(len(m.sessions[session])); seq >= 0 && last != seq {
		return &ConflictError{Session: session, Want: last + 1, Got: seq + 1}
	}
	delete(m.sessions, session)
	delete(m.summaries, session)
	delete(m.states, session)
	return nil
}

// savedState is a state that a runner has saved.
type savedState struct {
	seq   int64
	state []byte
}

// LoadState implements the optional method of [Log].
func (l *memoryLog) LoadState(context.Context) (seq int64, state []byte, err error) {
	l.journal.mu.Lock()
	defer l.journal.mu.Unlock()
	s := l.journal.states[l.session]
	return s.seq, bytes.Clone(s.state), nil
}

// SaveState implements the optional method of [Log].
func (l *memoryLog) SaveState(_ context.Context, seq int64, state []byte) error {
	l.journal.mu.Lock()
	defer l.journal.mu.Unlock()
	if l.ctx.Err() != nil {
		return errClosed
	}
	if l.journal.states == nil {
		l.journal.states = map[string]savedState{}
	}
	l.journal.states[l.session] = savedState{seq, bytes.Clone(state)}
	return nil
}
