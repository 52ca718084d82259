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
	"github.com/seed-916e8f6a/toolloop/tool"
)

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
