package runner_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
)

// TestLateByManyProcesses: processes hand in at the same time. One result counts; whoever has
// the same result gets the outcome, and whoever has another reads who was first.
func TestLateByManyProcesses(t *testing.T) {
	t.Parallel()
	for _, same := range []bool{true, false} {
		for range 20 {
			d := newBank(t, []llmtest.Step{payAnn, llmtest.Text("Done.")}, pay())
			p := d.begin(t)[0]
			var all sync.WaitGroup
			won, lost := make(chan string, 4), make(chan error, 4)
			for i := range cap(won) {
				name, said := fmt.Sprint("webhook-", i), "booked"
				if !same {
					said = fmt.Sprint("booked as ", i)
				}
				in := runner.By(name, runner.Pending{Key: p.Key}.Result(text(said)))
				all.Go(func() {
					for {
						_, err := d.run(t, in)
						if _, busy := errors.AsType[*journal.BusyError](err); busy {
							continue
						}
						if err == nil {
							won <- name
						} else {
							lost <- err
						}
						return
					}
				})
			}
			all.Wait()
			close(won)
			close(lost)
			require.Len(t, won, map[bool]int{true: 4, false: 1}[same])
			state, err := d.r.Session("s").State(t.Context())
			require.NoError(t, err)
			require.Len(t, state.Decisions, 1)
			for err := range lost {
				requireRefused(t, err, "another result")
				require.Contains(t, err.Error(), "result handed in by "+state.Decisions[0].Person+" at ")
				require.Equal(t, <-won, state.Decisions[0].Person)
				break
			}
			given := 0
			for _, e := range eventsOf(t, d.store) {
				if b, ok := e.Body.(event.ToolCallFinished); ok && b.Given != nil {
					given++
				}
			}
			require.Equal(t, 1, given)
		}
	}
}

// TestLateAfterDelete: a result for a session that is gone, and for a new session of the same
// name, is refused, and records nothing.
func TestLateAfterDelete(t *testing.T) {
	t.Parallel()
	d := newBank(t, []llmtest.Step{payAnn, payAnn, llmtest.Text("Done.")}, pay())
	old := d.begin(t)[0]
	require.NoError(t, d.store.Delete(t.Context(), "s", summaryOf(t, d.store).Seq))
	_, err := d.run(t, old.Result(text("booked")))
	requireRefused(t, err, "no such call is open")
	require.Empty(t, eventsOf(t, d.store))

	fresh := d.begin(t)[0]
	require.Equal(t, old.Call, fresh.Call)
	before := eventsOf(t, d.store)
	_, err = d.run(t, old.Result(text("booked")))
	requireRefused(t, err, "no such call is open")
	require.Equal(t, before, eventsOf(t, d.store))
	result, err := d.run(t, fresh.Result(text("booked")))
	require.NoError(t, err)
	require.Equal(t, []llm.Message{llm.Assistant("Done.")}, result.Messages[3:])
}
