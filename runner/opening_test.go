package runner_test

import (
	"context"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// lazy is a journal that takes its time to open, and for each event.
type lazy struct {
	*journal.Memory
	open, event time.Duration
}

type lazyLog struct {
	journal.Log
	event time.Duration
}

// linger waits, as a store does that keeps to its context.
func linger(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s lazy) Open(ctx context.Context, session string) (journal.Log, error) {
	if err := linger(ctx, s.open); err != nil {
		return nil, err
	}
	log, err := s.Memory.Open(ctx, session)
	return lazyLog{log, s.event}, err
}

func (l lazyLog) Events(ctx context.Context) iter.Seq2[event.Event, error] {
	return func(yield func(event.Event, error) bool) {
		for e, err := range l.Log.Events(ctx) {
			if err == nil {
				err = linger(ctx, l.event)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// TestOpeningBound: a store is given up when it does nothing for 30 seconds. However
// long a session is, it can be opened.
func TestOpeningBound(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name        string
		open, event time.Duration
		wait        time.Duration
		fails       bool
	}{
		{"each event takes long", 20 * time.Second, 29 * time.Second, 20*time.Second + 5*29*time.Second, false},
		{"the opening takes too long", 31 * time.Second, 0, 30 * time.Second, true},
		{"an event takes too long", 0, 31 * time.Second, 30 * time.Second, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				kept := new(journal.Memory)
				_, err := runner.Runner{Model: llmtest.Script(t, llmtest.Text("Hi.")), Journal: kept}.Session("s").
					Run(t.Context(), newAgent(), runner.Say(llm.User("Hi.")))
				require.NoError(t, err)
				s := runner.Runner{Journal: lazy{kept, tt.open, tt.event}}.Session("s")
				began := time.Now()
				messages, err := s.Messages(t.Context())
				require.Equal(t, tt.wait, time.Since(began))
				if tt.fails {
					require.ErrorIs(t, err, context.DeadlineExceeded)
					require.ErrorContains(t, err, "the store did nothing for 30s")
					return
				}
				require.NoError(t, err)
				require.Len(t, messages, 2)
			})
		})
	}
}
