package runner_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestLateBesideADecision: two answers about one call would make the session unreadable.
func TestLateBesideADecision(t *testing.T) {
	t.Parallel()
	d := newBank(t, []llmtest.Step{llmtest.Text("Fine.")}, pay())
	record(t, d.store, event.RunStarted{Run: 1, Agent: "assistant", ID: "x"}, event.UserMessaged{Message: llm.User("Pay.")}, event.TurnPrepared{Turn: 1, Agent: "assistant"},
		event.ModelAnswered{Turn: 1, Message: llm.Assistant("", llm.ToolCall{ID: "c", Name: "pay", Arguments: `{"to":"ann"}`}), Finish: llm.FinishOf("tool_calls", "")},
		event.ToolCallStarted{Call: "r1.t1.c0", Name: "pay", Arguments: `{"to":"ann"}`})
	result, err := d.run(t)
	require.ErrorIs(t, err, runner.ErrPaused)
	p, before := result.Pending[0], len(eventsOf(t, d.store))
	for _, other := range []runner.Input{p.Happened(text("paid")), p.RunAgain(), p.Unknown(), p.NotHappened()} {
		_, err = d.run(t, p.Result(text("booked")), other)
		requireRefused(t, err, "a decision and a result")
	}
	require.Len(t, eventsOf(t, d.store), before)
	result, err = d.run(t, p.Result(text("booked")))
	require.NoError(t, err)
	require.Equal(t, []string{"booked"}, results(result.Messages))
}

// TestLateInAHelperThatFails: the outer model must not make a payment again that has begun.
func TestLateInAHelperThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hang := tool.Must(tool.New("hang", "Hangs.", func(ctx context.Context, _ struct{}) (string, error) { <-ctx.Done(); return "", ctx.Err() }))
		task := tool.Must(tool.New("work", "Works.", func(context.Context, struct{}) (string, error) { return "Work.", nil }, tool.Timeout(time.Second)))
		inner := &agent.Agent{Name: "inner", Tools: []tool.Tool{pay(), hang}, Model: llmtest.Script(t, payAnn.And(llmtest.Calls("hang", nil)))}
		a := &agent.Agent{Name: "desk", Helpers: []agent.Helper{{Task: task, Agent: inner}}, Model: llmtest.Script(t, llmtest.Calls("work", nil), llmtest.Text("Done."))}
		result, err := runner.Runner{}.Session("s").Run(t.Context(), a, runner.Say(llm.User("Go.")))
		require.NoError(t, err)
		require.Contains(t, results(result.Messages)[0], "Nobody knows the outcome of its calls: pay, hang")
	})
}

// TestLateInAHelperThatAMessageCloses: the same after a message.
func TestLateInAHelperThatAMessageCloses(t *testing.T) {
	t.Parallel()
	a := withHelper(t, []llmtest.Step{delegate("Pay ann."), llmtest.Text("I stop.")}, []llmtest.Step{payAnn}, pay())
	s := runner.Runner{}.Session("s")
	_, err := s.Run(t.Context(), a, runner.Say(llm.User("Go.")))
	require.ErrorIs(t, err, runner.ErrPaused)
	result, err := s.Run(t.Context(), a, runner.Say(llm.User("Stop.")))
	require.NoError(t, err)
	require.Equal(t, []string{"The helper was interrupted before its answer. What it has done until then stays done. Nobody knows the outcome of its calls: pay"}, results(result.Messages))
}

// TestLateWhileTheRunGoesOn: a webhook can come while another call of the turn runs, and finds
// its call by the handle.
func TestLateWhileTheRunGoesOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d *bank
		var during *runner.State
		slow := tool.Must(tool.New("slow", "Is slow.", func(ctx context.Context, _ struct{}) (string, error) {
			sleep(time.Second)
			state, err := d.r.Session("s").State(ctx)
			during = state
			return "done", err
		}))
		d = newBank(t, []llmtest.Step{payAnn.And(llmtest.Calls("slow", nil))}, pay(), slow)
		pending := d.begin(t)
		require.Equal(t, pending, during.Pending)
		require.Equal(t, "transfer-ann", pending[0].Handle)
	})
}
