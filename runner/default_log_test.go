package runner_test

import (
	"context"
	"log"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestDefaultLog: a program without a Logger is told why it waits, and what else only
// a log tells; not what its caller is told anyway. It runs alone, as the log is the
// process's.
func TestDefaultLog(t *testing.T) {
	var out strings.Builder
	log.SetOutput(&out)
	log.SetFlags(0)
	t.Cleanup(func() {
		log.SetOutput(os.Stderr)
		log.SetFlags(log.LstdFlags)
	})
	refused := func() llm.Model {
		step := llmtest.Fail(&llm.APIError{Kind: llm.KindNetwork, Provider: "openai", Message: "connection refused"})
		return wrap.Retry{Attempts: 2}.Model(llmtest.NewScript(step, step))
	}
	breaks := tool.Must(tool.New("breaks", "", func(context.Context, struct{}) (string, error) { panic("oh") }))
	for _, tt := range []struct {
		name   string
		runner runner.Runner
		stream bool
		logs   []string // parts of its lines
	}{
		{"a wait", runner.Runner{Model: refused()}, false, []string{"WARN notice agent=", "connection refused; trying again in "}},
		{"silence", runner.Runner{Model: refused(), Logger: slog.New(slog.DiscardHandler)}, false, nil},
		{"a stream", runner.Runner{Model: refused()}, true, nil},
		{"a panic", runner.Runner{Model: llmtest.NewScript(llmtest.Calls("breaks", nil), llmtest.Text("Fine."))}, false, []string{"ERROR tool panicked agent=", "panic: oh"}},
		{"nothing", runner.Runner{Model: llmtest.NewScript(llmtest.Text("Fine."))}, false, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out.Reset()
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				if tt.stream {
					_, _ = collect(tt.runner.Stream(t.Context(), newAgent(breaks), llm.User("Hi.")))
				} else {
					_, _ = tt.runner.Run(t.Context(), newAgent(breaks), llm.User("Hi."))
				}
				require.Less(t, time.Since(start), time.Second)
			})
			if tt.logs == nil {
				require.Empty(t, out.String())
			}
			for _, part := range tt.logs {
				require.Contains(t, out.String(), part)
			}
			require.NotContains(t, out.String(), "run failed", "the caller has the error")
			require.NotContains(t, out.String(), "INFO")
		})
	}
}
