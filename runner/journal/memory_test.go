package journal_test

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

func started(seq int64) event.Event {
	return event.Event{Seq: seq, Time: time.Unix(seq, 0).UTC(), Body: event.RunStarted{Run: int(seq), Agent: "a < b"}}
}

func open(t *testing.T, j journal.Journal, session string) journal.Log {
	t.Helper()
	log, err := j.Open(t.Context(), session)
	require.NoError(t, err)
	return log
}

func read(t *testing.T, log journal.Log) []event.Event {
	t.Helper()
	var events []event.Event
	for e, err := range log.Events(t.Context()) {
		require.NoError(t, err)
		events = append(events, e)
	}
	return events
}

func TestMemoryAppends(t *testing.T) {
	t.Parallel()
	log := open(t, new(journal.Memory), "s")
	require.Empty(t, read(t, log))
	require.NoError(t, log.Append(t.Context(), true, started(1), started(2)))

	err := log.Append(t.Context(), true, started(2))
	conflict, ok := errors.AsType[*journal.ConflictError](err)
	require.True(t, ok)
	require.Equal(t, &journal.ConflictError{Session: "s", Want: 3, Got: 2}, conflict)
	require.Error(t, log.Append(t.Context(), true, started(3), started(5)), "a gap: nothing is added")
	require.Equal(t, []event.Event{started(1), started(2)}, read(t, log))
}

func TestMemoryLocks(t *testing.T) {
	t.Parallel()
	j := new(journal.Memory)
	log := open(t, j, "s")
	_, err := j.Open(t.Context(), "s")
	busy, ok := errors.AsType[*journal.BusyError](err)
	require.True(t, ok)
	require.Equal(t, "s", busy.Session)
	open(t, j, "other")

	require.NoError(t, log.Context().Err())
	require.NoError(t, log.Close())
	require.NoError(t, log.Close())
	require.Error(t, log.Context().Err())
	require.Error(t, log.Append(t.Context(), true, started(1)), "a closed log")

	again := open(t, j, "s")
	require.NoError(t, log.Close(), "the first opening closes nothing of the second")
	_, err = j.Open(t.Context(), "s")
	require.Error(t, err)
	require.NoError(t, again.Append(t.Context(), true, started(1)))
}

func TestMemoryJSON(t *testing.T) {
	t.Parallel()
	j := new(journal.Memory)
	log := open(t, j, "s")
	require.NoError(t, log.Append(t.Context(), true, started(1), started(2)))
	require.NoError(t, log.Close())
	data, err := json.Marshal(j)
	require.NoError(t, err)

	back := new(journal.Memory)
	require.NoError(t, json.Unmarshal(data, back))
	require.Equal(t, []event.Event{started(1), started(2)}, read(t, open(t, back, "s")))
	require.Error(t, json.Unmarshal(data, back), "a session is open")
	replaced := new(journal.Memory)
	require.NoError(t, json.Unmarshal(data, replaced))
	require.NoError(t, json.Unmarshal([]byte(`{}`), replaced))
	require.Empty(t, read(t, open(t, replaced, "s")))
	require.EqualError(t, json.Unmarshal([]byte(`{"s":[{"seq":2,"time":"2026-11-21T09:30:00Z","type":"notice","text":""}]}`), new(journal.Memory)),
		`journal: session "s": event 1 has seq 2`)

	empty, err := json.Marshal(new(journal.Memory))
	require.NoError(t, err)
	require.JSONEq(t, `{}`, string(empty))
}

// TestMemoryConcurrent: sessions do not disturb each other, and a reader sees
// what was there when it began.
func TestMemoryConcurrent(t *testing.T) {
	t.Parallel()
	j := new(journal.Memory)
	var group sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d"} {
		group.Go(func() {
			log, err := j.Open(context.Background(), name)
			if err != nil {
				t.Error(err)
				return
			}
			for seq := range int64(200) {
				if err := log.Append(context.Background(), false, started(seq+1)); err != nil {
					t.Error(err)
				}
				n := int64(0)
				for range log.Events(context.Background()) {
					n++
				}
				if n != seq+1 {
					t.Errorf("%d events, want %d", n, seq+1)
				}
			}
		})
	}
	group.Wait()
}
