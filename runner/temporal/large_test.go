package temporal_test

import (
	"context"
	crypto "crypto/rand"
	"encoding/base64"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

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
		for range 3 { // above 1.8 MB only after the third
			_, err := session.run(t.Context(), noise(800<<10))
			require.NoError(t, err)
		}
		session.grow(40 << 20)
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

// TestManySays: messages during a turn leave updates to decisions and results from outside, and
// room in the history. After the turn, the session continues as a new execution.
func TestManySays(t *testing.T) {
	t.Parallel()
	for name, says := range map[string]int{"many": 1499, "large": 9} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var s shop
				model := llmtest.Script(t, llmtest.Text("Done.").With(llmtest.Late(10*time.Minute)))
				session := simulate(t, toolloop.Worker{Agents: []*agent.Agent{s.desk()}, Runner: runner.Runner{Model: model}}, flow.Start{Heartbeat: time.Minute})
				refused := make(chan error, 1)
				a := <-session.sendAll(func(at func(time.Duration, func())) {
					at(time.Minute, func() { session.sayTimes(t, says) })
					at(2*time.Minute, func() {
						if name == "large" {
							session.env.SetCurrentHistorySize(31 << 20)
						}
					})
					at(3*time.Minute, func() {
						said, err := toolloop.Said(nil, func(c *runner.Session) error { return hello(t.Context(), c) })
						require.NoError(t, err)
						session.env.UpdateWorkflow(flow.UpdateSay, crypto.Text(), rejected(refused), said)
					})
				}, question)
				require.NoError(t, a.err)
				require.False(t, a.taken.Done)
				var app *temporal.ApplicationError
				require.ErrorAs(t, <-refused, &app)
				require.Equal(t, flow.BusyType, app.Type())
				session.next <- func() bool { return true }
				<-session.over
				session.renewed(t)
			})
		})
	}
}

// TestManySaysWithoutRun: messages without a run do not fill the updates of an execution.
func TestManySaysWithoutRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s shop
		session := simulate(t, toolloop.Worker{Agents: []*agent.Agent{s.desk()}, Runner: runner.Runner{Model: llmtest.Script(t)}}, flow.Start{Heartbeat: time.Minute})
		session.next <- func() bool { session.sayTimes(t, 1500); return true }
		<-session.over
		session.renewed(t)
	})
}

// sayTimes says messages, from the loop of the suite.
func (s *sim) sayTimes(t *testing.T, n int) {
	s.say(t, hello)
	if n > 1 {
		s.env.RegisterDelayedCallback(func() { s.sayTimes(t, n-1) }, time.Millisecond)
	}
}

func hello(ctx context.Context, s *runner.Session) error { return s.Say(ctx, llm.User("Hello?")) }

// renewed reports an error unless the session continued as a new execution.
func (s *sim) renewed(t *testing.T) {
	t.Helper()
	var renewed *workflow.ContinueAsNewError
	require.ErrorAs(t, s.env.GetWorkflowError(), &renewed)
}

// TestServerLargeSays: messages without a run do not fill the history, also where the log of the
// session packs well.
func TestServerLargeSays(t *testing.T) {
	t.Parallel()
	c := server(t)
	var s shop
	desk := s.desk()
	work(t, toolloop.Worker{Temporal: c, TaskQueue: name(t), Agents: []*agent.Agent{desk}, Runner: runner.Runner{Model: llmtest.Script(t, llmtest.Text("Done."))}}.Run)
	client, bytes := sessions(t, c), 900<<10
	if raced { // 5 MB need longer than the second after which the SDK takes a workflow for hung
		client.MaxHistory, bytes = 20, 90<<10
	}
	session := client.Session("one")
	text := strings.Repeat("a line of a log file that repeats. ", bytes/35)
	for range 6 { // the server takes 4 MB for old
		require.NoError(t, session.Say(t.Context(), llm.User(text)))
	}
	require.Greater(t, len(runsOf(t, c, name(t)+"/one")), 1)
	result, err := session.Run(t.Context(), desk, question)
	require.NoError(t, err)
	require.Len(t, result.Messages, 8)
}
