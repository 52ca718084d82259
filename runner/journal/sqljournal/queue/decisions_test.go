package queue_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/queue"
)

// TestTwoDecisions: an answer to an earlier question takes the answer to the present question
// with it.
func TestTwoDecisions(t *testing.T) {
	t.Parallel()
	j, err := openJournal(t.Context(), t.TempDir()+"/queue.db")
	require.NoError(t, err)
	defer func() { require.NoError(t, j.Close()) }()
	f := newFixture(t, j)
	f.put(t, "s", "pay")
	f.run(t)
	good := f.get(t, "s").Pending[0].Approve()
	body, err := good.(interface{ MarshalJSON() ([]byte, error) }).MarshalJSON()
	require.NoError(t, err)
	text := string(body)
	i := strings.Index(text, `"seq":`)
	require.Positive(t, i, text)
	bad, err := runner.ParseInput([]byte(text[:i] + `"seq":1` + text[i+strings.IndexAny(text[i:], ",}"):]))
	require.NoError(t, err)
	added, err := f.Put(t.Context(), nil, queue.Job{Session: "s"}, bad, good)
	require.NoError(t, err)
	require.Equal(t, 2, added)
	f.run(t)
	require.Equal(t, queue.Done, f.get(t, "s").State)
	require.Len(t, f.sorted(), 1)
}
