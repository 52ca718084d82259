package inbox_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/examples/orderdesk/internal/inbox"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// A fixture is a queue, and an agent that follows the words of a request: "look",
// "pay", which needs approval, both, or "fail". Then the agent answers "done".
type fixture struct {
	*inbox.Inbox
	journal *sqljournal.Journal
	path    string
	workers inbox.Workers

	mu      sync.Mutex
	effects []string // keys of the executed calls
	broken  bool     // the model fails at the word "fail"
	failure error    // the error of the model
	reports []inbox.Report
	asked   int           // the number of requests to the model
	think   time.Duration // the time of the model for an answer
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{path: filepath.Join(t.TempDir(), "queue.db"), broken: true}
	f.journal = openJournal(t, f.path)
	f.Inbox = openQueue(t, f.journal)
	f.workers = f.over(f.Inbox)
	return f
}

func openJournal(t *testing.T, path string) *sqljournal.Journal {
	t.Helper()
	j, err := sqljournal.OpenSQLite(t.Context(), path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, j.Close()) })
	return j
}

func openQueue(t *testing.T, j *sqljournal.Journal) *inbox.Inbox {
	t.Helper()
	q, err := inbox.Open(t.Context(), j)
	require.NoError(t, err)
	return q
}

// over returns workers for a queue, which may be another queue of the same database.
func (f *fixture) over(q *inbox.Inbox) inbox.Workers {
	return inbox.Workers{Inbox: q, Agent: f.agent(), Runner: runner.Runner{NoStream: true}, Count: 2, Report: f.report}
}

func (f *fixture) report(r inbox.Report) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reports = append(f.reports, r)
}

func (f *fixture) agent() *agent.Agent {
	do := func(name string, options ...tool.Option) tool.Tool {
		return tool.Must(tool.New(name, "Does it.", func(ctx context.Context, _ struct{}) (string, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.effects = append(f.effects, name+" "+strings.Split(tool.CallFrom(ctx).Key, "/")[0])
			return "ok", nil
		}, append(options, tool.Idempotent())...))
	}
	return &agent.Agent{Name: "clerk", Tools: []tool.Tool{do("look"), do("pay", tool.NeedsApproval())}, Model: (*model)(f)}
}

type model fixture

func (m *model) Generate(ctx context.Context, req *llm.Request, _ func(llm.Delta)) (*llm.Response, error) {
	m.mu.Lock()
	m.asked++
	broken := m.broken
	m.mu.Unlock()
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-time.After(m.think):
	}
	text, last := "", req.Messages[len(req.Messages)-1]
	for _, m := range req.Messages {
		if m.Role == llm.RoleUser {
			text = m.Text()
		}
	}
	switch {
	case last.Role == llm.RoleTool:
		return llmtest.Text("done").Response()
	case text == "look", text == "pay":
		return llmtest.Calls(text, struct{}{}).Response()
	case text == "both":
		return llmtest.Calls("pay", struct{}{}).And(llmtest.Calls("pay", struct{}{})).Response()
	case broken:
		return nil, cmp.Or(m.failure, errors.New("out of order"))
	}
	return llmtest.Text("works again").Response()
}

// stands returns the requests in the form "1 done: the note".
func (f *fixture) stands(t *testing.T) (all []string) {
	t.Helper()
	list, err := f.List(t.Context())
	require.NoError(t, err)
	for _, r := range list {
		line := fmt.Sprintf("%d %s: %s", r.ID, r.State, r.Note)
		for _, p := range r.Pending {
			line += string(p.Call)
		}
		all = append(all, line)
	}
	return all
}

// requireSaidOnce: each conversation has its request once.
func (f *fixture) requireSaidOnce(t *testing.T) {
	t.Helper()
	list, err := f.List(t.Context())
	require.NoError(t, err)
	for _, r := range list {
		events, err := f.Events(t.Context(), r)
		require.NoError(t, err)
		var said []string
		for _, e := range events {
			if b, ok := e.Body.(event.UserMessaged); ok {
				said = append(said, b.Message.Text())
			}
		}
		require.Equal(t, []string{r.Text}, said)
	}
}

func (f *fixture) add(t *testing.T, texts ...string) {
	t.Helper()
	_, err := f.Add(t.Context(), texts...)
	require.NoError(t, err)
}

// exec changes the database directly, without the queue.
func (f *fixture) exec(t *testing.T, statement string) {
	t.Helper()
	_, err := f.journal.DB.ExecContext(t.Context(), statement)
	require.NoError(t, err)
}

