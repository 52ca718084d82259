package runner_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

// maxAllocations is what a scripted run of ten turns with four calls each may
// allocate, script and tools included: 15 % above what was measured. Whoever
// makes a run cheaper lowers it.
const maxAllocations = 5400

// TestOverhead holds what the loop costs beside models and tools. It is not
// parallel, since AllocsPerRun counts for the whole process.
func TestOverhead(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates, too")
	}
	steps := make([]llmtest.Step, 10, 11)
	for i := range steps {
		call := llmtest.Calls("get_weather", cityArgs{"Oslo"})
		steps[i] = call.And(call, call, call)
	}
	steps = append(steps, llmtest.Text("Warm."))
	a := newAgent(weather())
	got := testing.AllocsPerRun(20, func() {
		result, err := with(llmtest.NewScript(steps...)).Run(t.Context(), a, llm.User("Oslo?"))
		if err != nil || len(result.Events) != 2+11*2+80+1 {
			t.Errorf("%d events, %v", len(result.Events), err)
		}
	})
	t.Logf("overhead: %.0f allocations a run of 10 turns with 4 calls each", got)
	require.LessOrEqual(t, got, float64(maxAllocations))
}
