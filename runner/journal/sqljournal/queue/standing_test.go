package queue_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/queue"
)

// TestStanding: answers that stand, and their revocations, wait in the table like all inputs.
// Of two people the first counts, and the other reads who was first.
func TestStanding(t *testing.T) {
	t.Parallel()
	j, err := openJournal(t.Context(), t.TempDir()+"/queue.db")
	require.NoError(t, err)
	defer func() { require.NoError(t, j.Close()) }()
	f := newFixture(t, j)
	var dropped []error
	f.workers.Dropped = func(_ queue.Job, _ runner.Input, err error) { dropped = append(dropped, err) }
	put := func(want int, in runner.Input) {
		t.Helper()
		added, err := f.Put(t.Context(), nil, queue.Job{Session: "s"}, in)
		require.NoError(t, err)
		require.Equal(t, want, added)
		f.run(t)
	}
	f.put(t, "s", "pay")
	f.run(t)
	p := f.get(t, "s").Pending[0]
	require.Equal(t, "s", p.Session)
	added, err := f.Put(t.Context(), nil, queue.Job{Session: "s"}, runner.By("ada", p.ApproveAlways(event.EveryCall), "a contract"))
	require.NoError(t, err)
	require.Equal(t, 1, added)
	put(0, runner.By("bob", p.Deny("no"))) // another answer waits
	require.Equal(t, queue.Done, f.get(t, "s").State)
	put(1, runner.By("bob", p.DenyAlways(event.EveryCall, "no"))) // the answer has been recorded
	require.Len(t, dropped, 1)
	late, ok := errors.AsType[*runner.DecisionError](dropped[0])
	require.True(t, ok)
	require.Equal(t, []any{"ada", event.EveryCall}, []any{late.Decided.Person, late.Decided.Always})

	f.say(t, queue.Job{Session: "s"}, "again", "pay")
	f.run(t)
	require.Equal(t, queue.Done, f.get(t, "s").State)
	require.Equal(t, []string{"pay s", "pay s"}, f.sorted())
	state, err := runner.StateOf("s", j.Read(t.Context(), "s", 0))
	require.NoError(t, err)
	require.Equal(t, state.Standing[0].Seq, state.Decisions[1].Standing)

	revoke := state.Standing[0].Revoke()
	added, err = f.Put(t.Context(), nil, queue.Job{Session: "s"}, runner.By("cleo", revoke), runner.By("dan", revoke)) // one question, one answer
	require.NoError(t, err)
	require.Equal(t, 1, added)
	f.run(t)
	put(1, runner.By("dan", revoke))
	require.Len(t, dropped, 2)
	put(1, runner.By("cleo", revoke)) // the session has it
	require.Len(t, dropped, 2)
	require.ErrorContains(t, dropped[1], "the answer does not stand")
	require.Equal(t, queue.Done, f.get(t, "s").State)
	f.say(t, queue.Job{Session: "s"}, "and again", "pay")
	f.run(t)
	require.Equal(t, queue.Paused, f.get(t, "s").State)
	require.Len(t, f.get(t, "s").Pending, 1)
	require.Len(t, f.sorted(), 2)
}

// TestRevokeAndSay: a revocation and a message that come together: the next call is asked about.
func TestRevokeAndSay(t *testing.T) {
	t.Parallel()
	j, err := openJournal(t.Context(), t.TempDir()+"/queue.db")
	require.NoError(t, err)
	defer func() { require.NoError(t, j.Close()) }()
	f := newFixture(t, j)
	f.put(t, "s", "pay")
	f.run(t)
	p := f.get(t, "s").Pending[0]
	_, err = f.Put(t.Context(), nil, queue.Job{Session: "s"}, p.DenyAlways(event.SameArguments, "no"))
	require.NoError(t, err)
	f.run(t)
	state, err := runner.StateOf("s", j.Read(t.Context(), "s", 0))
	require.NoError(t, err)
	f.say(t, queue.Job{Session: "s"}, "again", "pay")
	f.run(t)
	require.Equal(t, queue.Done, f.get(t, "s").State, "denied")
	require.Empty(t, f.sorted())
	_, err = f.Put(t.Context(), nil, queue.Job{Session: "s"}, state.Standing[0].Revoke(), runner.Once("more", llm.User("pay")))
	require.NoError(t, err)
	f.run(t)
	job := f.get(t, "s")
	require.Equal(t, queue.Paused, job.State)
	state, err = runner.StateOf("s", j.Read(t.Context(), "s", 0))
	require.NoError(t, err)
	require.Empty(t, state.Standing)
	require.Len(t, job.Pending, 1)
}