// TestWork: requests end, wait for a person, or fail. The next worker carries out
// the decisions about them.
func TestWork(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.add(t, "look", "pay", "pay", "both", "fail")
	require.NoError(t, f.workers.Run(t.Context()))
	require.Equal(t, []string{"1 done: done", "2 paused: r1.t1.c0", "3 paused: r1.t1.c0", "4 paused: r1.t1.c0r1.t1.c1", "5 failed: turn 1: out of order"}, f.stands(t))
	totals, err := f.Totals(t.Context())
	require.NoError(t, err)
	require.Equal(t, inbox.Totals{Paused: 3, Done: 1, Failed: 1}, totals)
	require.NoError(t, f.workers.Run(t.Context()), "nothing can go on")
	require.Equal(t, []string{"look request-1"}, f.effects)

	decided, err := f.Decide(t.Context(), 2, inbox.Decision{Approved: true})
	require.NoError(t, err)
	require.Len(t, decided, 1)
	_, err = f.Decide(t.Context(), 3, inbox.Decision{Reason: "too much"})
	require.NoError(t, err)
	_, err = f.Decide(t.Context(), 4, inbox.Decision{Approved: true, Call: "r1.t1.c1"})
	require.NoError(t, err)
	f.broken = false
	totals, err = f.Totals(t.Context())
	require.NoError(t, err)
	require.Equal(t, inbox.Totals{Waiting: 3, Done: 1, Failed: 1}, totals)
	require.NoError(t, f.Retry(t.Context(), 5))
	require.Equal(t, []string{"decided", "decided", "decided", "waiting"}, f.states(t)[1:])
	require.NoError(t, f.workers.Run(t.Context()))
	require.Equal(t, []string{"1 done: done", "2 done: done", "3 done: done", "4 paused: r1.t1.c0", "5 done: works again"}, f.stands(t))

	_, err = f.Decide(t.Context(), 4, inbox.Decision{})
	require.NoError(t, err)
	require.NoError(t, f.workers.Run(t.Context()))
	require.Equal(t, "4 done: done", f.stands(t)[3])
	slices.Sort(f.effects)
	require.Equal(t, []string{"look request-1", "pay request-2", "pay request-4"}, f.effects)
	f.requireSaidOnce(t)
}

func (f *fixture) states(t *testing.T) (all []string) {
	t.Helper()
	for _, line := range f.stands(t) {
		all = append(all, strings.TrimSuffix(strings.Fields(line)[1], ":"))
	}
	return all
}

// TestWrongDecisions: invalid decisions change nothing.
func TestWrongDecisions(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.add(t, "pay", "look", "fail")
	require.NoError(t, f.workers.Run(t.Context()))
	before := f.stands(t)
	_, err := f.Decide(t.Context(), 1, inbox.Decision{Call: "r9.t1.c0"})
	require.EqualError(t, err, "request 1 does not ask about call r9.t1.c0")
	_, err = f.Decide(t.Context(), 2, inbox.Decision{})
	require.EqualError(t, err, "request 2 is done: there is nothing to decide")
	_, err = f.Decide(t.Context(), 3, inbox.Decision{})
	require.EqualError(t, err, "request 3 has failed: there is nothing to decide")
	_, err = f.Decide(t.Context(), 4, inbox.Decision{})
	require.EqualError(t, err, "there is no request 4")
	require.EqualError(t, f.Retry(t.Context(), 1), "request 1 is paused: there is nothing to try again")
	require.EqualError(t, f.Retry(t.Context(), 3, 4), "there is no request 4")
	_, err = f.Add(t.Context(), "look", " \n")
	require.EqualError(t, err, "inbox: the text of the request is empty")
	require.Equal(t, before, f.stands(t))
	_, err = f.Decide(t.Context(), 1, inbox.Decision{Approved: true})
	require.NoError(t, err)
	_, err = f.Decide(t.Context(), 1, inbox.Decision{})
	require.EqualError(t, err, "request 1 was approved already; a worker goes on with it")
}

// TestSeed: only the first call adds the requests.
func TestSeed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	did, err := f.Seed(t.Context(), "look", "pay")
	require.NoError(t, err)
	require.True(t, did)
	did, err = openQueue(t, f.journal).Seed(t.Context(), "look", "pay")
	require.NoError(t, err)
	require.False(t, did)
	require.Equal(t, []string{"1 waiting: ", "2 waiting: "}, f.stands(t))
}

