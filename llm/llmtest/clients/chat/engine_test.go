package chat_test

import (
	"context"
	"crypto/rand"
	"iter"
	"sync"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/serve"
)

// An engine runs sessions that are not of the chat: the chat gets their stored events by a
// stream, and the rest by Live.
type engine struct {
	store journal.Memory
	live  func(context.Context, event.Live)
}

func (e *engine) open(name string) serve.Session {
	return &session{engine: e, name: name, Session: runner.Runner{Journal: &e.store}.Session(name)}
}

// A session is a session of the engine. The chat keeps it while the conversation is in use.
type session struct {
	*runner.Session
	engine *engine
	name   string
	mu     sync.Mutex
	stop   context.CancelFunc // guarded by mu; of the run
}

type told struct {
	e   event.Event
	err error
}

func (s *session) Stream(_ context.Context, a *agent.Agent, in ...runner.Input) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		ctx, stop := context.WithCancel(context.Background())
		s.mu.Lock()
		s.stop = stop
		s.mu.Unlock()
		events := make(chan told, 10_000)
		go func() { // ends with the run
			defer close(events)
			defer stop()
			l := event.Live{Session: s.name}
			for e, err := range s.Session.Stream(ctx, a, in...) {
				if err != nil || e.Seq > 0 {
					l.After, l.Source, l.N = e.Seq, rand.Text(), 0
					events <- told{e, err}
					continue
				}
				l.N++
				l.Event = e
				s.engine.live(ctx, l)
			}
		}()
		for t := range events {
			if !yield(t.e, t.err) {
				return
			}
		}
	}
}

func (s *session) Cancel(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop != nil {
		s.stop()
	}
	return nil
}
