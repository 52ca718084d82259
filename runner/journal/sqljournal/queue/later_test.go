package queue_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/queue"
)

// TestLaterWake: a wake-up for tomorrow does not delay the next attempt.
func TestLaterWake(t *testing.T) {
	t.Parallel()
	j, err := openJournal(t.Context(), t.TempDir()+"/queue.db")
	require.NoError(t, err)
	defer func() { require.NoError(t, j.Close()) }()
	f := newFixture(t, j)
	f.failure = errors.New("planted")
	f.onEvent = func(job queue.Job, e event.Event) {
		if e.Seq == 2 {
			_, err := f.Put(t.Context(), nil, queue.Job{Session: "s", Due: time.Now().Add(24 * time.Hour)})
			require.NoError(t, err)
		}
	}
	f.put(t, "s", "fail")
	w := f.workers
	w.Retry = queue.Backoff
	serve, _, err := queue.TakeAndServe(t.Context(), w)
	require.NoError(t, err)
	serve()
	job := f.get(t, "s")
	require.Equal(t, queue.Scheduled, job.State)
	require.Less(t, time.Until(job.Due), time.Minute)
}
