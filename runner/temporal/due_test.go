package temporal_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
	toolloop "github.com/seed-916e8f6a/toolloop/runner/temporal"
	"github.com/seed-916e8f6a/toolloop/runner/temporal/internal/flow"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// waiter is an agent with two calls: charge waits a day for approval, and the second call waits
// two days for a result.
func waiter() *agent.Agent {
	return &agent.Agent{Name: "desk", Tools: []tool.Tool{
		tool.Must(tool.New("charge", "Charges an order.", func(context.Context, order) (string, error) { return "Done.", nil },
			tool.NeedsApproval(), tool.ApprovalWithin(24*time.Hour, "Nobody looked."))),
		tool.Must(tool.New("ship", "Ships an order.", func(context.Context, order) (string, error) { return "", tool.Later("ship-7") },
			tool.LateWithin(48*time.Hour, "No ship came."))),
	}}
}

func waiting() runner.Runner {
	return runner.Runner{Logger: slog.New(slog.DiscardHandler), Model: llmtest.NewScript(
		llmtest.Calls("charge", order{"W1"}).And(llmtest.Calls("ship", order{"W1"})), llmtest.Text("Too late."))}
}

// state returns the state of the session.
func (s *sim) state(t *testing.T) (*runner.State, []event.Event) {
	t.Helper()
	p, err := s.page(flow.Range{})
	require.NoError(t, err)
	events, err := s.events(p.Total)
	require.NoError(t, err)
	state, err := runner.StateOf("desk", func(yield func(event.Event, error) bool) {
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
	})
	require.NoError(t, err)
	return state, events
}

// TestDue: when calls wait no longer, the run goes on without an input, as a job of a queue does.
func TestDue(t *testing.T) {
	t.Parallel()
	var want string
	synctest.Test(t, func(t *testing.T) {
		session := waiting().Session("desk")
		desk := waiter()
		result, err := session.Run(t.Context(), desk, question)
		require.ErrorIs(t, err, runner.ErrPaused)
		want = runnertest.Transcript(result)
		for err != nil {
			require.ErrorIs(t, err, runner.ErrPaused)
			time.Sleep(time.Until(result.Pending[0].Until)) // synctest: exact in a bubble
			result, err = session.Run(t.Context(), desk)
			want += runnertest.Transcript(result)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		session := simulate(t, toolloop.Worker{Agents: []*agent.Agent{waiter()}, Runner: waiting()}, flow.Start{Heartbeat: time.Minute})
		result, err := session.run(t.Context(), question)
		require.ErrorIs(t, err, runner.ErrPaused)
		got := runnertest.Transcript(result)
		session.pass(23 * time.Hour)
		state, events := session.state(t)
		require.Len(t, state.Pending, 2)
		from := int64(len(events))
		for _, left := range []int{1, 0} {
			session.pass(24 * time.Hour)
			state, events = session.state(t)
			require.Len(t, state.Pending, left)
			result, err = toolloop.ResultOf(t.Context(), "desk", events, from)
			require.NoError(t, err)
			got += runnertest.Transcript(result)
			from = int64(len(events))
		}
		require.Equal(t, "Too late.", state.Text)
		require.Equal(t, want, got)
		session.end(t)
	})
}

// TestDueLater: the time of a call does not count after its answer, a session that ends waits for
// no time, and a worker with a late clock is asked again, but not in a rush.
func TestDueLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		session := simulate(t, toolloop.Worker{Agents: []*agent.Agent{waiter()}, Runner: waiting()}, flow.Start{Heartbeat: time.Minute})
		steps := 0
		session.env.SetOnActivityStartedListener(func(*activity.Info, context.Context, converter.EncodedValues) { steps++ })
		result, err := session.run(t.Context(), question)
		require.ErrorIs(t, err, runner.ErrPaused)
		_, err = session.run(t.Context(), result.Pending[0].Approve())
		require.ErrorIs(t, err, runner.ErrPaused)
		before := steps
		session.pass(30 * time.Hour)
		require.Equal(t, before, steps)
		session.passHere(19 * time.Hour) // one more than the shipment has
		require.Greater(t, steps, before+1)
		require.Less(t, steps, before+80)
		state, _ := session.state(t)
		require.Len(t, state.Pending, 1)
		session.pass(19 * time.Hour)
		state, _ = session.state(t)
		require.Equal(t, "Too late.", state.Text)
		before = steps
		session.pass(100 * time.Hour)
		require.Equal(t, before, steps)
		session.end(t)
	})
	synctest.Test(t, func(t *testing.T) {
		session := simulate(t, toolloop.Worker{Agents: []*agent.Agent{waiter()}, Runner: waiting()}, flow.Start{Heartbeat: time.Minute})
		_, err := session.run(t.Context(), question)
		require.ErrorIs(t, err, runner.ErrPaused)
		began := session.env.Now()
		session.end(t)
		require.Less(t, session.env.Now().Sub(began), time.Hour)
	})
}
