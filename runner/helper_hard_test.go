package runner_test

import (
	"context"
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
