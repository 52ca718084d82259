package queue_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/queue"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestWork: jobs end, wait for a person, or fail; decisions and messages wake them.
func TestWork(t *testing.T) {
	onEach(t, func(t *testing.T, open func() *sqljournal.Journal) {
		f := newFixture(t, open())
		f.failure = &llm.APIError{Kind: llm.KindInvalidRequest, Message: "no"}
		for _, word := range []string{"look", "pay", "both", "fail"} {
			f.put(t, word, word)
		}
		added, err := f.Put(t.Context(), nil, queue.Job{Session: "look"}, runner.Once("begin", llm.User("look")))
		require.NoError(t, err)
		require.Zero(t, added, "it waits already")
		f.run(t)
		require.Equal(t, []string{"look done: done: ok", "pay paused: r1.t1.c0", "both paused: r1.t1.c0r1.t1.c1", "fail dead: turn 1: invalid_request: no"}, f.stands(t))
		stats, err := f.Stats(t.Context())
		require.NoError(t, err)
		require.Equal(t, []int{0, 1, 2, 1}, []int{stats[queue.Waiting].Count, stats[queue.Done].Count, stats[queue.Paused].Count, stats[queue.Dead].Count})
		require.Less(t, stats[queue.Paused].Oldest, time.Minute)

		// A decision and the caller's own record are one transaction.
		execute(t, f.journal.DB, `CREATE TABLE approvals (session TEXT)`)
		for _, commit := range []bool{false, true} {
			tx, err := f.journal.DB.BeginTx(t.Context(), nil)
			require.NoError(t, err)
			job, err := f.Get(t.Context(), tx, "pay")
			require.NoError(t, err)
			added, err := f.Put(t.Context(), tx, queue.Job{Session: "pay"}, job.Pending[0].Approve())
			require.NoError(t, err)
			require.Equal(t, 1, added)
			_, err = tx.ExecContext(t.Context(), `INSERT INTO approvals (session) VALUES ('pay')`)
			require.NoError(t, err)
			if commit {
				require.NoError(t, tx.Commit())
			} else {
				require.NoError(t, tx.Rollback())
				require.Equal(t, queue.Paused, f.get(t, "pay").State)
			}
		}
		inputs, err := f.Inputs(t.Context(), "pay")
		require.NoError(t, err)
		require.Equal(t, []runner.Input{f.get(t, "pay").Pending[0].Approve()}, inputs)
		added, err = f.Put(t.Context(), nil, queue.Job{Session: "pay"}, f.get(t, "pay").Pending[0].Deny("too late"))
		require.NoError(t, err)
		require.Zero(t, added, "somebody was faster")
		_, err = f.Put(t.Context(), nil, queue.Job{Session: "both"}, f.get(t, "both").Pending[1].Approve())
		require.NoError(t, err)
		_, err = f.Put(t.Context(), nil, queue.Job{Session: "fail"})
		require.NoError(t, err)
		f.say(t, queue.Job{Session: "look"}, "again", "look")
		f.failure = nil
		f.run(t)
		require.Equal(t, []string{"look done: done: ok", "pay done: done: ok", "both paused: r1.t1.c0", "fail done: heard fail"}, f.stands(t))
		require.Equal(t, []string{"look", "look"}, f.said(t, "look"))
		require.Equal(t, []string{"fail"}, f.said(t, "fail"))

		// A message to a paused session waits; the last decision ends the pause.
		f.say(t, queue.Job{Session: "both"}, "more", "hello")
		f.run(t)
		paused := f.get(t, "both")
		require.Equal(t, queue.Paused, paused.State)
		_, err = f.Put(t.Context(), nil, queue.Job{Session: "both"}, paused.Pending[0].Deny("no"))
		require.NoError(t, err)
		f.run(t)
		require.Equal(t, "both done: heard hello", f.stands(t)[2])
		require.Equal(t, []string{"both", "hello"}, f.said(t, "both"))
		require.Len(t, f.sorted(), 4, "two looks, two payments")
		inputs, err = f.Inputs(t.Context(), "both")
		require.NoError(t, err)
		require.Empty(t, inputs)

		// What the session knows already is not taken again.
		f.say(t, queue.Job{Session: "look"}, "begin", "look")
		_, err = f.Put(t.Context(), nil, queue.Job{Session: "both"}, paused.Pending[0].Approve())
		require.NoError(t, err)
		f.say(t, queue.Job{Session: "pay"}, "begin", "something else")
		f.run(t)
		require.Equal(t, []string{"look done: done: ok", "pay done: done: ok", "both done: heard hello"}, f.stands(t)[:3])
		require.Equal(t, []string{"pay"}, f.said(t, "pay"))
		require.Len(t, f.sorted(), 4)

		require.NoError(t, f.Delete(t.Context(), nil, "look"))
		_, err = f.Get(t.Context(), nil, "look")
		require.ErrorIs(t, err, queue.ErrNoJob)
	})
}

