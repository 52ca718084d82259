package runner_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// pausedHelper returns a session whose helper waits for approval.
func pausedHelper(t *testing.T, j journal.Journal, r runner.Runner, after ...llmtest.Step) (*runner.Session, *agent.Agent, runner.Pending, *till) {
	t.Helper()
	x := new(till)
	a := withHelper(t, nil, nil, x.refund(tool.NeedsApproval()))
	a.Model = llmtest.NewScript(append([]llmtest.Step{delegate("Refund W1.")}, after...)...)
	a.Helpers[0].Agent.Model = llmtest.NewScript(llmtest.Calls("refund", refundArgs{"W1", 500}), llmtest.Text("Finished.").Forever())
	r.Journal = j
	s := r.Session("s")
	result, err := s.Run(t.Context(), a, runner.Say(llm.User("Refund W1.")))
	require.ErrorIs(t, err, runner.ErrPaused)
	require.Len(t, result.Pending, 1)
	return s, a, result.Pending[0], x
}

// TestHelpersLog: helpers of one turn log and redact at the same time.
func TestHelpersLog(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	redact := func(s string) string { mu.Lock(); defer mu.Unlock(); return s }
	a := withHelper(t, []llmtest.Step{delegate("A.").And(delegate("B.")), llmtest.Text("Done.")}, nil,
		tool.Must(tool.New("look", "Looks.", func(context.Context, struct{}) (string, error) { return "seen", nil })))
	a.Helpers[0].Agent.Model = llmtest.NewScript(llmtest.Calls("look", nil).When(llmtest.Turn(1)).Forever(), llmtest.Text("Looked.").When(llmtest.Turn(2)).Forever())
	r := runner.Runner{Redact: redact, Logger: slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	result, err := r.Run(t.Context(), a, llm.User("Go."))
	require.NoError(t, err)
	require.Equal(t, "Done.", result.Text)
}

// TestHelperSlot: a helper whose Task is used inside of itself again does not wait for its own slot.
func TestHelperSlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		task := tool.Must(tool.New("work", "Works.", func(context.Context, struct{}) (string, error) { return "Work.", nil }, tool.Concurrency(1)))
		inner := &agent.Agent{Name: "inner", Model: llmtest.Script(t, llmtest.Text("deep"))}
		middle := &agent.Agent{Name: "middle", Model: llmtest.Script(t, llmtest.Calls("work", nil), llmtest.Text("mid")), Helpers: []agent.Helper{{Task: task, Agent: inner}}}
		a := &agent.Agent{Name: "outer", Model: llmtest.Script(t, llmtest.Calls("work", nil), llmtest.Text("top")), Helpers: []agent.Helper{{Task: task, Agent: middle}}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		result, err := runner.Run(ctx, a, llm.User("Go."))
		require.NoError(t, err)
		require.Equal(t, "top", result.Text)
	})
}

// TestHelperWork: the work of a helper's model counts for the WorkTime of the outer run.
func TestHelperWork(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		look := tool.Must(tool.New("look", "Looks.", func(context.Context, struct{}) (string, error) { return "seen", nil }))
		n := 0
		a := withHelper(t, nil, nil, look)
		a.Model = llmtest.NewScript(delegate("Work."), llmtest.Text("Done.").Forever())
		a.Helpers[0].Agent.Model = llmtest.NewScript(llmtest.Reply(func(context.Context, *llm.Request) (*llm.Response, error) {
			time.Sleep(10 * time.Second)
			n++
			call := llm.ToolCall{ID: fmt.Sprint("c", n), Name: "look", Arguments: "{}"}
			return &llm.Response{Message: llm.Message{Role: llm.RoleAssistant, Parts: llm.Parts{call}}, Finish: llm.Finish{Reason: llm.FinishToolCalls}}, nil
		}).Forever())
		a.Helpers[0].Limits.Repeats = -1
		result, err := runner.Runner{Limits: runner.Limits{WorkTime: 35 * time.Second}}.Run(t.Context(), a, llm.User("Go."))
		var limit *runner.LimitError
		require.ErrorAs(t, err, &limit, "%s", result.Text)
		require.Equal(t, "work_time", limit.Limit)
		require.Equal(t, 4, n)
	})
}

