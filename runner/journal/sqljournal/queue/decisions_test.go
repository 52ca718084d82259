package queue_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
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

// TestDecisionRecorded: a process dies after the record of a decision, and before it notes the
// end of the job. The decision comes again, and nothing is dropped. Another answer is.
func TestDecisionRecorded(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(runner.Pending) runner.Input{
		"approve": runner.Pending.Approve,
		"edit":    func(p runner.Pending) runner.Input { return p.Edit(json.RawMessage(`{ }`)) },
		"deny":    func(p runner.Pending) runner.Input { return p.Deny("too much") },
		"always":  func(p runner.Pending) runner.Input { return p.ApproveAlways(event.EveryCall) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j, err := openJournal(t.Context(), t.TempDir()+"/queue.db")
			require.NoError(t, err)
			defer func() { require.NoError(t, j.Close()) }()
			f := newFixture(t, j)
			var dropped []error
			f.workers.Dropped = func(_ queue.Job, _ runner.Input, err error) { dropped = append(dropped, err) }
			f.put(t, "s", "pay")
			f.run(t)
			p := f.get(t, "s").Pending[0]
			in := runner.By("ada", answer(p), "in a hurry")
			_, err = f.Put(t.Context(), nil, queue.Job{Session: "s"}, in)
			require.NoError(t, err)
			ctx, die := context.WithCancel(t.Context())
			for e, err := range (runner.Runner{Journal: j}).Session("s").Stream(ctx, f.agent(), in) {
				if err != nil {
					break
				}
				if _, ok := e.Body.(event.ApprovalDecided); ok {
					die()
				}
			}
			die()
			f.run(t)
			require.Equal(t, queue.Done, f.get(t, "s").State)
			require.Empty(t, dropped)
			_, err = f.Put(t.Context(), nil, queue.Job{Session: "s"}, runner.By("bob", answer(p), "in a hurry"))
			require.NoError(t, err)
			f.run(t)
			require.Len(t, dropped, 1)
			require.ErrorContains(t, dropped[0], "somebody was first: ")
		})
	}
}
