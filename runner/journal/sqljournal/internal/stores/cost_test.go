package stores_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
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

// BenchmarkLimits measures what no journal can do without: a sync of a file that has grown
// by about an event, on the disk of BenchmarkCost's files, and a round trip to PostgreSQL
// with its driver.
func BenchmarkLimits(b *testing.B) {
	b.Run("sync", func(b *testing.B) {
		f, err := os.Create(filepath.Join(b.TempDir(), "events"))
		require.NoError(b, err)
		line := bytes.Repeat([]byte("x"), 400)
		limit(b, func() {
			_, err := f.Write(line)
			require.NoError(b, err)
			require.NoError(b, f.Sync())
		})
		require.NoError(b, f.Close())
	})
	b.Run("round trip", func(b *testing.B) {
		db := costStore(b, "postgres").(*sqljournal.Journal).DB
		limit(b, func() {
			var one int
			require.NoError(b, db.QueryRowContext(b.Context(), `SELECT 1`).Scan(&one))
		})
	})
}

func limit(b *testing.B, do func()) {
	b.Helper()
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		do()
		took = append(took, time.Since(began))
	}
	b.ReportMetric(float64(percentile(took, 50))/float64(time.Microsecond), "µs")
	b.ReportMetric(float64(percentile(took, 10))/float64(time.Microsecond), "quiet-µs")
}

// BenchmarkPartial measures an append of 1 KB of a streamed answer, as [runner.Runner.KeepPartial]
// makes it every few seconds.
func BenchmarkPartial(b *testing.B) {
	for _, store := range []string{"memory", "files", "sqlite", "postgres"} {
		b.Run(store, func(b *testing.B) {
			log, err := costStore(b, store).Open(b.Context(), "s")
			require.NoError(b, err)
			e := event.Event{Time: time.Now().UTC(), Body: event.AnswerStreamed{Turn: 1, Text: strings.Repeat("word ", 200)}}
			limit(b, func() {
				e.Seq++
				require.NoError(b, log.Append(b.Context(), false, e))
			})
			require.NoError(b, log.Close())
		})
	}
}

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

// cost reports the time of a run by percentiles, because a disk that other programs use
// as well makes some runs slow: the median, and the tenth of the runs with the least
// disturbance ("quiet").
func cost(b *testing.B, run func(n int) (*runner.Result, error)) {
	b.Helper()
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		result, err := run(len(took))
		took = append(took, time.Since(began))
		if err != nil || len(result.Events) != costRunEvents {
			b.Fatalf("%d events, %v", len(result.Events), err)
		}
	}
	perCall := float64(time.Microsecond) * costTurns * costCalls
	b.ReportMetric(costRunEvents/percentile(took, 50).Seconds(), "events/s")
	b.ReportMetric(float64(percentile(took, 50))/perCall, "µs/call")
	b.ReportMetric(float64(percentile(took, 10))/perCall, "quiet-µs/call")
}

func percentile(took []time.Duration, share int) time.Duration {
	slices.Sort(took)
	return took[len(took)*share/100]
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
			parts[i] = llm.ToolCall{ID: fmt.Sprintf("call_%d_%d", turn, i), Name: "deed", Arguments: fmt.Sprintf(`{"n":%d}`, costCalls*turn+i)}
		}
		return &llm.Response{Message: llm.Assistant("", parts...), Finish: llm.Finish{Reason: llm.FinishToolCalls}}, nil
	})
	deed := tool.Must(tool.New("deed", "Does it.", func(_ context.Context, in deedArgs) (string, error) {
		return fmt.Sprint(in.N, " is done"), nil
	}))
	return &agent.Agent{Name: "desk", Model: model, Tools: []tool.Tool{deed}}
}
