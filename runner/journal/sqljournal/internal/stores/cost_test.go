package stores_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal"
	"github.com/seed-916e8f6a/toolloop/runner/journal/sqljournal/pgtest"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// The run that is measured.
const (
	costTurns     = 10
	costCalls     = 4 // in each turn
	costRunEvents = 2 + 2*(costTurns+1) + 2*costTurns*costCalls + 1
)

// BenchmarkCost measures a run with a model and tools that take no time, without
// a journal and with each: what is left is the loop, and what it writes.
func BenchmarkCost(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		cost(b, func(int) (*runner.Result, error) {
			return runner.Runner{}.Run(b.Context(), idleDesk(), llm.User("Do it all."))
		})
	})
	for _, store := range []string{"memory", "files", "sqlite", "postgres"} {
		b.Run(store, func(b *testing.B) {
			r := runner.Runner{Journal: costStore(b, store)}
			cost(b, func(n int) (*runner.Result, error) {
				return r.Session(fmt.Sprint("session ", n)).Run(b.Context(), idleDesk(), runner.Say(llm.User("Do it all.")))
			})
		})
	}
}

func costStore(b *testing.B, store string) journal.Journal {
	b.Helper()
	o := order{Store: store, Place: filepath.Join(b.TempDir(), "sessions")}
	switch store {
	case "memory":
		return new(journal.Memory)
	case "postgres":
		o.Place = pgtest.Start(b).URL("postgres")
	}
	j, err := o.openStore(b.Context())
	require.NoError(b, err)
	if s, ok := j.(*sqljournal.Journal); ok {
		s.Lease = 0 // the usual one
		b.Cleanup(func() { require.NoError(b, s.Close()) })
	}
	return j
}

// cost counts what is done beside the time of one run.
func cost(b *testing.B, run func(n int) (*runner.Result, error)) {
	b.Helper()
	n := 0
	for b.Loop() {
		n++
		result, err := run(n)
		if err != nil || len(result.Events) != costRunEvents {
			b.Fatalf("%d events, %v", len(result.Events), err)
		}
	}
	b.ReportMetric(float64(n*costRunEvents)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(n*costTurns*costCalls), "µs/call")
}

// idleDesk has a model and a tool that take no time.
func idleDesk() *agent.Agent {
	model := llm.ModelFunc(func(_ context.Context, req *llm.Request, _ func(llm.Delta)) (*llm.Response, error) {
		turn := answersIn(req)
		if turn == costTurns {
			return &llm.Response{Message: llm.Assistant("All is done."), Finish: llm.Finish{Reason: llm.FinishStop}}, nil
		}
		parts := make([]llm.Part, costCalls)
		for i := range parts {
			parts[i] = llm.ToolCall{ID: fmt.Sprintf("call_%d_%d", turn, i), Name: "deed", Arguments: fmt.Sprintf(`{"n":%d}`, i)}
		}
		return &llm.Response{Message: llm.Assistant("", parts...), Finish: llm.Finish{Reason: llm.FinishToolCalls}}, nil
	})
	deed := tool.Must(tool.New("deed", "Does it.", func(_ context.Context, in deedArgs) (string, error) {
		return fmt.Sprint(in.N, " is done"), nil
	}))
	return &agent.Agent{Name: "desk", Model: model, Tools: []tool.Tool{deed}}
}