// TestWoken: a wake-up at any event of a run is not lost, from this process and from
// another one.
func TestWoken(t *testing.T) {
	onEach(t, func(t *testing.T, open func() *sqljournal.Journal) {
		f, other := newFixture(t, open()), newFixture(t, open())
		f.workers.Runner.NoStream = true
		for at := 0; ; at++ {
			session := fmt.Sprint("s", at)
			n, putter := 0, []*fixture{f, other}[at%2]
			f.onEvent = func(queue.Job, event.Event) {
				if n == at {
					putter.say(t, queue.Job{Session: session}, "more", "look")
				}
				n++
			}
			f.put(t, session, "look")
			f.run(t)
			if n <= at {
				require.Greater(t, at, 6)
				break
			}
			require.Equal(t, []string{"look", "look"}, f.said(t, session), "woken at event %d", at)
			require.Equal(t, queue.Done, f.get(t, session).State)
		}
	})
}

// TestScheduled: a job waits for its time.
func TestScheduled(t *testing.T) {
	onEach(t, func(t *testing.T, open func() *sqljournal.Journal) {
		f := newFixture(t, open())
		due := time.Now().Add(1200 * time.Millisecond)
		f.say(t, queue.Job{Session: "later", Due: due}, "begin", "look")
		require.Equal(t, queue.Scheduled, f.get(t, "later").State)
		require.Equal(t, due.UnixMilli(), f.get(t, "later").Due.UnixMilli())
		f.run(t)
		require.False(t, time.Now().Before(due))
		require.Less(t, time.Since(due), 5*time.Second)
		require.Equal(t, []string{"later done: done: ok"}, f.stands(t))

		f.say(t, queue.Job{Session: "later", Due: time.Now().Add(time.Hour)}, "tomorrow", "look")
		f.say(t, queue.Job{Session: "later"}, "now", "look")
		require.Equal(t, queue.Waiting, f.get(t, "later").State, "the earlier time counts")
	})
}

// TestTake: the order in which jobs are taken.
func TestTake(t *testing.T) {
	onEach(t, func(t *testing.T, open func() *sqljournal.Journal) {
		f := newFixture(t, open())
		for _, job := range []queue.Job{
			{Session: "a1", Tenant: "a"}, {Session: "a2", Tenant: "a"}, {Session: "a3", Tenant: "a"}, {Session: "b1", Tenant: "b"},
			{Session: "b2", Tenant: "b"}, {Session: "urgent", Tenant: "a", Priority: 5}, {Session: "later", Due: time.Now().Add(time.Hour)},
			{Session: "low", Tenant: "c", Priority: -1},
		} {
			f.say(t, job, "begin", "text")
		}
		var order []string
		for {
			session, err := queue.Take(t.Context(), f.Queue)
			require.NoError(t, err)
			if session == "" {
				break
			}
			order = append(order, session)
		}
		require.Equal(t, []string{"urgent", "b1", "a1", "b2", "a2", "a3", "low"}, order)
	})
}

// TestRetry: attempts, their waits by the kind of error, and the end of them.
func TestRetry(t *testing.T) {
	onEach(t, func(t *testing.T, open func() *sqljournal.Journal) {
		f := newFixture(t, open())
		f.failure = errPlanted
		var attempts []int
		f.workers.Retry = func(job queue.Job, err error) time.Duration {
			require.ErrorIs(t, err, errPlanted)
			attempts = append(attempts, job.Attempt)
			if job.Attempt == 3 {
				return -1
			}
			return 10 * time.Millisecond
		}
		f.put(t, "s", "fail")
		f.run(t)
		require.Equal(t, []int{1, 2, 3}, attempts)
		job := f.get(t, "s")
		require.Equal(t, queue.Dead, job.State)
		require.Equal(t, 3, job.Attempt)
		require.Equal(t, "turn 1: planted", job.Note)

		f.failure, attempts = nil, nil
		f.say(t, queue.Job{Session: "s"}, "more", "hello")
		f.run(t)
		require.Equal(t, []string{"s done: heard hello"}, f.stands(t))
		require.Equal(t, []string{"fail", "hello"}, f.said(t, "s"))
		require.Zero(t, f.get(t, "s").Attempt)

		// A wrong agent is an error before the message is recorded: the message stays.
		f.workers.Agent = &agent.Agent{}
		f.workers.Retry = func(queue.Job, error) time.Duration { return -1 }
		f.put(t, "t", "look")
		f.run(t)
		require.Contains(t, f.get(t, "t").Note, "has no Model")
		f.workers.Agent = f.agent()
		_, err := f.Put(t.Context(), nil, queue.Job{Session: "t"})
		require.NoError(t, err)
		f.run(t)
		require.Equal(t, "t done: done: ok", f.stands(t)[1])
	})
}

