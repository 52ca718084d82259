package runner_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/internal/prompt"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestPromptModel: a run whose model runs on the caller's goroutine ends with its context and
// with its limit on time, in the model and in a call.
func TestPromptModel(t *testing.T) {
	t.Parallel()
	errEnough := errors.New("enough")
	waits := func(r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
	}
	calls := `{"choices":[{"finish_reason":"tool_calls","message":{"tool_calls":[{"id":"c","type":"function","function":{"name":"wait","arguments":"{}"}}]}}]}`
	for _, inCall := range []bool{false, true} {
		begun := make(chan struct{}, 10)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if inCall {
				_, _ = io.WriteString(w, calls)
				return
			}
			begun <- struct{}{}
			waits(r)
		}))
		wait := tool.Must(tool.New("wait", "Waits.", func(ctx context.Context, _ struct{}) (string, error) {
			begun <- struct{}{}
			<-ctx.Done()
			return "", ctx.Err()
		}))
		model := openai.Config{BaseURL: server.URL, Key: "sk-test"}.Model("m")
		require.True(t, prompt.Is(t.Context(), model))
		a := &agent.Agent{Model: model, Tools: []tool.Tool{wait}}

		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			<-begun
			cancel(errEnough)
		}()
		result, err := runner.Run(ctx, a, llm.User("go"))
		require.ErrorIs(t, err, errEnough)
		require.Equal(t, "run_failed", result.Events[len(result.Events)-1].Type())

		_, err = runner.Runner{RunTimeout: 50 * time.Millisecond}.Run(t.Context(), a, llm.User("go"))
		var limit *runner.LimitError
		require.ErrorAs(t, err, &limit)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		server.Close()
	}
}