// TestDied: a process may die between any two of its records.
func TestDied(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.add(t, "look", "pay", "look")
	f.exec(t, `UPDATE toolloop_jobs SET state = 'running' WHERE id = 1`) // before the lease
	f.workers.Count = 1
	require.NoError(t, f.workers.Run(t.Context()))
	stands, asked := f.stands(t), f.asked
	require.Equal(t, []string{"1 done: done", "2 paused: r1.t1.c0", "3 done: done"}, stands)

	f.exec(t, `UPDATE toolloop_jobs SET state = 'running', note = '', pending = '[]', grace = 0`) // before the update of the row
	require.NoError(t, f.workers.Run(t.Context()))
	require.Equal(t, stands, f.stands(t))
	require.Equal(t, asked, f.asked)

	_, err := f.Decide(t.Context(), 2, inbox.Decision{Approved: true})
	require.NoError(t, err)
	f.exec(t, `UPDATE toolloop_jobs SET state = 'running', grace = 0 WHERE id = 2`) // with the decision in the row, and before its event
	require.NoError(t, f.workers.Run(t.Context()))
	require.Equal(t, "2 done: done", f.stands(t)[1])
	require.Equal(t, []string{"look request-1", "look request-3", "pay request-2"}, f.effects)
	f.requireSaidOnce(t)
}

// TestInDoubt: the process died during a call that must not run twice. A person
// decides.
func TestInDoubt(t *testing.T) {
	t.Parallel()
	for _, again := range []bool{true, false} {
		t.Run(fmt.Sprint("again ", again), func(t *testing.T) {
			t.Parallel()
			died := filepath.Join(t.TempDir(), "died.db")
			f := newFixture(t)
			f.workers.Agent.Tools = []tool.Tool{tool.Must(tool.New("look", "Looks.", func(context.Context, struct{}) (string, error) {
				f.exec(t, `VACUUM INTO '`+died+`'`) // the data after the death of the process
				return "ok", nil
			}))}
			f.add(t, "look")
			require.NoError(t, f.workers.Run(t.Context()))

			f.journal = openJournal(t, died)
			f.exec(t, `UPDATE toolloop_sessions SET expires = 0`) // ends the lease at once
			f.Inbox = openQueue(t, f.journal)
			w := f.over(f.Inbox)
			require.Equal(t, []string{"1 running: "}, f.stands(t))
			w.Agent.Tools = []tool.Tool{tool.Must(tool.New("look", "Looks.", func(context.Context, struct{}) (string, error) {
				f.effects = append(f.effects, "again")
				return "ok", nil
			}))}
			require.NoError(t, w.Run(t.Context()))
			require.Equal(t, []string{"1 paused: r1.t1.c0"}, f.stands(t))
			decided, err := f.Decide(t.Context(), 1, inbox.Decision{Approved: again})
			require.NoError(t, err)
			require.True(t, decided[0].InDoubt)
			require.NoError(t, w.Run(t.Context()))
			require.Equal(t, []string{"1 done: done"}, f.stands(t))
			require.Equal(t, again, len(f.effects) == 1)
		})
	}
}

// TestStopped: workers can stop at any moment. The calls of the last answer have run
// then, and the next start continues after them.
func TestStopped(t *testing.T) {
	t.Parallel()
	for _, moment := range []string{"run_started", "turn_prepared", "model_answered", "tool_call_started", "tool_call_finished"} {
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.add(t, "look", "look", "look")
			ctx, cancel := context.WithCancel(t.Context())
			f.workers.Report = func(r inbox.Report) {
				if r.Event.Type() == moment && r.Request.ID == 2 {
					cancel()
				}
			}
			f.workers.Count = 1
			require.ErrorIs(t, f.workers.Run(ctx), context.Canceled)
			require.Equal(t, []string{"1 done: done", "2 waiting: ", "3 waiting: "}, f.stands(t))
			f.workers.Report = nil
			require.NoError(t, f.workers.Run(t.Context()))
			require.Equal(t, []string{"1 done: done", "2 done: done", "3 done: done"}, f.stands(t))
			require.Equal(t, []string{"look request-1", "look request-2", "look request-3"}, f.effects)
			f.requireSaidOnce(t)
			f.requireNoFailure(t, 2)
		})
	}
}

// requireNoFailure: no call of a request was interrupted.
func (f *fixture) requireNoFailure(t *testing.T, id int64) {
	t.Helper()
	r, err := f.Get(t.Context(), id)
	require.NoError(t, err)
	events, err := f.Events(t.Context(), r)
	require.NoError(t, err)
	for _, e := range events {
		if b, ok := e.Body.(event.ToolCallFinished); ok {
			require.Empty(t, b.Failure, b.Result.Text())
		}
	}
}

// TestWrongLease: an invalid journal fails no request.
func TestWrongLease(t *testing.T) {
	t.Parallel()
	j := openJournal(t, filepath.Join(t.TempDir(), "queue.db"))
	j.Lease = -5 * time.Second
	_, err := inbox.Open(t.Context(), j)
	require.EqualError(t, err, "queue: sqljournal: Lease is -5s, the shortest is 50ms")
}

