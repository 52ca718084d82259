package runnertest_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestTranscriptOfPauses: what a run waited for, and how it went on.
func TestTranscriptOfPauses(t *testing.T) {
	t.Parallel()
	pay := tool.Must(tool.New("pay", "Pays.", func(_ context.Context, in refundArgs) (string, error) { return "paid", nil }, tool.NeedsApproval()))
	a := &agent.Agent{Name: "desk", Tools: []tool.Tool{pay}}
	call := func(order string) llmtest.Step { return llmtest.Calls("pay", refundArgs{Order: order, Cents: 500}) }
	script := llmtest.Script(t, call("W1").And(call("W2"), call("W3")), llmtest.Text("One is paid."))
	s := runner.Runner{Model: script}.Session("desk")
	result, err := s.Run(t.Context(), a, runner.Say(llm.User("Pay all.")))
	require.ErrorIs(t, err, runner.ErrPaused)
	runnertest.Golden(t, result, "testdata/paused.txt")
	p := result.Pending
	result, err = s.Run(t.Context(), a, p[0].Approve(), p[1].Deny("too old"), p[2].Edit(json.RawMessage(`{"order":"W3","cents":1}`)))
	require.NoError(t, err)
	runnertest.Golden(t, result, "testdata/resumed.txt")
}
