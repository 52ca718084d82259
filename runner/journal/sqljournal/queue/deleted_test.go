package queue_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/queue"
)

// TestDeletedWhileRunning: the worker of a job that was deleted changes nothing of a job that
// came later.
func TestDeletedWhileRunning(t *testing.T) {
	t.Parallel()
	j, err := openJournal(t.Context(), t.TempDir()+"/queue.db")
	require.NoError(t, err)
	defer func() { require.NoError(t, j.Close()) }()
	f := newFixture(t, j)
	f.put(t, "old", "look")
	serve, _, err := queue.TakeAndServe(t.Context(), f.workers)
	require.NoError(t, err)
	f.onEvent = func(job queue.Job, e event.Event) {
		if job.Session == "old" && e.Seq == 3 {
			require.NoError(t, f.Delete(t.Context(), nil, "old"))
			f.put(t, "new", "look")
			_, err := queue.Take(t.Context(), f.Queue) // by a process that dies before the session begins
			require.NoError(t, err)
		}
	}
	serve()
	require.Equal(t, queue.Running, f.get(t, "new").State)
	inputs, err := f.Inputs(t.Context(), "new")
	require.NoError(t, err)
	require.Len(t, inputs, 1, "the message of the new session is lost")
}
