package temporal_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

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

// TestForgets: a memory forgets what was used least recently, and what alone is too large. What is
// forgotten is read again.
func TestForgets(t *testing.T) {
	t.Parallel()
	m := toolloop.NewMemory(10)
	require.True(t, m.Keeps("a", 4))
	require.True(t, m.Keeps("b", 4))
	require.True(t, m.Keeps("a", 1))
	require.True(t, m.Keeps("c", 5))
	require.Equal(t, []string{"a", "c"}, m.Runs())
	require.False(t, m.Keeps("c", 6))
	require.Empty(t, m.Runs())
	require.True(t, m.Keeps("c", 10))
	require.Equal(t, []string{"c"}, m.Runs())
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
	run := runsOf(t, c, id)[0]
	var after int64 // the last workflow task of the first run
	for _, e := range historyOf(t, c, id, run).GetEvents() {
		if e.GetWorkflowTaskCompletedEventAttributes() != nil {
			after = e.GetEventId()
		}
	}
	say("second")
	_, err := c.ResetWorkflowExecution(t.Context(), &workflowservice.ResetWorkflowExecutionRequest{
		Namespace: "default", WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: run},
		Reason: "test", RequestId: id, WorkflowTaskFinishEventId: after,
		ResetReapplyExcludeTypes: []enums.ResetReapplyExcludeType{enums.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL, enums.RESET_REAPPLY_EXCLUDE_TYPE_UPDATE},
	})
	require.NoError(t, err)
	say("third")
	require.Equal(t, []string{"first", "answer 1", "third"}, read.Load())
	require.NoError(t, session.End(t.Context()))
	eventually(t, func() bool { return closed(t, c, id) })
	say("a new conversation")
	require.Equal(t, []string{"a new conversation"}, read.Load())
}
