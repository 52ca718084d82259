package runnertest_test

import "testing"

// TestExamples runs the examples that are tests.
func TestExamples(t *testing.T) {
	t.Parallel()
	t.Run("exercise", exerciseShop)
	t.Run("crash", refundSurvives)
}
