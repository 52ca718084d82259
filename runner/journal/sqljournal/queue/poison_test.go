package queue_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/queue"
)

// TestPoison: a message that no session can take must not block the session.
func TestPoison(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]runner.Input{
		"a long key": runner.Once(strings.Repeat("k", 600), llm.User("look")), "an empty message": runner.Once("k", llm.User("")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j, err := openJournal(t.Context(), t.TempDir()+"/queue.db")
			require.NoError(t, err)
			defer func() { require.NoError(t, j.Close()) }()
			f := newFixture(t, j)
			f.put(t, "s", "look")
			f.run(t)
			_, err = f.Put(t.Context(), nil, queue.Job{Session: "s"}, in)
			require.Error(t, err)
			f.workers.Retry = func(queue.Job, error) time.Duration { return -1 }
			f.say(t, queue.Job{Session: "s"}, "more", "hello")
			f.run(t)
			require.Equal(t, []string{"s done: heard hello"}, f.stands(t))
		})
	}
}

// TestUnreadableInput: a row that this version cannot read makes its job dead in the end, with the
// name of the row, and stops no other job. Nothing of the session is lost: without the row, the
// job goes on.
func TestUnreadableInput(t *testing.T) {
	onEach(t, func(t *testing.T, open func() *sqljournal.Journal) {
		j := open()
		f := newFixture(t, j)
		f.put(t, "bad", "look")
		for i, body := range []string{`{"from":"the future"}`, `{`} {
			_, err := j.DB.ExecContext(t.Context(), fmt.Sprintf(`INSERT INTO toolloop_inputs (session, name, body) VALUES ('bad', 'row %d', '%s')`, i, body))
			require.NoError(t, err)
		}
		f.say(t, queue.Job{Session: "bad"}, "more", "hello")
		f.put(t, "good", "hello")
		var failed []error
		f.workers.Retry = func(job queue.Job, err error) time.Duration {
			failed = append(failed, err)
			if job.Attempt == 3 {
				job.Attempt = queue.MaxAttempts
			}
			return min(queue.Backoff(job, err), 0)
		}
		f.run(t)
		require.Len(t, failed, 3)
		var unreadable *queue.InputError
		require.ErrorAs(t, failed[2], &unreadable)
		require.Equal(t, "bad", unreadable.Session)
		job, err := f.Get(t.Context(), nil, "bad")
		require.NoError(t, err)
		require.Equal(t, queue.Dead, job.State)
		require.Contains(t, job.Note, fmt.Sprintf("input %d cannot be read", unreadable.ID))
		stats, err := f.Stats(t.Context())
		require.NoError(t, err)
		require.Equal(t, []int{1, 1}, []int{stats[queue.Dead].Count, stats[queue.Done].Count})
		require.Greater(t, queue.Backoff(queue.Job{Attempt: 1}, unreadable), 30*time.Second)
		left, err := f.Inputs(t.Context(), "bad")
		require.ErrorAs(t, err, &unreadable)
		require.Len(t, left, 2)

		_, err = j.DB.ExecContext(t.Context(), `DELETE FROM toolloop_inputs WHERE name LIKE 'row %'`)
		require.NoError(t, err)
		_, err = f.Put(t.Context(), nil, queue.Job{Session: "bad"})
		require.NoError(t, err)
		f.run(t)
		require.Equal(t, []string{"bad done: heard hello", "good done: heard hello"}, f.stands(t))
	})
}

// TestUnreadablePending: the pending calls in the row of a job are for people. A text that is
// none stops nobody.
func TestUnreadablePending(t *testing.T) {
	onEach(t, func(t *testing.T, open func() *sqljournal.Journal) {
		j := open()
		f := newFixture(t, j)
		f.put(t, "s", "pay")
		f.run(t)
		_, err := j.DB.ExecContext(t.Context(), `UPDATE toolloop_jobs SET pending = 'oh'`)
		require.NoError(t, err)
		_, err = f.Put(t.Context(), nil, queue.Job{Session: "s"})
		require.NoError(t, err)
		f.run(t)
		job, err := f.Get(t.Context(), nil, "s")
		require.NoError(t, err)
		require.Len(t, job.Pending, 1)
	})
}
