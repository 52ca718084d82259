package queue_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/queue"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// sends gives the agent of the fixture a tool "look" whose result comes later.
func (f *fixture) sends(options ...tool.Option) {
	f.workers.Agent.Tools[0] = tool.Must(tool.New("look", "Sends.", func(ctx context.Context, _ struct{}) (string, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.effects = append(f.effects, "sent")
		return "", tool.Later("parcel")
	}, options...))
}

// TestLateResult: a webhook hands the result in within its own transaction, twice, and
// another result, which is reported.
func TestLateResult(t *testing.T) {
	onEach(t, func(t *testing.T, open func() *sqljournal.Journal) {
		f := newFixture(t, open())
		f.sends()
		var mu sync.Mutex
		var dropped []string
		f.workers.Dropped = func(job queue.Job, in runner.Input, err error) {
			mu.Lock()
			defer mu.Unlock()
			dropped = append(dropped, err.Error())
		}
		f.put(t, "s", "look")
		f.run(t)
		stats, err := f.Stats(t.Context())
		require.NoError(t, err)
		require.Equal(t, []int{1, 0}, []int{stats[queue.Late].Count, stats[queue.Paused].Count})
		require.Less(t, stats[queue.Late].Oldest, time.Minute)
		job := f.get(t, "s")
		require.Equal(t, queue.Late, job.State)
		require.True(t, job.Due.IsZero())
		require.Len(t, job.Pending, 1)
		require.Equal(t, "parcel", job.Pending[0].Handle)
		key := job.Pending[0].Key

		execute(t, f.journal.DB, `CREATE TABLE hooks (body TEXT)`)
		for _, commit := range []bool{false, true, true} {
			tx, err := f.journal.DB.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			_, err = tx.ExecContext(t.Context(), `INSERT INTO hooks VALUES ('arrived')`)
			require.NoError(t, err)
			added, err := f.Put(t.Context(), tx, queue.Job{Session: "s"}, runner.Pending{Key: key}.Result(llm.Text{Text: "arrived"}))
			require.NoError(t, err)
			require.Equal(t, 1, added)
			added, err = f.Put(t.Context(), tx, queue.Job{Session: "s"}, runner.Pending{Key: key}.Result(llm.Text{Text: "arrived"}))
			require.NoError(t, err)
			require.Zero(t, added, "it waits already")
			if !commit {
				require.NoError(t, tx.Rollback())
				f.run(t)
				require.Equal(t, queue.Late, f.get(t, "s").State)
				continue
			}
			require.NoError(t, tx.Commit())
			f.run(t)
			require.Equal(t, []string{"s done: done: arrived"}, f.stands(t))
		}
		require.Empty(t, dropped)
		_, err = f.Put(t.Context(), nil, queue.Job{Session: "s"}, job.Pending[0].Fail("lost"))
		require.NoError(t, err)
		f.run(t)
		require.Equal(t, []string{"s done: done: arrived"}, f.stands(t))
		require.Len(t, dropped, 1)
		require.Contains(t, dropped[0], "runner: decision about call r1.t1.c0: the call has another result, which came before; somebody was first: result handed in at ")
		require.Equal(t, []string{"sent"}, f.sorted())
	})
}

// TestLateDeadline: a job that waits too long wakes at its time, and not before, also after a
// wake-up for later.
func TestLateDeadline(t *testing.T) {
	onEach(t, func(t *testing.T, open func() *sqljournal.Journal) {
		f := newFixture(t, open())
		const within = 2 * time.Second
		f.sends(tool.LateWithin(within, "no parcel"))
		began := time.Now()
		f.put(t, "s", "look")
		f.run(t)
		job := f.get(t, "s")
		require.Equal(t, queue.Late, job.State)
		require.WithinDuration(t, job.Pending[0].Until, job.Due, time.Second)
		_, err := f.Put(t.Context(), nil, queue.Job{Session: "s", Due: time.Now().Add(24 * time.Hour)})
		require.NoError(t, err)
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		f.workers.UntilEmpty = false
		f.workers.Changed = func(job queue.Job, err error) {
			if job.State == queue.Done {
				stop()
			}
		}
		require.ErrorIs(t, f.workers.Run(ctx), context.Canceled)
		require.GreaterOrEqual(t, time.Since(began), within)
		require.Equal(t, []string{"s done: done: no parcel"}, f.stands(t))
	})
}

// TestLateAfterDelete: the result for a session that is gone is reported, the job ends, and the
// session is not made again.
func TestLateAfterDelete(t *testing.T) {
	onEach(t, func(t *testing.T, open func() *sqljournal.Journal) {
		f := newFixture(t, open())
		f.sends()
		var dropped []error
		f.workers.Dropped = func(_ queue.Job, _ runner.Input, err error) { dropped = append(dropped, err) }
		f.put(t, "s", "look")
		f.run(t)
		key := f.get(t, "s").Pending[0].Key
		state, err := runner.Runner{Journal: f.journal}.Session("s").State(t.Context())
		require.NoError(t, err)
		require.NoError(t, f.journal.Delete(t.Context(), "s", state.Seq))
		require.NoError(t, f.Delete(t.Context(), nil, "s"))
		_, err = f.Put(t.Context(), nil, queue.Job{Session: "s"}, runner.Pending{Key: key}.Result(llm.Text{Text: "arrived"}))
		require.NoError(t, err)
		f.run(t)
		require.Len(t, dropped, 1)
		require.ErrorContains(t, dropped[0], "no such call is open")
		require.Equal(t, queue.Done, f.get(t, "s").State)
		for e, err := range f.journal.Read(t.Context(), "s", 0) {
			require.NoError(t, err)
			require.Fail(t, "an event", "%v", e)
		}
	})
}