// TestHelperBudget: a used-up Budget is a limit of the outer run: only that run gets a last turn.
func TestHelperBudget(t *testing.T) {
	t.Parallel()
	look := tool.Must(tool.New("look", "Looks.", func(context.Context, struct{}) (string, error) { return "seen", nil }))
	a := withHelper(t, nil, nil, look)
	a.Model = llmtest.NewScript(delegate("Work."), llmtest.Text("Done.").Forever())
	helper := llmtest.NewScript(llmtest.Calls("look", nil).Usage(llm.Usage{InputTokens: 60}).Forever())
	a.Helpers[0].Agent.Model = helper
	asked := 0
	r := runner.Runner{Budget: &runner.Budget{Tokens: 100}, AtLimit: func(context.Context, *runner.LimitError) (bool, error) { asked++; return true, nil }}
	result, err := r.Run(t.Context(), a, llm.User("Go."))
	require.NoError(t, err)
	require.Equal(t, "Done.", result.Text)
	require.Equal(t, 1, asked)
	require.Len(t, helper.Requests(), 2)
}

// TestHelperGoneWhilePaused: a program without the helper leaves the paused run as it is.
func TestHelperGoneWhilePaused(t *testing.T) {
	t.Parallel()
	j := new(journal.Memory)
	_, a, p, x := pausedHelper(t, j, runner.Runner{}, llmtest.Text("Done.").Forever())
	gone := *a
	gone.Helpers = nil
	for range 2 {
		result, err := runner.Runner{Journal: j}.Session("s").Run(t.Context(), &gone)
		require.ErrorIs(t, err, runner.ErrPaused)
		require.Equal(t, []runner.Pending{p}, result.Pending)
	}
	result, err := runner.Runner{Journal: j}.Session("s").Run(t.Context(), a, p.Approve())
	require.NoError(t, err)
	require.Equal(t, "Done.", result.Text)
	require.Len(t, x.all(), 1)
}

// TestHelperDecideFails: an error of Decide ends the outer run, also when a paused run continues.
func TestHelperDecideFails(t *testing.T) {
	t.Parallel()
	j := new(journal.Memory)
	_, a, p, x := pausedHelper(t, j, runner.Runner{}, llmtest.Text("Done.").Forever())
	failing := runner.Runner{Journal: j, Decide: func(context.Context, runner.Pending) (runner.Input, error) { return nil, errPlanted }}
	_, err := failing.Session("s").Run(t.Context(), a)
	require.ErrorIs(t, err, errPlanted)
	result, err := runner.Runner{Journal: j}.Session("s").Run(t.Context(), a, p.Approve())
	require.NoError(t, err)
	require.Equal(t, "Done.", result.Text)
	require.Len(t, x.all(), 1)
}

// TestHelperDecideAfterCrash: the process dies between the pause of the helper's run and the
// pause of the outer run. The next process asks its own Decide.
func TestHelperDecideAfterCrash(t *testing.T) {
	t.Parallel()
	x := new(till)
	a := withHelper(t, nil, nil, x.refund(tool.NeedsApproval()))
	var j *journal.Memory
	var err error
	for left := 1; ; left++ {
		j = new(journal.Memory)
		a.Model = llmtest.NewScript(delegate("Refund W1."), llmtest.Text("Done.").Forever())
		a.Helpers[0].Agent.Model = llmtest.NewScript(llmtest.Calls("refund", refundArgs{"W1", 500}), llmtest.Text("Finished.").Forever())
		result, rerr := runner.Runner{Journal: &mortal{Journal: j, left: left}}.Session("s").Run(t.Context(), a, runner.Say(llm.User("Refund W1.")))
		err = rerr
		lines := linesOf(result.Events)
		if len(lines) > 0 && lines[len(lines)-1] == "r1.t1.c0 run_paused" {
			break
		}
		require.Less(t, left, 40)
	}
	require.ErrorIs(t, err, errDied)
	r := runner.Runner{Journal: j, Decide: func(_ context.Context, p runner.Pending) (runner.Input, error) { return p.Approve(), nil }}
	result, err := r.Session("s").Run(t.Context(), a)
	require.NoError(t, err)
	require.Equal(t, "Done.", result.Text)
}

