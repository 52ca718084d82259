package queue_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/pgtest"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/queue"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestMain makes this program the child of its own tests.
func TestMain(m *testing.M) {
	if place := os.Getenv(childVariable); place != "" {
		os.Exit(runChild(place))
	}
	os.Exit(m.Run())
}

// onEach runs a test with each kind of database. open makes a process that uses it.
func onEach(t *testing.T, test func(t *testing.T, open func() *sqljournal.Journal)) {
	t.Helper()
	onEachPlace(t, func(t *testing.T, at string) {
		test(t, func() *sqljournal.Journal {
			j, err := openJournal(context.Background(), at)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, j.Close()) })
			return j
		})
	})
}

// onEachPlace runs a test with each kind of database.
func onEachPlace(t *testing.T, test func(t *testing.T, place string)) {
	t.Helper()
	t.Parallel()
	for name, place := range map[string]func(testing.TB) string{
		"SQLite":     func(t testing.TB) string { return filepath.Join(t.TempDir(), "queue.db") },
		"PostgreSQL": func(t testing.TB) string { return pgtest.Database(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, place(t))
		})
	}
}

// openJournal opens an address of PostgreSQL or a file of SQLite.
func openJournal(ctx context.Context, place string) (*sqljournal.Journal, error) {
	open := sqljournal.OpenSQLite
	if strings.HasPrefix(place, "postgres") {
		open = sqljournal.OpenPostgres
	}
	j, err := open(ctx, place)
	if err != nil {
		return nil, err
	}
	j.Lease = time.Second
	return j, nil
}

// A fixture is a queue, and an agent that follows the words of the last message: "look",
// "pay" (which needs approval), "both" (two payments), "fail".
type fixture struct {
	*queue.Queue
	journal *sqljournal.Journal
	workers queue.Workers

	mu      sync.Mutex
	effects []string
	failure error
	changes []string
	onEvent func(queue.Job, event.Event)
}

func newFixture(t *testing.T, j *sqljournal.Journal) *fixture {
	t.Helper()
	q, err := queue.Open(t.Context(), j)
	require.NoError(t, err)
	f := &fixture{Queue: q, journal: j}
	f.workers = queue.Workers{Queue: q, Agent: f.agent(), Count: 2, UntilEmpty: true, Changed: f.changed, Logger: slog.New(slog.DiscardHandler),
		Runner: runner.Runner{Logger: slog.New(slog.DiscardHandler)}}
	f.workers.Event = func(job queue.Job, e event.Event) {
		if f.onEvent != nil {
			f.onEvent(job, e)
		}
	}
	return f
}

func (f *fixture) changed(job queue.Job, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changes = append(f.changes, fmt.Sprintf("%s %s", job.Session, job.State))
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
	return &agent.Agent{Name: "clerk", Tools: []tool.Tool{do("look"), do("pay", tool.NeedsApproval())}, Model: llm.ModelFunc(f.generate)}
}

func (f *fixture) generate(_ context.Context, req *llm.Request, _ func(llm.Delta)) (*llm.Response, error) {
	text, last := "", req.Messages[len(req.Messages)-1]
	for _, m := range req.Messages {
		if m.Role == llm.RoleUser {
			text = m.Text()
		}
	}
	f.mu.Lock()
	failure := f.failure
	f.mu.Unlock()
	switch {
	case last.Role == llm.RoleTool:
		return llmtest.Text("done: " + last.Results()[0].Text()).Response()
	case text == "look", text == "pay":
		return llmtest.Calls(text, struct{}{}).Response()
	case text == "both":
		return llmtest.Calls("pay", struct{}{}).And(llmtest.Calls("pay", struct{}{})).Response()
	case text == "fail" && failure != nil:
		return nil, failure
	}
	return llmtest.Text("heard " + text).Response()
}

// put gives a session its first message.
func (f *fixture) put(t *testing.T, session, text string) {
	t.Helper()
	f.say(t, queue.Job{Session: session}, "begin", text)
}

func (f *fixture) say(t *testing.T, job queue.Job, key, text string) {
	t.Helper()
	added, err := f.Put(t.Context(), nil, job, runner.Once(key, llm.User(text)))
	require.NoError(t, err)
	require.Equal(t, 1, added)
}

func (f *fixture) run(t *testing.T) {
	t.Helper()
	require.NoError(t, f.workers.Run(t.Context()))
}

func (f *fixture) get(t *testing.T, session string) queue.Job {
	t.Helper()
	job, err := f.Get(t.Context(), nil, session)
	require.NoError(t, err)
	return job
}

// stands returns the jobs in the form "a done: the note".
func (f *fixture) stands(t *testing.T) (all []string) {
	t.Helper()
	for job, err := range f.Jobs(t.Context(), "") {
		require.NoError(t, err)
		line := fmt.Sprintf("%s %s: %s", job.Session, job.State, job.Note)
		for _, p := range job.Pending {
			line += string(p.Call)
		}
		all = append(all, line)
	}
	return all
}

// said returns the texts of the messages of a session.
func (f *fixture) said(t *testing.T, session string) (texts []string) {
	t.Helper()
	messages, err := runner.Runner{Journal: f.journal}.Session(session).Messages(t.Context())
	require.NoError(t, err)
	for _, m := range messages {
		if m.Role == llm.RoleUser {
			texts = append(texts, m.Text())
		}
	}
	return texts
}

func (f *fixture) sorted() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Sorted(slices.Values(f.effects))
}

var errPlanted = errors.New("planted")

func execute(t *testing.T, db *sql.DB, statement string, args ...any) {
	t.Helper()
	_, err := db.ExecContext(t.Context(), statement, args...)
	require.NoError(t, err)
}
