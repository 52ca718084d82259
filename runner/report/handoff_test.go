package report_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
)

// TestHandOff: the call of a hand-off is shown as what it is, and a hand-off that failed, too.
func TestHandOff(t *testing.T) {
	t.Parallel()
	billing := &agent.Agent{Name: "billing", Model: llmtest.NewScript(llmtest.Text("Billed."))}
	triage := &agent.Agent{Name: "triage", Handoffs: []agent.Handoff{{Agent: billing}}}
	triage.Model = llmtest.NewScript(llmtest.Calls("transfer_to_billing", nil).Forever())
	result, err := runner.Run(t.Context(), triage, llm.User("Go."))
	require.NoError(t, err)
	for _, text := range []string{textOf(page(t, result.Events)), ticket(t, result.Events)} {
		require.NotContains(t, text, "the function did not run")
		require.NotContains(t, text, "thefunctiondidnotrun")
		require.Regexp(t, `hands ?over ?to ?billing`, text)
	}
	triage.Handoffs[0].Filter = func([]llm.Message) []llm.Message { return nil }
	result, err = runner.Run(t.Context(), triage, llm.User("Go."))
	require.Error(t, err)
	for _, text := range []string{textOf(page(t, result.Events)), ticket(t, result.Events)} {
		require.Regexp(t, `triage ?failed ?to ?hand ?over ?to ?billing`, text)
	}
}
