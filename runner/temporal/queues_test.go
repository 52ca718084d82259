package temporal_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/worker"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/temporal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestServerQueues: the calls of a tool go to another task queue, where a worker has calls
// alone. Calls of a helper go there, too, and a tool that is alone runs alone.
func TestServerQueues(t *testing.T) {
	t.Parallel()
	c := server(t)
	var here, there shop
	together := new(together)
	desk := func(s *shop) *agent.Agent {
		d := s.desk()
		d.Tools = append(d.Tools, together.tool("look"), together.tool("count", tool.Alone()))
		clerk := s.desk()
		clerk.Name, clerk.Model = "clerk", says(use("ship"), allDone)
		d.Helpers = []agent.Helper{{Name: "ask_clerk", Description: "Helps.", Agent: clerk}}
		d.Model = says(use("charge", "ship", "look", "count", "look").And(llmtest.Calls("ask_clerk", map[string]string{"task": "Go."})), allDone)
		return d
	}
	queues := map[string]string{"ship": name(t) + "/ship"}
	work(t, temporal.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk(&here)}, Queues: queues}.Run)
	work(t, func(ctx context.Context) error {
		w := worker.New(c, queues["ship"], worker.Options{DisableWorkflowWorker: true, WorkerStopTimeout: time.Minute})
		err := temporal.Worker{Temporal: c, Agents: []*agent.Agent{desk(&there)}, Options: worker.Options{DisableWorkflowWorker: true}}.Register(w)
		if err == nil {
			err = w.Start()
		}
		if err == nil {
			<-ctx.Done()
			w.Stop()
		}
		return err
	})
	result, err := sessions(t, c).Session("one").Run(t.Context(), desk(&here), question)
	require.NoError(t, err)
	require.Equal(t, "All done.", result.Text)
	charged, _ := here.counts()
	shipped, runs := there.counts()
	require.Equal(t, []int{1, 2, 2}, []int{charged, shipped, runs})
	require.False(t, together.disturbed)
}

// A together sees the calls that run at once.
type together struct {
	mu        sync.Mutex
	running   int
	disturbed bool // a call ran beside a call that is alone
}

func (c *together) tool(name string, options ...tool.Option) tool.Tool {
	return tool.Must(tool.New(name, "Looks.", func(ctx context.Context, _ order) (string, error) {
		enter := func(n int) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.running += n
			c.disturbed = c.disturbed || name == "count" && c.running > 1
		}
		enter(1)
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
		}
		enter(-1)
		return "ok", nil
	}, options...))
}

// TestServerStopsRequest: a worker that stops does not wait for a request to a model. Another
// worker sends the request again, and nobody sees a failure.
func TestServerStopsRequest(t *testing.T) {
	t.Parallel()
	c := server(t)
	var s shop
	desk := s.desk()
	asked := make(chan struct{})
	slow := llm.ModelFunc(func(ctx context.Context, _ *llm.Request, _ func(llm.Delta)) (*llm.Response, error) {
		close(asked)
		<-ctx.Done()
		return nil, context.Cause(ctx)
	})
	first, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() {
		stopped <- temporal.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk}, Runner: runner.Runner{Model: slow},
			Options: worker.Options{StickyScheduleToStartTimeout: time.Second}}.Run(first)
	}()
	outcome := make(chan error, 1)
	session := sessions(t, c).Session("one")
	go func() { _, err := session.Run(context.Background(), desk, question); outcome <- err }()
	<-asked
	stop()
	require.NoError(t, <-stopped)
	work(t, temporal.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk}, Runner: runner.Runner{Model: charging()}}.Run)
	require.NoError(t, <-outcome)
	runs := 0
	for e, err := range sessions(t, c).Read(t.Context(), "one", 0) {
		require.NoError(t, err)
		if _, ok := e.Body.(event.RunStarted); ok {
			runs++
		}
		require.NotEqual(t, "run_failed", e.Type())
	}
	require.Equal(t, 1, runs)
}
