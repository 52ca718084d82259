package temporal_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/temporal"
)

// TestServerVersions: workers with deployment versions serve sessions. By default, a session goes on
// with the current version; a pinned session stays with its version, also when it continues as a new
// execution.
func TestServerVersions(t *testing.T) {
	t.Parallel()
	for kind, c := range map[string]struct {
		behavior workflow.VersioningBehavior
		later    string
	}{
		"default": {workflow.VersioningBehaviorUnspecified, "two"},
		"pinned":  {workflow.VersioningBehaviorPinned, "one"},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			conn := server(t)
			var s shop
			desk := s.desk()
			build := func(id string) {
				version := worker.WorkerDeploymentVersion{DeploymentName: name(t), BuildID: id}
				work(t, temporal.Worker{
					Temporal: conn, TaskQueue: name(t), Agents: []*agent.Agent{desk},
					Runner: runner.Runner{Model: buildModel(id)},
					Options: worker.Options{DeploymentOptions: worker.DeploymentOptions{
						UseVersioning: true, Version: version, DefaultVersioningBehavior: c.behavior,
					}},
				}.Run)
				eventually(t, func() bool {
					_, err := conn.WorkerDeploymentClient().GetHandle(name(t)).SetCurrentVersion(t.Context(), client.WorkerDeploymentSetCurrentVersionOptions{BuildID: id})
					return err == nil
				})
			}
			ask := func(session string) string {
				client := sessions(t, conn)
				client.MaxHistory = 20
				result, err := client.Session(session).Run(t.Context(), desk, question)
				require.NoError(t, err)
				return result.Text
			}
			build("one")
			require.Equal(t, "one", ask("old"))
			build("two")
			require.Equal(t, c.later, ask("old"))
			require.Equal(t, "two", ask("new"))
			before := len(runsOf(t, conn, name(t)+"/old"))
			require.Equal(t, c.later, ask("old"))
			require.Greater(t, len(runsOf(t, conn, name(t)+"/old")), before)
		})
	}
}

// buildModel makes a call and answers with the name of its build.
func buildModel(id string) llm.Model {
	return llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		step := llmtest.Text(id)
		if last := req.Messages[len(req.Messages)-1]; last.Role == llm.RoleUser {
			step = llmtest.Calls("charge", order{"W1"})
		}
		return llmtest.NewScript(step).Generate(ctx, req, sink)
	})
}
