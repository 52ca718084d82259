package temporal_test

import (
	"encoding/base64"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	toolloop "github.com/seed-916e8f6a/toolloop/runner/temporal"
	"github.com/seed-916e8f6a/toolloop/runner/temporal/internal/flow"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// noise is a message that does not compress.
func noise(size int) runner.Input {
	data := make([]byte, size*3/4)
	for i := range data {
		data[i] = byte(rand.Uint32())
	}
	return runner.Say(llm.User(base64.StdEncoding.EncodeToString(data)))
}

// TestFullSession: a session that is too large for another execution takes no message, but
// answers about its calls, and its run fails before the server terminates the workflow.
func TestFullSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s shop
		model := llmtest.Script(t, llmtest.Text("One."), llmtest.Text("Two."), llmtest.Text("Three."),
			llmtest.Calls("charge", order{"W1"}), llmtest.Calls("charge", order{"W2"}))
		session := simulate(t, toolloop.Worker{Agents: []*agent.Agent{s.desk(tool.NeedsApproval())}, Runner: runner.Runner{Model: model}}, flow.Start{Heartbeat: time.Minute})
		session.grow(40 << 20)
		for range 3 { // above 1.8 MB only after the third
			_, err := session.run(t.Context(), noise(800<<10))
			require.NoError(t, err)
		}
		_, err := session.run(t.Context(), question)
		require.ErrorContains(t, err, "Session.End")
		session.grow(1 << 20)
		result, err := session.run(t.Context(), question)
		require.ErrorIs(t, err, runner.ErrPaused)
		session.grow(40 << 20)
		result, err = session.run(t.Context(), result.Pending[0].Approve())
		require.ErrorIs(t, err, runner.ErrPaused)
		session.grow(46 << 20)
		_, err = session.run(t.Context(), result.Pending[0].Approve())
		require.ErrorContains(t, err, "Session.End")
		session.end(t)
	})
}
