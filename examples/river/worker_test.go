package river_test

import (
	"context"
	"database/sql"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	riverqueue "github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/examples/river"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/pgtest"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestWorker: an invoice begins in a transaction of the caller, is looked up for longer than
// a slice, waits for a person, and is paid once.
func TestWorker(t *testing.T) {
	t.Parallel()
	store, err := sqljournal.OpenPostgres(t.Context(), pgtest.Database(t))
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	driver := riverdatabasesql.New(store.DB)
	migrator, err := rivermigrate.New(driver, nil)
	require.NoError(t, err)
	_, err = migrator.Migrate(t.Context(), rivermigrate.DirectionUp, nil)
	require.NoError(t, err)

	var looked, paid atomic.Int32
	do := func(name string, count *atomic.Int32, took time.Duration, options ...tool.Option) tool.Tool {
		return tool.Must(tool.New(name, "Does it.", func(context.Context, struct{}) (string, error) {
			<-time.After(took) // the work of the tool
			count.Add(1)
			return "ok", nil
		}, options...))
	}
	quiet := slog.New(slog.DiscardHandler)
	r := runner.Runner{Journal: store, Logger: quiet}
	worker := &river.Worker{Runner: r, Slice: 300 * time.Millisecond, Agent: &agent.Agent{
		Tools: []tool.Tool{do("look", &looked, 500*time.Millisecond), do("pay", &paid, 0, tool.NeedsApproval())},
		Model: llmtest.NewScript(llmtest.Calls("look", struct{}{}), llmtest.Calls("pay", struct{}{}), llmtest.Text("Paid.")),
	}}
	workers := riverqueue.NewWorkers()
	riverqueue.AddWorker(workers, worker)
	client, err := riverqueue.NewClient(driver, &riverqueue.Config{
		Queues: map[string]riverqueue.QueueConfig{riverqueue.QueueDefault: {MaxWorkers: 4}}, Workers: workers, Logger: quiet,
		RescueStuckJobsAfter: worker.Slice + 2*time.Minute,
	})
	require.NoError(t, err)
	completed, cancel := client.Subscribe(riverqueue.EventKindJobCompleted)
	defer cancel()
	require.NoError(t, client.Start(t.Context()))
	defer func() { require.NoError(t, client.Stop(context.WithoutCancel(t.Context()))) }()

	begin := runner.Once("begin", llm.User("Pay invoice 17."))
	insert(t, store.DB, client, "invoice-17", begin, false) // rolled back: nobody reads it
	insert(t, store.DB, client, "invoice-17", begin, true)
	insert(t, store.DB, client, "invoice-17", begin, true) // a webhook that is delivered twice
	wait(t, completed)
	wait(t, completed)
	pending, err := r.Session("invoice-17").Pending(t.Context())
	require.NoError(t, err)
	require.Len(t, pending, 1)
	require.Zero(t, paid.Load())

	insert(t, store.DB, client, "invoice-17", pending[0].Approve(), true)
	wait(t, completed)
	insert(t, store.DB, client, "invoice-17", pending[0].Approve(), true) // nothing is open any more
	wait(t, completed)
	messages, err := r.Session("invoice-17").Messages(t.Context())
	require.NoError(t, err)
	require.Equal(t, "Paid.", messages[len(messages)-1].Text())
	require.EqualValues(t, 1, looked.Load(), "a slice ends between two turns")
	require.EqualValues(t, 1, paid.Load())
}

// insert inserts a job in a transaction.
func insert(t *testing.T, db *sql.DB, client *riverqueue.Client[*sql.Tx], session string, in runner.Input, commit bool) {
	t.Helper()
	wake, err := river.NewWake(session, in)
	require.NoError(t, err)
	tx, err := db.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	_, err = client.InsertTx(t.Context(), tx, wake, nil)
	require.NoError(t, err)
	if commit {
		require.NoError(t, tx.Commit())
	}
}

func wait(t *testing.T, completed <-chan *riverqueue.Event) {
	t.Helper()
	select {
	case e := <-completed:
		require.Equal(t, rivertype.JobStateCompleted, e.Job.State)
	case <-time.After(time.Minute):
		t.Fatal("no job was completed")
	}
}