// TestWatch: idle workers find new requests and decisions.
func TestWatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.workers.Watch = true
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- f.workers.Run(ctx) }()
		time.Sleep(10 * time.Second) // synctest: exact in a bubble
		f.add(t, "pay")
		time.Sleep(time.Second) // synctest: exact in a bubble
		require.Equal(t, []string{"1 paused: r1.t1.c0"}, f.stands(t))
		_, err := f.Decide(t.Context(), 1, inbox.Decision{Approved: true})
		require.NoError(t, err)
		time.Sleep(time.Second) // synctest: exact in a bubble
		require.Equal(t, []string{"1 done: done"}, f.stands(t))
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
		require.NoError(t, f.journal.Close())
	})
}

// TestTwo: the workers of two processes share a queue and do nothing twice.
func TestTwo(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	other := f.over(openQueue(t, openJournal(t, f.path)))
	const n = 20
	f.add(t, slices.Repeat([]string{"look"}, n)...)
	var group sync.WaitGroup
	for _, w := range []inbox.Workers{f.workers, other} {
		group.Go(func() { require.NoError(t, w.Run(t.Context())) })
	}
	group.Wait()
	var want, stands []string
	for id := range n {
		want = append(want, fmt.Sprint("look request-", id+1))
		stands = append(stands, fmt.Sprintf("%d done: done", id+1))
	}
	require.Equal(t, stands, f.stands(t))
	require.ElementsMatch(t, want, f.effects)
	require.Equal(t, 2*n, f.asked)
	f.requireSaidOnce(t)
}

// TestReports: the reports about a request for a display.
func TestReports(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.add(t, "pay")
	f.workers.Count = 1
	require.NoError(t, f.workers.Run(t.Context()))
	var told []string
	for _, r := range f.reports {
		if r.Request.ID == 0 {
			continue // a slow machine: a worker without a request reports every quarter of a second
		}
		what := r.Event.Type()
		if what == "" {
			what = fmt.Sprint(r.Request.State, r.Totals)
		}
		told = append(told, what)
	}
	require.Equal(t, []string{
		"running{0 1 0 0 0 0}", "run_started", "user_messaged", "turn_prepared", "model_answered", "approval_asked", "run_paused",
		"paused{0 0 1 0 0 0}",
	}, told)
}

// TestUnwritable: a database that stays read-only ends the work. The workers do not mistake
// it for a request of another process.
func TestUnwritable(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.add(t, "look")
		f.exec(t, `CREATE TRIGGER full BEFORE UPDATE ON toolloop_jobs BEGIN SELECT RAISE(ABORT, 'the disk is full'); END`)
		began := time.Now()
		require.ErrorContains(t, f.workers.Run(t.Context()), "the disk is full")
		require.Less(t, time.Since(began), 2*time.Minute)
		for _, r := range f.reports {
			require.False(t, r.Elsewhere)
		}
		require.NoError(t, f.journal.Close())
	})
}

// TestDecidedOneByOne: the calls of a request are decided one after the other, also
// without workers.
func TestDecidedOneByOne(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.add(t, "both")
	require.NoError(t, f.workers.Run(t.Context()))
	_, err := f.Decide(t.Context(), 1, inbox.Decision{Call: "r1.t1.c0", Approved: true})
	require.NoError(t, err)
	_, err = f.Decide(t.Context(), 1, inbox.Decision{Call: "r1.t1.c0"})
	require.EqualError(t, err, "call r1.t1.c0 of request 1 was approved already; a worker goes on with it")
	decided, err := f.Decide(t.Context(), 1, inbox.Decision{Reason: "too much"})
	require.NoError(t, err)
	require.Len(t, decided, 1)
	require.Equal(t, event.CallRef("r1.t1.c1"), decided[0].Call)
	_, err = f.Decide(t.Context(), 1, inbox.Decision{})
	require.EqualError(t, err, "request 1 was decided already; a worker goes on with it")
	r, err := f.Get(t.Context(), 1)
	require.NoError(t, err)
	all, err := f.Decisions(t.Context(), r)
	require.NoError(t, err)
	require.ElementsMatch(t, []inbox.Decision{{Call: "r1.t1.c0", Approved: true}, {Call: "r1.t1.c1", Reason: "too much"}}, all)
	require.NoError(t, f.workers.Run(t.Context()))
	require.Equal(t, []string{"1 done: done"}, f.stands(t))
	require.Equal(t, []string{"pay request-1"}, f.effects)
}

// TestAtOnce: workers that look for work at the same time take different requests,
// and no worker waits for the next look.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		f.add(t, slices.Repeat([]string{"look"}, 8)...)
		f.workers.Count, f.think = 8, time.Minute
		began := time.Now()
		var late atomic.Int32
		f.workers.Report = func(r inbox.Report) {
			if r.Event.Type() == "run_started" && time.Since(began) > 0 {
				late.Add(1)
			}
		}
		require.NoError(t, f.workers.Run(t.Context()))
		require.Zero(t, late.Load())
		require.NoError(t, f.journal.Close())
	})
}
