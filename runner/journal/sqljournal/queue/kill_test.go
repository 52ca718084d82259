package queue_test

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/internal/tied"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/pgtest"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/queue"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// childVariable holds the place of the database in a child.
const childVariable = "TOOLLOOP_QUEUE_CHILD"

// runChild is a process with workers. It ends with its parent.
func runChild(place string) int {
	if os.Getenv(poisonVariable) != "" {
		if err := workPoisoned(place); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			return 1
		}
		return 0
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() { // ends with the process
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	err := work(ctx, place)
	if ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		return 1
	}
	return 0
}

func work(ctx context.Context, place string) error {
	j, err := openJournal(ctx, place)
	if err != nil {
		return err
	}
	q, err := queue.Open(ctx, j)
	if err != nil {
		return err
	}
	go func() { // ends with the process
		for ctx.Err() == nil {
			_ = handIn(ctx, q) // the process may be killed here, too
			<-time.After(rand.N(100 * time.Millisecond))
		}
	}()
	quiet := slog.New(slog.DiscardHandler)
	return queue.Workers{Queue: q, Agent: payer(j), Count: 4, Logger: quiet, Runner: runner.Runner{Logger: quiet}}.Run(ctx)
}

// handIn hands the results of late calls in, as the webhook of each process does.
func handIn(ctx context.Context, q *queue.Queue) error {
	for job, err := range q.Jobs(ctx, queue.Late) {
		if err != nil {
			return err
		}
		for _, p := range job.Pending {
			in := runner.By("webhook", runner.Pending{Key: p.Key}.Result(llm.Text{Text: "arrived"}))
			if _, err := q.Put(ctx, nil, queue.Job{Session: job.Session}, in); err != nil {
				return err
			}
		}
	}
	return nil
}

