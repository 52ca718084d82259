package stores_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// A lookout reads all sessions of a campaign while their processes are killed.
type lookout struct {
	store    journal.Reader
	seen     map[string][]string // the events that a session had
	readings int
}

// look reads every session of the list: what was read before is still there, and more may
// have come.
func (l *lookout) look(ctx context.Context) error {
	for s, err := range l.store.List(ctx, journal.Filter{}) {
		if err != nil {
			return fmt.Errorf("list: %w", err)
		}
		before := l.seen[s.Session]
		if int64(len(before)) > s.Seq {
			return fmt.Errorf("session %q: the list says %d events, %d were read before", s.Session, s.Seq, len(before))
		}
		if int64(len(before)) == s.Seq && s.Status == journal.Finished {
			continue // its processes have ended
		}
		var now []string
		for e, err := range l.store.Read(ctx, s.Session, 0) {
			if err != nil {
				return fmt.Errorf("session %q: %w", s.Session, err)
			}
			text, err := e.MarshalJSON()
			if err != nil {
				return err
			}
			now = append(now, string(text))
		}
		if len(now) < len(before) || !slices.Equal(now[:len(before)], before) || int64(len(now)) < s.Seq {
			return fmt.Errorf("session %q: %d events were read, after %d, and the list says %d", s.Session, len(now), len(before), s.Seq)
		}
		l.seen[s.Session] = now
		l.readings++
	}
	return nil
}

// watch looks until stop is called. stop reports what went wrong.
func (c *campaign) watch(t *testing.T) (stop func()) {
	t.Helper()
	j, err := c.order.openStore(t.Context())
	require.NoError(t, err)
	reader, ok := j.(journal.Reader)
	if !ok { // a journal with a fault
		return func() {}
	}
	l := &lookout{store: reader, seen: map[string][]string{}}
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	var failed error
	group.Go(func() {
		for ctx.Err() == nil && failed == nil {
			if failed = l.look(ctx); ctx.Err() != nil {
				failed = nil
			}
		}
	})
	return func() {
		cancel()
		group.Wait()
		require.NoError(t, failed)
		require.NoError(t, l.look(t.Context()))
		require.Positive(t, l.readings)
		fmt.Printf("readings: %d of %d sessions (%s)\n", l.readings, len(l.seen), c.order.Store)
		if closer, ok := j.(interface{ Close() error }); ok {
			require.NoError(t, closer.Close())
		}
	}
}

// BenchmarkList lists 10,000 sessions of 12 events.
func BenchmarkList(b *testing.B) {
	for _, store := range []string{"memory", "files", "sqlite", "postgres"} {
		b.Run(store, func(b *testing.B) {
			j := costStore(b, store)
			const sessions, events = 10_000, 12
			var group sync.WaitGroup
			for w := range 16 {
				group.Go(func() {
					for i := w; i < sessions; i += 16 {
						if err := fill(b.Context(), j, fmt.Sprintf("session %05d", i), events); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			group.Wait()
			for b.Loop() {
				n := 0
				for s, err := range j.(journal.Reader).List(b.Context(), journal.Filter{}) {
					if err != nil || s.Seq != events || s.Status != journal.Running || s.Agent != "desk" {
						b.Fatal(s, err)
					}
					n++
				}
				require.Equal(b, sessions, n)
			}
		})
	}
}

func fill(ctx context.Context, j journal.Journal, session string, n int) error {
	log, err := j.Open(ctx, session)
	if err != nil {
		return err
	}
	events := []event.Event{{Seq: 1, Body: event.RunStarted{Run: 1, Agent: "desk", ID: "x"}}}
	for i := 1; i < n; i++ {
		result := llm.ToolResult{Name: "f", Parts: llm.Parts{llm.Text{Text: "The invoice of the month is paid, and the customer has the letter."}}}
		events = append(events, event.Event{Seq: int64(i) + 1, Body: event.ToolCallFinished{Call: "r1.t1.c0", Result: result}})
	}
	if err := log.Append(ctx, false, events...); err != nil {
		return err
	}
	return log.Close()
}
