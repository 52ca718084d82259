package llmtest_test

import "testing"

// TestExamples runs the examples that are tests.
func TestExamples(t *testing.T) {
	t.Run("every fault", survivesFaults)
	t.Run("no network", staysOffline)
	t.Run("contract", keepsContract)
}
