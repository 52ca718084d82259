package temporal_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/runner/temporal/internal/flow"
)

// TestServerCancelFails: after a cancel, an activity fails in its own way, because it cannot read the
// events or its worker dies. The run fails as canceled.
func TestServerCancelFails(t *testing.T) {
	t.Parallel()
	c := server(t)
	client := sessions(t, c)
	client.Heartbeat = time.Second
	session := client.Session("one")
	w := worker.New(c, name(t), worker.Options{MaxHeartbeatThrottleInterval: 100 * time.Millisecond})
	w.RegisterWorkflowWithOptions(flow.Session, workflow.RegisterOptions{Name: flow.SessionName})
	w.RegisterActivityWithOptions(func(ctx context.Context, _ flow.Advance) (flow.Advanced, error) {
		require.NoError(t, session.Cancel(context.WithoutCancel(ctx)))
		for ctx.Err() == nil {
			activity.RecordHeartbeat(ctx)
			<-time.After(10 * time.Millisecond)
		}
		return flow.Advanced{}, errors.New("the events cannot be read")
	}, activity.RegisterOptions{Name: flow.AdvanceName})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	_, err := session.Run(t.Context(), &agent.Agent{Name: "desk"}, question)
	require.ErrorIs(t, err, context.Canceled)
}