// payer looks, pays with approval, sends a parcel that arrives later, and then answers. Each effect is a row under the
// key of its call.
func payer(j *sqljournal.Journal) *agent.Agent {
	do := func(name string, end error, options ...tool.Option) tool.Tool {
		return tool.Must(tool.New(name, "Does it.", func(ctx context.Context, _ struct{}) (string, error) {
			<-time.After(rand.N(20 * time.Millisecond))
			c := tool.CallFrom(ctx)
			_, err := j.DB.ExecContext(ctx, `INSERT INTO effects (id, session, what) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, c.Key, c.Session, name)
			return "ok", cmp.Or(err, end)
		}, append(options, tool.Idempotent())...))
	}
	return &agent.Agent{Name: "payer", Tools: []tool.Tool{do("look", nil), do("pay", nil, tool.NeedsApproval()), do("send", tool.Later("parcel"))},
		Model: llm.ModelFunc(func(ctx context.Context, req *llm.Request, _ func(llm.Delta)) (*llm.Response, error) {
			select {
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			case <-time.After(rand.N(20 * time.Millisecond)):
			}
			switch n := len(req.Messages); {
			case n == 1:
				return llmtest.Calls("look", struct{}{}).Response()
			case n == 3:
				return llmtest.Calls("pay", struct{}{}).Response()
			case n == 5:
				return llmtest.Calls("send", struct{}{}).Response()
			}
			return llmtest.Text("done").Response()
		})}
}

// startChild starts a process with workers.
func startChild(t *testing.T, place string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	tied.Tie(cmd)
	cmd.Env = append(os.Environ(), childVariable+"="+place)
	_, err := cmd.StdinPipe()
	require.NoError(t, err)
	cmd.Stderr = os.Stderr
	require.NoError(t, cmd.Start())
	return cmd
}

func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait() // the error says that the process was killed
}

// TestKill kills one of three processes again and again, while a person in this process
// approves each payment, and every process hands the result of each parcel in. In the end each
// session has its three effects once, one message, one result from outside and one answer. TOOLLOOP_QUEUE_SESSIONS sets the number of sessions.
func TestKill(t *testing.T) {
	t.Parallel()
	for name, place := range map[string]func(testing.TB) string{
		"SQLite":     func(t testing.TB) string { return filepath.Join(t.TempDir(), "queue.db") },
		"PostgreSQL": func(t testing.TB) string { return pgtest.Database(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sessions := 120
			if n, err := strconv.Atoi(os.Getenv("TOOLLOOP_QUEUE_SESSIONS")); err == nil {
				sessions = n
			}
			killAll(t, place(t), sessions)
		})
	}
}

func killAll(t *testing.T, place string, sessions int) {
	j, err := openJournal(t.Context(), place)
	require.NoError(t, err)
	defer func() { require.NoError(t, j.Close()) }()
	q, err := queue.Open(t.Context(), j)
	require.NoError(t, err)
	execute(t, j.DB, `CREATE TABLE effects (id TEXT PRIMARY KEY, session TEXT NOT NULL, what TEXT NOT NULL)`)
	var children []*exec.Cmd
	for range 3 {
		children = append(children, startChild(t, place))
	}
	for i := range sessions {
		_, err := q.Put(t.Context(), nil, queue.Job{Session: fmt.Sprint("s", i), Tenant: fmt.Sprint(i % 3)}, runner.Once("begin", llm.User("Pay.")))
		require.NoError(t, err)
	}
	kills, began := 0, time.Now()
	for next := time.Now().Add(500 * time.Millisecond); ; <-time.After(20 * time.Millisecond) {
		if time.Now().After(next) {
			i := rand.IntN(len(children))
			kill(t, children[i])
			children[i] = startChild(t, place)
			next = time.Now().Add(200*time.Millisecond + rand.N(600*time.Millisecond))
			kills++
		}
		require.NoError(t, handIn(t.Context(), q))
		if approveAll(t, q) == sessions {
			break
		}
		require.Less(t, time.Since(began), 5*time.Minute, "stuck: %v", fmt.Sprint(q.Stats(t.Context())))
	}
	for _, c := range children {
		kill(t, c)
	}
	// A process may have handed a result in that the session knew, just before its end.
	quiet := slog.New(slog.DiscardHandler)
	require.NoError(t, queue.Workers{Queue: q, Agent: payer(j), Count: 4, Logger: quiet, Runner: runner.Runner{Logger: quiet}, UntilEmpty: true}.Run(t.Context()))
	t.Logf("%d sessions, %d kills, %v", sessions, kills, time.Since(began).Round(time.Millisecond))
	requireOnce(t, j, q, sessions)
}

// approveAll approves what waits, and returns the number of jobs that are done.
func approveAll(t *testing.T, q *queue.Queue) (done int) {
	t.Helper()
	for job, err := range q.Jobs(t.Context(), queue.Paused) {
		require.NoError(t, err)
		var in []runner.Input
		for _, p := range job.Pending {
			in = append(in, p.Approve())
		}
		_, err := q.Put(t.Context(), nil, queue.Job{Session: job.Session}, in...)
		require.NoError(t, err)
	}
	stats, err := q.Stats(t.Context())
	require.NoError(t, err)
	require.Zero(t, stats[queue.Dead].Count)
	return stats[queue.Done].Count
}

func requireOnce(t *testing.T, j *sqljournal.Journal, q *queue.Queue, sessions int) {
	t.Helper()
	for job, err := range q.Jobs(t.Context(), "") {
		require.NoError(t, err)
		require.Equal(t, "done", job.Note)
	}
	for _, what := range []string{"look", "pay", "send"} {
		var rows, distinct int
		require.NoError(t, j.DB.QueryRowContext(t.Context(), `SELECT COUNT(*), COUNT(DISTINCT session) FROM effects WHERE what = $1`, what).Scan(&rows, &distinct))
		require.Equal(t, []int{sessions, sessions}, []int{rows, distinct}, what)
	}
	var waits int
	require.NoError(t, j.DB.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM toolloop_inputs`).Scan(&waits))
	require.Zero(t, waits)
	for _, part := range []string{`"type":"user_messaged"`, `"given":{`, `"type":"run_finished"`} {
		var n int
		require.NoError(t, j.DB.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM toolloop_events WHERE body LIKE '%`+part+`%'`).Scan(&n))
		require.Equal(t, sessions, n, part)
	}
}

// TestTakeover: the session of a killed process goes on within a lease and five seconds.
func TestTakeover(t *testing.T) {
	onEach(t, func(t *testing.T, open func() *sqljournal.Journal) {
		j := open()
		f := newFixture(t, j)
		f.put(t, "s", "look")
		// A dead process: the session is taken, and its lease was renewed just now.
		session, err := queue.Take(t.Context(), f.Queue)
		require.NoError(t, err)
		require.Equal(t, "s", session)
		execute(t, j.DB, `UPDATE toolloop_jobs SET grace = 0`)
		log, err := j.Open(t.Context(), "s")
		require.NoError(t, err)
		defer func() { _ = log.Close() }()
		execute(t, j.DB, `UPDATE toolloop_sessions SET owner = 'dead'`)
		began := time.Now()
		f.run(t)
		took := time.Since(began)
		require.Greater(t, took, j.Lease/2)
		require.Less(t, took, j.Lease+5*time.Second)
		require.Equal(t, []string{"s done: done: ok"}, f.stands(t))
	})
}
