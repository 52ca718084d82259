package queue_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/queue"
)

// TestOnceOther: a job for a session that the journal knows already.
func TestOnceOther(t *testing.T) {
	t.Parallel()
	j, err := openJournal(t.Context(), t.TempDir()+"/queue.db")
	require.NoError(t, err)
	defer func() { require.NoError(t, j.Close()) }()
	f := newFixture(t, j)
	f.put(t, "s", "look")
	f.run(t)
	require.NoError(t, f.Delete(t.Context(), nil, "s"))
	f.put(t, "s", "other")
	f.run(t)
	require.Equal(t, queue.Done, f.get(t, "s").State, f.stands(t))
}
