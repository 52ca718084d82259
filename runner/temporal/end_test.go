package temporal_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/worker"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/temporal"
)

// A slowJournal lets nobody open a session before the gate is open.
type slowJournal struct {
	journal.Memory
	asked atomic.Bool
	gate  chan struct{}
}

func (j *slowJournal) Open(ctx context.Context, session string) (journal.Log, error) {
	j.asked.Store(true)
	<-j.gate
	return j.Memory.Open(ctx, session)
}

// TestServerInputAtEnd: an input to a session that ends is refused, during the last run and
// while the archive copies the events, and none hangs. Afterwards, an input begins a
// new conversation.
func TestServerInputAtEnd(t *testing.T) {
	t.Parallel()
	c := server(t)
	entered, release := make(chan struct{}), make(chan struct{})
	var asked atomic.Int64
	model := llm.ModelFunc(func(ctx context.Context, r *llm.Request, on func(llm.Delta)) (*llm.Response, error) {
		if asked.Add(1) == 1 {
			close(entered)
			<-release
		}
		return llmtest.NewScript(llmtest.Text("Yes.")).Generate(ctx, r, on)
	})
	var s shop
	desk := s.desk()
	archive := &slowJournal{gate: make(chan struct{})}
	work(t, temporal.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk}, Runner: runner.Runner{Model: model}, Archive: archive}.Run)
	session := sessions(t, c).Session("one")
	first := make(chan error, 1)
	go func() { _, err := session.Run(context.Background(), desk, question); first <- err }()
	<-entered
	require.NoError(t, session.End(t.Context()))
	refused := func() { // always as busy, and as ending once the workflow has read the signal
		t.Helper()
		eventually(t, func() bool {
			_, err := session.Run(t.Context(), desk, question)
			_, busy := errors.AsType[*journal.BusyError](err)
			require.True(t, busy, "%v", err)
			return strings.Contains(err.Error(), "begins a new conversation")
		})
	}
	refused()
	close(release)
	require.NoError(t, <-first)
	eventually(t, archive.asked.Load)
	refused()
	close(archive.gate)
	eventually(t, func() bool { return closed(t, c, name(t)+"/one") })
	result, err := session.Run(t.Context(), desk, question)
	require.NoError(t, err)
	require.Len(t, result.Messages, 2)
}

// TestServerEndAtRenewal: an End is not lost when the same workflow task continues the session as
// a new execution.
func TestServerEndAtRenewal(t *testing.T) {
	t.Parallel()
	c := server(t)
	var s shop
	desk := s.desk()
	asked, gate := make(chan struct{}), make(chan struct{})
	model := llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		close(asked)
		<-gate
		return llmtest.NewScript(llmtest.Text("Done.")).Generate(ctx, req, sink)
	})
	w := temporal.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk}, Runner: runner.Runner{Model: model}}
	flows, activities := w, w
	flows.Options = worker.Options{LocalActivityWorkerOnly: true}
	activities.Options = worker.Options{DisableWorkflowWorker: true}
	client := sessions(t, c)
	client.MaxHistory = 5
	session := client.Session("one")
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- flows.Run(ctx) }()
	work(t, activities.Run)
	done := make(chan error, 1)
	go func() { _, err := session.Run(t.Context(), desk, question); done <- err }()
	<-asked
	stop()
	require.NoError(t, <-stopped)
	close(gate)
	eventually(t, func() bool {
		return slices.ContainsFunc(historyOf(t, c, name(t)+"/one", "").GetEvents(), func(e *history.HistoryEvent) bool {
			return e.GetActivityTaskCompletedEventAttributes() != nil
		})
	})
	require.NoError(t, session.End(t.Context()))
	work(t, flows.Run)
	require.NoError(t, <-done)
	eventually(t, func() bool { return closed(t, c, name(t)+"/one") })
}
