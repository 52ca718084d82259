package runner_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner"
)

// cost returns what one call of do allocates. Its callers are not parallel, because the
// count is of the whole process.
func cost(t *testing.T, do func()) (objects, bytes float64) {
	t.Helper()
	if raced {
		t.Skip("the race detector allocates, too")
	}
	const times = 20
	do() // makes what is made once
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range times {
		do()
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / times, float64(after.TotalAlloc-before.TotalAlloc) / times
}

func runInMemory(t *testing.T, a *agent.Agent) func() {
	t.Helper()
	return func() {
		if _, err := (runner.Runner{MaxTurns: -1}).Run(t.Context(), a, llm.User("Oslo?")); err != nil {
			t.Error(err)
		}
	}
}

// TestOverhead holds what a run of ten turns with four calls each costs beside the model: a
// little above the measured figures. If you make a run cheaper, lower the bounds.
func TestOverhead(t *testing.T) {
	objects, bytes := cost(t, runInMemory(t, inMemory(10, 4, 0)))
	for range 4 { // the order of concurrent calls changes the bytes by a hundredth
		o, b := cost(t, runInMemory(t, inMemory(10, 4, 0)))
		objects, bytes = min(objects, o), min(bytes, b)
	}
	t.Logf("overhead: %.0f allocations of %.0f bytes a run of 10 turns with 4 calls each", objects, bytes)
	require.LessOrEqual(t, objects, 880.0)
	require.LessOrEqual(t, bytes, 110_000.0)
}

// TestOverheadOfDeltas holds what deltas cost: an allocation for up to 16 deltas that the consumer
// of a stream gets, and nothing without a consumer.
func TestOverheadOfDeltas(t *testing.T) {
	a := inMemory(0, 0, 2000)
	objects, _ := cost(t, func() {
		for _, err := range runner.Stream(t.Context(), a, llm.User("Oslo?")) {
			if err != nil {
				t.Error(err)
			}
		}
	})
	t.Logf("overhead: %.0f allocations a stream of 2,000 deltas", objects)
	require.LessOrEqual(t, objects, 240.0)
	objects, _ = cost(t, runInMemory(t, a))
	t.Logf("overhead: %.0f allocations a run of 2,000 deltas", objects)
	require.LessOrEqual(t, objects, 75.0)
}

// TestOverheadIsLinear: a run of twice the turns costs twice as much. Work over the whole
// history in each turn would make it four times as much.
func TestOverheadIsLinear(t *testing.T) {
	objects, bytes := cost(t, runInMemory(t, inMemory(200, 4, 0)))
	objects2, bytes2 := cost(t, runInMemory(t, inMemory(400, 4, 0)))
	t.Logf("overhead: %.0f allocations of %.0f bytes a run of 200 turns, %.0f of %.0f for 400", objects, bytes, objects2, bytes2)
	require.LessOrEqual(t, objects2/objects, 2.2)
	require.LessOrEqual(t, bytes2/bytes, 2.5)
}