// TestBackoff is the table of errors.
func TestBackoff(t *testing.T) {
	t.Parallel()
	api := func(k llm.ErrorKind) error { return fmt.Errorf("turn 1: %w", &llm.APIError{Kind: k}) }
	for _, tt := range []struct {
		err     error
		attempt int
		want    time.Duration
	}{
		{api(llm.KindServer), 1, 5 * time.Second},
		{api(llm.KindServer), 3, 20 * time.Second},
		{api(llm.KindNetwork), 9, 10 * time.Minute},
		{&llm.APIError{Kind: llm.KindRateLimit, RetryAfter: time.Minute}, 1, time.Minute},
		{api(llm.KindServer), 10, -1},
		{api(llm.KindAuth), 1, time.Minute},
		{api(llm.KindQuota), 2, 2 * time.Minute},
		{api(llm.KindNotFound), 8, time.Hour},
		{api(llm.KindInvalidRequest), 1, -1},
		{api(llm.KindContextOverflow), 1, -1},
		{api(llm.KindContentFilter), 1, -1},
		{&runner.LimitError{Limit: "turns"}, 1, -1},
		{&runner.LimitError{Limit: "budget"}, 1, time.Minute},
		{&runner.FinishError{Reason: "refusal"}, 1, -1},
		{&runner.FinishError{Reason: "error"}, 1, 5 * time.Second},
		{&runner.OutputError{}, 1, -1},
		{&runner.OnceError{}, 1, -1},
		{errPlanted, 2, 10 * time.Second},
	} {
		require.Equal(t, tt.want, queue.Backoff(queue.Job{Attempt: tt.attempt}, tt.err), "%v, attempt %d", tt.err, tt.attempt)
	}
}

// TestStop: after the end of ctx, the calls that run come to their end, the attempt is
// given back, and the next workers continue. After StopAfter, runs are cancelled.
func TestStop(t *testing.T) {
	onEach(t, func(t *testing.T, open func() *sqljournal.Journal) {
		f := newFixture(t, open())
		for _, late := range []bool{false, true} {
			session := fmt.Sprint("late ", late)
			ctx, stop := context.WithCancelCause(t.Context())
			f.workers.Agent = f.agent()
			f.workers.Agent.Tools[0] = tool.Must(tool.New("look", "Does it.", func(ctx context.Context, _ struct{}) (string, error) {
				stop(errPlanted)
				if late {
					<-ctx.Done()
					return "", ctx.Err()
				}
				return "ok", nil
			}, tool.Idempotent()))
			f.workers.StopAfter = 200 * time.Millisecond
			f.put(t, session, "look")
			require.ErrorIs(t, f.workers.Run(ctx), errPlanted)
			job := f.get(t, session)
			require.Equal(t, queue.Waiting, job.State)
			require.Zero(t, job.Attempt)

			f.workers.Agent = f.agent()
			f.run(t)
			require.Equal(t, session+" done: done: ok", f.stands(t)[len(f.stands(t))-1])
			require.Equal(t, []string{"look"}, f.said(t, session))
		}
		require.Len(t, f.sorted(), 1, "only the late call runs again")
	})
}

// TestBusy: a session that somebody else has open is looked at again.
func TestBusy(t *testing.T) {
	onEach(t, func(t *testing.T, open func() *sqljournal.Journal) {
		f, other := newFixture(t, open()), open()
		other.Lease = time.Minute // a slow machine renews it in time
		log, err := other.Open(t.Context(), "s")
		require.NoError(t, err)
		f.put(t, "s", "look")
		f.workers.Changed = func(job queue.Job, err error) {
			f.changed(job, err)
			if job.State == queue.Scheduled {
				_ = log.Close()
			}
		}
		f.run(t)
		require.Equal(t, []string{"s done: done: ok"}, f.stands(t))
		require.Equal(t, []string{"s scheduled", "s running", "s done"}, f.changes)
	})
}

// TestDied: the rows of a dead process, and of a job that kills its processes.
func TestDied(t *testing.T) {
	onEach(t, func(t *testing.T, open func() *sqljournal.Journal) {
		f := newFixture(t, open())
		for _, session := range []string{"a", "b", "c"} {
			f.put(t, session, "look")
		}
		f.run(t)
		// "a" died before its first event, "b" after its end, "c" at each attempt.
		execute(t, f.journal.DB, `DELETE FROM toolloop_events WHERE session = 'a'`)
		execute(t, f.journal.DB, `DELETE FROM toolloop_sessions WHERE name = 'a'`)
		execute(t, f.journal.DB, `UPDATE toolloop_jobs SET state = 'running', note = '', begun = 0, grace = 0`)
		execute(t, f.journal.DB, `UPDATE toolloop_jobs SET attempt = $1 WHERE session = 'c'`, queue.MaxAttempts)
		execute(t, f.journal.DB, `INSERT INTO toolloop_inputs (session, name, body) SELECT session, 'once begin', '{"once":"begin","messages":[{"role":"user","parts":[{"type":"text","text":"look"}]}]}' FROM toolloop_jobs`)
		f.effects = nil
		f.run(t)
		require.Equal(t, []string{"a done: done: ok", "b done: done: ok", "c dead: the process of the session has died at every attempt"}, f.stands(t))
		require.Len(t, f.effects, 1)
		require.Equal(t, []string{"look"}, f.said(t, "b"))
	})
}

