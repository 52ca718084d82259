package runnertest_test

import (
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
	"github.com/seed-916e8f6a/toolloop/tool"
)

type payArgs struct {
	Order string `json:"order"`
	Cents int    `json:"cents"`
}

// payer is an agent with a tool that needs approval and takes a second, and
// another one that needs none.
func payer() *agent.Agent {
	wait := func(context.Context, payArgs) (string, error) { time.Sleep(time.Second); return "paid", nil } // synctest: exact in a bubble
	return &agent.Agent{Name: "desk", Tools: []tool.Tool{
		tool.Must(tool.New("pay", "Pays.", wait, tool.NeedsApproval())),
		tool.Must(tool.New("count", "Counts.", func(context.Context, struct{}) (int, error) { return 2, nil })),
	}}
}

func pay(order string, cents int) llmtest.Step { return llmtest.Calls("pay", payArgs{order, cents}) }

// inBubble runs a test with exact times.
func inBubble(t *testing.T, name string, test func(t *testing.T)) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, test)
	})
}

// TestResumed: a run that goes on shows its calls, however it came to go on.
func TestResumed(t *testing.T) {
	t.Parallel()
	script := func(t *testing.T) llm.Model {
		return llmtest.Script(t, llmtest.Calls("count", nil), pay("W1", 5).And(pay("W2", 6), llmtest.Calls("count", nil)), llmtest.Text("Paid."))
	}
	say := runner.Say(llm.User("Pay all."))
	requireBoth := func(t *testing.T, result *runner.Result) {
		t.Helper()
		started := time.Now().UTC().Add(-time.Second)
		require.Equal(t, []runnertest.Call[payArgs]{
			{
				Args: payArgs{"W1", 5}, Raw: `{"order":"W1","cents":5}`, Text: "paid", Parts: text("paid"),
				Turn: 2, Ref: "r1.t2.c0", Started: started, Finished: started.Add(time.Second),
			},
			{
				Args: payArgs{"W2", 6}, Raw: `{"order":"W2","cents":6}`, Text: "paid", Parts: text("paid"),
				Turn: 2, Ref: "r1.t2.c1", Started: started, Finished: started.Add(time.Second),
			},
		}, runnertest.Calls[payArgs](t, result, "pay"))
		require.Equal(t, 2, runnertest.MaxConcurrent(result))
		require.True(t, runnertest.Overlapped(result, "pay", "pay"))
	}
	inBubble(t, "approved", func(t *testing.T) {
		s := with(script(t)).Session("s")
		result, err := s.Run(t.Context(), payer(), say)
		require.ErrorIs(t, err, runner.ErrPaused)
		result, err = s.Run(t.Context(), payer(), result.Pending[0].Approve(), result.Pending[1].Approve())
		require.NoError(t, err)
		requireBoth(t, result)
		require.Equal(t, []string{"count", "pay", "pay", "count"}, runnertest.Order(result), "the run is one")
		require.Len(t, runnertest.Calls[struct{}](t, result, "count"), 2)
	})
	inBubble(t, "approved, streaming", func(t *testing.T) {
		s := with(script(t)).Session("s")
		result, err := s.Run(t.Context(), payer(), say)
		require.ErrorIs(t, err, runner.ErrPaused)
		streamed := new(runner.Result)
		for e, err := range s.Stream(t.Context(), payer(), result.Pending[0].Approve(), result.Pending[1].Approve()) {
			require.NoError(t, err)
			streamed.Events = append(streamed.Events, e)
		}
		requireBoth(t, streamed)
		require.Equal(t, []string{"pay", "pay"}, runnertest.Order(streamed), "all that its events tell of")
	})
	inBubble(t, "one at a time", func(t *testing.T) {
		s := with(script(t)).Session("s")
		result, err := s.Run(t.Context(), payer(), say)
		require.ErrorIs(t, err, runner.ErrPaused)
		result, err = s.Run(t.Context(), payer(), result.Pending[1].Edit(json.RawMessage(`{"order":"W2","cents":1}`)))
		require.ErrorIs(t, err, runner.ErrPaused)
		require.Equal(t, payArgs{"W2", 1}, runnertest.Calls[payArgs](t, result, "pay")[1].Args)
		result, err = s.Run(t.Context(), payer(), result.Pending[0].Deny("too old"))
		require.NoError(t, err)
		calls := runnertest.Calls[payArgs](t, result, "pay")
		require.Len(t, calls, 2)
		require.Equal(t, []tool.Failure{tool.Denied, ""}, []tool.Failure{calls[0].Failure, calls[1].Failure})
		require.Equal(t, `{"order":"W2","cents":6}`, calls[1].Raw)
		require.Equal(t, 1, runnertest.MaxConcurrent(result))
	})
}

// TestResumedByAnother: a run that goes on with the calls of one that failed, or
// closes them, shows those calls, and none that were over before.
func TestResumedByAnother(t *testing.T) {
	t.Parallel()
	boom := tool.Must(tool.New("boom", "Breaks.", func(context.Context, struct{}) (string, error) { return "", tool.Abort(context.Canceled) }))
	begin := func(t *testing.T, a *agent.Agent, answers ...llmtest.Step) (*runner.Session, *runner.Result) {
		steps := append([]llmtest.Step{llmtest.Calls("count", nil), llmtest.Calls("boom", nil).And(pay("W1", 5))}, answers...)
		s := with(llmtest.Script(t, steps...)).Session("s")
		result, err := s.Run(t.Context(), a, runner.Say(llm.User("Pay all.")))
		require.ErrorIs(t, err, context.Canceled)
		return s, result
	}
	agentOf := func() *agent.Agent {
		a := payer()
		a.Tools = append(a.Tools, boom)
		return a
	}
	inBubble(t, "goes on", func(t *testing.T) {
		s, failed := begin(t, agentOf(), llmtest.Text("Paid."))
		require.Len(t, failed.Pending, 1)
		result, err := s.Run(t.Context(), agentOf(), failed.Pending[0].Approve())
		require.NoError(t, err)
		require.Equal(t, 2, result.Run)
		require.Equal(t, failed.Events, result.Earlier)
		require.Equal(t, event.CallRef("r1.t2.c1"), runnertest.Calls[payArgs](t, result, "pay")[0].Ref)
		require.Equal(t, "paid", runnertest.Calls[payArgs](t, result, "pay")[0].Text)
		require.NotContains(t, runnertest.Order(result), "count")
	})
	inBubble(t, "closes", func(t *testing.T) {
		s, _ := begin(t, agentOf(), llmtest.Calls("count", nil), llmtest.Text("As you like."), llmtest.Text("Yes."))
		result, err := s.Run(t.Context(), agentOf(), runner.Say(llm.User("Leave it.")))
		require.NoError(t, err)
		calls := runnertest.Calls[payArgs](t, result, "pay")
		require.Len(t, calls, 1)
		require.Equal(t, tool.NotRun, calls[0].Failure)
		require.Len(t, runnertest.Calls[struct{}](t, result, "count"), 1, "its own alone")
		result, err = s.Run(t.Context(), agentOf(), runner.Say(llm.User("Is all well?")))
		require.NoError(t, err)
		require.Empty(t, result.Earlier)
		require.Empty(t, runnertest.Order(result))
	})
}
