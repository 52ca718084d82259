package runnertest_test

import (
	"testing"

	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
)

// exerciseShop is a smoke test of all tools of an agent. The test needs no script.
func exerciseShop(t *testing.T) {
	result := runnertest.Exercise(t, newShop())
	if result.Text != "Called: refund." {
		t.Errorf("the answer is %q", result.Text)
	}
}

// Exercise is a smoke test in one line.
func ExampleExercise() {
	_ = exerciseShop // func TestTools(t *testing.T) in your test file
}