// TestHelperToolsetGone: the toolset of a helper cannot be listed when its run goes on. The
// model of the outer run reads which calls have an unknown outcome.
func TestHelperToolsetGone(t *testing.T) {
	t.Parallel()
	slow := tool.Must(tool.New("pay", "Pays.", func(context.Context, struct{}) (string, error) { return "paid", nil }))
	a := withHelper(t, nil, nil, slow)
	a.Model = llmtest.NewScript(delegate("Pay."), llmtest.Text("Done.").Forever())
	a.Helpers[0].Agent.Model = llmtest.NewScript(llmtest.Calls("pay", nil), llmtest.Text("Finished.").Forever())
	j := new(journal.Memory)
	_, err := runner.Runner{Journal: &mortal{Journal: j, left: 8}}.Session("s").Run(t.Context(), a, runner.Say(llm.User("Pay.")))
	require.ErrorIs(t, err, errDied)
	a.Helpers[0].Agent.Toolsets = []tool.Set{{Name: "office", List: func(context.Context) ([]tool.Tool, error) { return nil, errPlanted }}}
	result, err := runner.Runner{Journal: j}.Session("s").Run(t.Context(), a)
	require.NoError(t, err)
	r := result.Messages[2].Results()[0]
	require.Contains(t, r.Text(), "Nobody knows the outcome of its calls: pay")
	require.Contains(t, linesOf(result.Events), "r1.t1.c0 run_failed")
}

// TestHelperEndedInDoubt: the run of a helper has ended with a call in doubt, and the process
// ends before the result. Nobody is asked about the call, and no decision about the call fits.
func TestHelperEndedInDoubt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pay := tool.Must(tool.New("pay", "Pays.", func(ctx context.Context, _ struct{}) (string, error) { <-ctx.Done(); return "", ctx.Err() }))
		task := tool.Must(tool.New("work", "Works.", func(context.Context, struct{}) (string, error) { return "Work.", nil }, tool.Timeout(time.Second)))
		a := &agent.Agent{Name: "desk", Helpers: []agent.Helper{{Task: task, Agent: &agent.Agent{Name: "inner", Tools: []tool.Tool{pay}}}}}
		a.Model = llmtest.NewScript(llmtest.Calls("work", nil), llmtest.Text("Done.").Forever())
		a.Helpers[0].Agent.Model = llmtest.NewScript(llmtest.Calls("pay", nil))
		j := new(journal.Memory)
		lines := []string{}
		for left := 1; len(lines) == 0 || lines[len(lines)-1] != "r1.t1.c0 run_failed"; left++ {
			require.Less(t, left, 30)
			j = new(journal.Memory)
			a.Model = llmtest.NewScript(llmtest.Calls("work", nil), llmtest.Text("Done.").Forever())
			a.Helpers[0].Agent.Model = llmtest.NewScript(llmtest.Calls("pay", nil))
			result, err := runner.Runner{Journal: &mortal{Journal: j, left: left}}.Session("s").Run(t.Context(), a, runner.Say(llm.User("Go.")))
			require.ErrorIs(t, err, errDied)
			lines = linesOf(result.Events)
		}
		ctx, cancel := context.WithCancel(t.Context())
		r := runner.Runner{Journal: j, Around: func(ctx context.Context, w *runner.Work) (context.Context, func()) {
			if w.Kind == "tool" {
				cancel()
			}
			return ctx, nil
		}}
		result, err := r.Session("s").Run(ctx, a)
		require.ErrorIs(t, err, context.Canceled)
		require.Empty(t, result.Pending)
		result, err = runner.Runner{Journal: j}.Session("s").Run(t.Context(), a)
		require.NoError(t, err)
		require.Contains(t, result.Messages[2].Results()[0].Text(), "Nobody knows the outcome of its calls: pay")
	})
}
