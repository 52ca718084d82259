package runnertest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestEveryFaultLate puts every fault of a provider before each answer of a run with a result
// from outside: the transfer happens once, and its result is recorded once.
func TestEveryFaultLate(t *testing.T) {
	t.Parallel()
	llmtest.EveryFault(t, []llmtest.Step{llmtest.Calls("pay", transferArgs{"ann"}), llmtest.Text("Done.")}, func(t *testing.T, m *llmtest.Model) {
		synctest.Test(t, func(t *testing.T) {
			store, transfers := new(journal.Memory), map[string]int{}
			a := &agent.Agent{Name: "clerk", Tools: []tool.Tool{tool.Must(tool.New("pay", "Pays.", func(ctx context.Context, in transferArgs) (string, error) {
				transfers[tool.CallFrom(ctx).Key]++
				return "", tool.Later("transfer to " + in.To)
			}))}}
			s := runner.Runner{Journal: store, Model: m}.Session("s")
			in := []runner.Input{runner.Once("begin", llm.User("Pay ann."))}
			var result *runner.Result
			var err error
			for range 4 { // a fault may end the run, before the call and after the result
				if result, err = s.Run(t.Context(), a, in...); err == nil {
					break
				}
				in = nil
				if errors.Is(err, runner.ErrPaused) {
					in = []runner.Input{runner.By("bank", runner.Pending{Key: result.Pending[0].Key}.Result(llm.Text{Text: "booked"}))}
					continue
				}
				_, provider := errors.AsType[*llm.APIError](err)
				require.True(t, provider, "%v", err)
			}
			require.NoError(t, err)
			require.Equal(t, "Done.", result.Text)
			require.Len(t, transfers, 1)
			for _, n := range transfers {
				require.Equal(t, 1, n)
			}
			given := 0
			for e, err := range store.Read(t.Context(), "s", 0) {
				require.NoError(t, err)
				if b, ok := e.Body.(event.ToolCallFinished); ok && b.Given != nil {
					given++
				}
			}
			require.Equal(t, 1, given)
		})
	})
}
