package queue_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/internal/tied"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/queue"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// poisonVariable makes a child work with an agent whose tool ends the process in the session
// "poison".
const poisonVariable = "TOOLLOOP_QUEUE_POISON"

func workPoisoned(place string) error {
	j, err := openJournal(context.Background(), place)
	if err != nil {
		return err
	}
	q, err := queue.Open(context.Background(), j)
	if err != nil {
		return err
	}
	look := tool.Must(tool.New("look", "Looks.", func(ctx context.Context, _ struct{}) (string, error) {
		if strings.HasPrefix(tool.CallFrom(ctx).Session, "poison") {
			<-time.After(200 * time.Millisecond)
			os.Exit(3)
		}
		<-time.After(time.Second)
		return "ok", nil
	}, tool.Idempotent()))
	a := &agent.Agent{Name: "clerk", Tools: []tool.Tool{look}, Model: llm.ModelFunc(func(_ context.Context, req *llm.Request, _ func(llm.Delta)) (*llm.Response, error) {
		if req.Messages[len(req.Messages)-1].Role == llm.RoleTool {
			return llmtest.Text("done").Response()
		}
		return llmtest.Calls("look", struct{}{}).Response()
	})}
	quiet := slog.New(slog.DiscardHandler)
	return queue.Workers{Queue: q, Agent: a, Count: 4, UntilEmpty: true, Logger: quiet, Runner: runner.Runner{Logger: quiet}}.Run(context.Background())
}

// TestPoisonedProcess: a job that ends its process at each attempt takes no other job with it.
func TestPoisonedProcess(t *testing.T) {
	onEachPlace(t, func(t *testing.T, place string) {
		j, err := openJournal(t.Context(), place)
		require.NoError(t, err)
		defer func() { require.NoError(t, j.Close()) }()
		f := newFixture(t, j)
		for _, session := range []string{"a", "poison", "b", "c"} {
			f.put(t, session, "look")
		}
		attempts := func(session string) int { return f.get(t, session).Attempt }
		for deaths := 1; ; deaths++ {
			cmd := exec.CommandContext(t.Context(), os.Args[0])
			tied.Tie(cmd)
			cmd.Env = append(os.Environ(), childVariable+"="+place, poisonVariable+"=1")
			var exit *exec.ExitError
			if err := cmd.Run(); err == nil {
				break
			} else {
				require.ErrorAs(t, err, &exit)
				require.Equal(t, 3, exit.ExitCode())
			}
			require.LessOrEqual(t, deaths, 6, "%v", f.stands(t))
			for _, session := range []string{"a", "b", "c"} {
				require.LessOrEqual(t, attempts(session), 2)
			}
			if deaths == 4 { // it need not take all day
				execute(t, j.DB, `UPDATE toolloop_jobs SET attempt = $1 WHERE session = 'poison' AND state = 'running'`, queue.MaxAttempts-1)
			}
		}
		require.Equal(t, []string{"a done: done", "poison dead: the process of the session has died at every attempt", "b done: done", "c done: done"}, f.stands(t))
	})
}

// TestSuspects: the process of each job has died twice. Each job runs alone, all of them end and
// are no longer suspect, and other jobs run between them.
func TestSuspects(t *testing.T) {
	onEach(t, func(t *testing.T, open func() *sqljournal.Journal) {
		f := newFixture(t, open())
		for _, session := range []string{"a", "b"} {
			f.put(t, session, "look")
		}
		execute(t, f.journal.DB, `UPDATE toolloop_jobs SET state = 'running', attempt = 2, grace = 0`)
		for i := range 4 {
			f.put(t, fmt.Sprint("other", i), "look")
		}
		var mu = &f.mu
		var running []string
		f.workers.Changed = func(job queue.Job, err error) {
			f.changed(job, err)
			mu.Lock()
			defer mu.Unlock()
			if running = slices.DeleteFunc(running, func(s string) bool { return s == job.Session }); job.State == queue.Running {
				running = append(running, job.Session)
			}
			if slices.Contains(running, "a") || slices.Contains(running, "b") {
				if len(running) > 1 {
					t.Errorf("together: %v", running)
				}
			}
		}
		session, err := queue.Take(t.Context(), f.Queue) // looks for dead processes, and takes another job
		require.NoError(t, err)
		require.Equal(t, "other0", session)
		require.Equal(t, queue.Suspect, f.get(t, "a").State)
		_, err = f.Put(t.Context(), nil, queue.Job{Session: "a"}) // is no proof that it is healthy
		require.NoError(t, err)
		require.Equal(t, []any{queue.Suspect, 2}, []any{f.get(t, "a").State, f.get(t, "a").Attempt})
		f.run(t)
		for job, err := range f.Jobs(t.Context(), "") {
			require.NoError(t, err)
			require.Equal(t, []any{queue.Done, 0}, []any{job.State, job.Attempt}, job.Session)
		}
		require.Less(t, slices.Index(f.changes, "other1 done"), slices.Index(f.changes, "a running"), "the others go first")
	})
}

// TestDeadTold: the process that finds a job dead says so.
func TestDeadTold(t *testing.T) {
	onEach(t, func(t *testing.T, open func() *sqljournal.Journal) {
		f := newFixture(t, open())
		f.put(t, "s", "look")
		execute(t, f.journal.DB, `UPDATE toolloop_jobs SET state = 'running', attempt = $1, grace = 0`, queue.MaxAttempts)
		var told error
		f.workers.Changed = func(job queue.Job, err error) {
			f.changed(job, err)
			told = errors.Join(told, err)
		}
		f.workers.Retry = func(queue.Job, error) time.Duration { t.Error("asked"); return 0 }
		var text strings.Builder
		f.workers.Logger = slog.New(slog.NewTextHandler(&text, nil))
		f.run(t)
		require.Equal(t, []string{"s dead"}, f.changes)
		require.EqualError(t, told, "the process of the session has died at every attempt")
		require.Contains(t, text.String(), `level=ERROR msg="queue: a job is dead" session=s attempt=10`)
	})
}

// TestTurns: a run that lasts for hours keeps neither the suspect jobs nor the others waiting.
func TestTurns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var turns queue.Turns
		var lengths []time.Duration
		began, last := time.Now(), true
		for len(lengths) < 5 {
			if now := turns.Look(true); now != last {
				lengths, last, began = append(lengths, time.Since(began)), now, time.Now()
			}
			time.Sleep(time.Second) // synctest: exact in a bubble
		}
		require.Equal(t, []time.Duration{30 * time.Second, 30 * time.Second, time.Minute, time.Minute, 2 * time.Minute}, lengths)
		require.False(t, turns.Look(false))
	})
}
