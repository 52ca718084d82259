package stores_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/compact"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// BenchmarkOpening opens a session of 100,000 events, most of whose conversation was
// compacted away.
func BenchmarkOpening(b *testing.B) {
	const events = 100_000
	desk := &agent.Agent{Model: llm.ModelFunc(func(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) {
		return &llm.Response{Message: llm.Assistant("The invoice is paid, and the customer has the letter."), Finish: llm.Finish{Reason: llm.FinishStop}}, nil
	})}
	past := new(journal.Memory)
	s := runner.Runner{Journal: past, Compact: &compact.Policy{Tokens: 2000}}.Session("s")
	for n := 0; n < events; {
		result, err := s.Run(b.Context(), desk, runner.Say(llm.User(fmt.Sprint("Please pay the next invoice of the month, number ", n))))
		require.NoError(b, err)
		n += len(result.Events)
	}
	var text bytes.Buffer
	_, err := journal.Export(b.Context(), past, "s", &text)
	require.NoError(b, err)
	for _, store := range []string{"memory", "files", "sqlite", "postgres"} {
		j := costStore(b, store)
		_, err := journal.Import(b.Context(), j, "s", bytes.NewReader(text.Bytes()))
		require.NoError(b, err)
		r := runner.Runner{Journal: j}
		open := func() {
			_, err := r.Session("s").Messages(b.Context())
			require.NoError(b, err)
		}
		began := time.Now()
		open() // reads all events, and saves the state
		first := time.Since(began)
		b.Run(store, func(b *testing.B) {
			for b.Loop() {
				open()
			}
			b.ReportMetric(first.Seconds()*1000, "ms-without-saved-state")
		})
	}
}