// TestTakenMeanwhile: a worker that was believed dead changes nothing of a job that another
// worker has taken.
func TestTakenMeanwhile(t *testing.T) {
	onEach(t, func(t *testing.T, open func() *sqljournal.Journal) {
		f := newFixture(t, open())
		f.put(t, "s", "look")
		f.onEvent = func(_ queue.Job, e event.Event) {
			if e.Seq == 3 {
				execute(t, f.journal.DB, `UPDATE toolloop_jobs SET claim = claim + 1`)
			}
		}
		f.workers.UntilEmpty = false
		ctx, stop := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer stop()
		require.ErrorIs(t, f.workers.Run(ctx), context.DeadlineExceeded)
		require.Equal(t, queue.Running, f.get(t, "s").State)
		require.Equal(t, []string{"s running", "s running"}, f.changes)
		inputs, err := f.Inputs(t.Context(), "s")
		require.NoError(t, err)
		require.Len(t, inputs, 1)
	})
}

// TestWrong: wrong inputs and fields change nothing.
func TestWrong(t *testing.T) {
	t.Parallel()
	j, err := openJournal(t.Context(), t.TempDir()+"/queue.db")
	require.NoError(t, err)
	defer func() { require.NoError(t, j.Close()) }()
	f := newFixture(t, j)
	for want, put := range map[string]func() error{
		`queue: journal: the session has no name`: func() error { return second(f.Put(t.Context(), nil, queue.Job{})) },
		`queue: session "s": a message needs a key: a worker that dies may say it twice; use runner.Once`: func() error {
			return second(f.Put(t.Context(), nil, queue.Job{Session: "s"}, runner.Say(llm.User("a"))))
		},
		`queue: session "s": an input by Once has no messages`: func() error { return second(f.Put(t.Context(), nil, queue.Job{Session: "s"}, runner.Once("k"))) },
		`queue: Workers.Agent is nil`:                          func() error { return queue.Workers{Queue: f.Queue}.Run(t.Context()) },
		`queue: Workers.Queue is nil`:                          func() error { return queue.Workers{}.Run(t.Context()) },
	} {
		require.EqualError(t, put(), want)
	}
	require.Empty(t, f.stands(t))
	require.NoError(t, j.DB.Close())
	_, err = f.Put(t.Context(), nil, queue.Job{Session: "s"})
	require.ErrorContains(t, err, "queue: ")
	require.False(t, errors.Is(err, sql.ErrNoRows))
	require.False(t, strings.Contains(err.Error(), "queue: queue: "))
}

func second(_ int, err error) error { return err }

// TestWokenBetween: a wake-up between the taking of a job and the reading of its inputs is
// not lost either.
func TestWokenBetween(t *testing.T) {
	onEach(t, func(t *testing.T, open func() *sqljournal.Journal) {
		f := newFixture(t, open())
		f.put(t, "early", "look")
		serve, session, err := queue.TakeAndServe(t.Context(), f.workers)
		require.NoError(t, err)
		require.Equal(t, "early", session)
		f.say(t, queue.Job{Session: "early"}, "more", "hello") // the worker has taken the job, and reads the inputs next
		serve()
		require.Equal(t, queue.Waiting, f.get(t, "early").State)
		f.run(t)
		require.Equal(t, []string{"look", "hello"}, f.said(t, "early"))
	})
}

// TestAgentOf: each session can have an agent of its own.
func TestAgentOf(t *testing.T) {
	onEach(t, func(t *testing.T, open func() *sqljournal.Journal) {
		f := newFixture(t, open())
		f.workers.Agent = nil
		f.workers.AgentOf = func(job queue.Job) *agent.Agent {
			return &agent.Agent{Name: job.Tenant, Model: llm.ModelFunc(func(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) {
				return llmtest.Text("I am " + job.Tenant).Response()
			})}
		}
		f.say(t, queue.Job{Session: "s", Tenant: "ann"}, "begin", "Who are you?")
		f.run(t)
		require.Equal(t, []string{"s done: I am ann"}, f.stands(t))
	})
}
