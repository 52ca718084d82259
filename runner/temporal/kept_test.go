package temporal_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	toolloop "github.com/seed-916e8f6a/toolloop/runner/temporal"
	"github.com/seed-916e8f6a/toolloop/runner/temporal/internal/flow"
)

// TestReadsOnce: the only worker of a session reads each event once, also if calls run at once.
func TestReadsOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s shop
		session := simulate(t, toolloop.Worker{Agents: []*agent.Agent{s.desk()}, Runner: runner.Runner{Model: charging()}}, flow.Start{Heartbeat: time.Minute})
		result, err := session.run(t.Context(), question)
		require.NoError(t, err)
		const last = 3 // events of the last activity, which no other activity needs
		require.EqualValues(t, len(result.Events)-last, session.served.Load())
		session.end(t)
	})
}

// TestForgets: a memory forgets the least recently used execution, and each execution that alone is
// too large. A worker reads forgotten events again.
func TestForgets(t *testing.T) {
	t.Parallel()
	const mb, few = 1 << 20, 3 << 10 // few is what three executions need beside their events
	m := toolloop.NewMemory(10*mb + few)
	require.True(t, m.Keeps("a", 4*mb))
	require.True(t, m.Keeps("b", 4*mb))
	require.True(t, m.Keeps("a", 1*mb))
	require.True(t, m.Keeps("c", 5*mb))
	require.Equal(t, []string{"a", "c"}, m.Runs())
	require.False(t, m.Keeps("c", 6*mb))
	require.Empty(t, m.Runs())
	require.True(t, m.Keeps("c", 10*mb))
	require.Equal(t, []string{"c"}, m.Runs())
	m = toolloop.NewMemory(few)
	for i := range 10 { // nobody could read their events
		require.True(t, m.Keeps(fmt.Sprint(i), 0))
	}
	require.Equal(t, []string{"7", "8", "9"}, m.Runs())
}

// TestServerReset: after a reset, and in a second conversation of the same name, the worker that
// kept the events of the first has the right events.
func TestServerReset(t *testing.T) {
	t.Parallel()
	c := server(t)
	var s shop
	desk := s.desk()
	var read atomic.Value
	model := llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		var texts []string
		for _, m := range req.Messages {
			texts = append(texts, m.Text())
		}
		read.Store(texts)
		return llmtest.NewScript(llmtest.Text(fmt.Sprint("answer ", len(texts)))).Generate(ctx, req, sink)
	})
	work(t, toolloop.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk}, Runner: runner.Runner{Model: model}}.Run)
	session := sessions(t, c).Session("one")
	say := func(text string) {
		t.Helper()
		_, err := session.Run(t.Context(), desk, runner.Say(llm.User(text)))
		require.NoError(t, err)
	}
	id := name(t) + "/one"
	say("first")
	first := historyOf(t, c, id, "").GetEvents()
	say("second")
	reset(t, c, id, first)
	eventually(t, func() bool { // until then, the first run goes on, and an input is refused
		state, err := session.State(t.Context())
		require.NoError(t, err)
		return state.Text == "answer 1"
	})
	say("third")
	require.Equal(t, []string{"first", "answer 1", "third"}, read.Load())
	require.NoError(t, session.End(t.Context()))
	eventually(t, func() bool { return closed(t, c, id) })
	say("a new conversation")
	require.Equal(t, []string{"a new conversation"}, read.Load())
}

// TestServerResetKeys: after a reset to the end of a turn's request, its calls run again with the
// same keys, and the run goes on to its end.
func TestServerResetKeys(t *testing.T) {
	t.Parallel()
	c := server(t)
	var s shop
	desk := s.desk()
	work(t, toolloop.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk}, Runner: runner.Runner{Model: charging()}}.Run)
	session := sessions(t, c).Session("one")
	_, err := session.Run(t.Context(), desk, question)
	require.NoError(t, err)
	keys, runs := s.counts()
	require.Equal(t, []int{3, 3}, []int{keys, runs})
	id := name(t) + "/one"
	events := historyOf(t, c, id, "").GetEvents()
	reset(t, c, id, events[:slices.IndexFunc(events, func(e *history.HistoryEvent) bool {
		return e.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName() == flow.CallName
	})])
	eventually(t, func() bool {
		state, err := session.State(t.Context())
		require.NoError(t, err)
		return state.Text == "All done."
	})
	keys, runs = s.counts()
	require.Equal(t, []int{3, 6}, []int{keys, runs})
}

// reset resets a workflow to the last workflow task of the beginning of its newest execution,
// without later inputs.
func reset(t *testing.T, c client.Client, id string, beginning []*history.HistoryEvent) {
	t.Helper()
	var task int64
	for _, e := range beginning {
		if e.GetWorkflowTaskCompletedEventAttributes() != nil {
			task = e.GetEventId()
		}
	}
	_, err := c.ResetWorkflowExecution(t.Context(), &workflowservice.ResetWorkflowExecutionRequest{
		Namespace: "default", WorkflowExecution: &common.WorkflowExecution{WorkflowId: id},
		Reason: "test", RequestId: id, WorkflowTaskFinishEventId: task,
		ResetReapplyExcludeTypes: []enums.ResetReapplyExcludeType{enums.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL, enums.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE},
	})
	require.NoError(t, err)
}
