package runnertest_test

import (
	"flag"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/scenario"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
)

// TestScenarios runs each scenario in each seat, streaming and not.
func TestScenarios(t *testing.T) {
	var passed atomic.Int32
	t.Run("all", func(t *testing.T) {
		for _, s := range scenario.All() {
			t.Run(s.Name, func(t *testing.T) {
				t.Parallel()
				for _, seat := range scenario.Seats() {
					for _, stream := range []bool{false, true} {
						t.Run(fmt.Sprintf("%s, stream %v", seat.Name, stream), func(t *testing.T) {
							synctest.Test(t, func(t *testing.T) { testScenario(t, s, seat, stream) })
							if !t.Failed() {
								passed.Add(1)
							}
						})
					}
				}
			})
		}
	})
	const all = 101 * 6 * 2 // scenarios, seats, with and without a stream
	fmt.Printf("scenarios: %d of %d\n", passed.Load(), all)
	if !strings.Contains(flag.Lookup("test.run").Value.String(), "/") { // who asks for some gets some
		require.EqualValues(t, all, passed.Load())
	}
}

// TestScenariosOnLoopback runs those that need no clock through a real port.
func TestScenariosOnLoopback(t *testing.T) {
	t.Parallel()
	ran := 0
	for _, s := range scenario.All() {
		if s.Want.Took > 0 {
			continue
		}
		ran++
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			testScenario(t, s, scenario.Loopback(), false)
			testScenario(t, s, scenario.Loopback(), true)
		})
	}
	require.Equal(t, 41, ran)
}

// testScenario holds one run to the row of the table.
func testScenario(t *testing.T, s scenario.Scenario, where scenario.Seat, stream bool) {
	got := s.Run(t, where, stream, desk())
	want := s.Expected(stream)
	if !where.Exact {
		got.Took, got.Most = want.Took, want.Most
	}
	require.Equal(t, want, got.Outcome)
	require.Equal(t, s.Run(t, scenario.Seats()[0], false, desk()).Heard, got.Heard, "what the model heard")
	runnertest.Golden(t, got.Result, s.Golden("testdata/scenarios"))
}
