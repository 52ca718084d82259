package tape_test

import (
	"testing"

	"github.com/seed-916e8f6a/toolloop/internal/faketb"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest/tape"
)

// TestConformance: a tape in front of a model is a model. The tape belongs to another
// test, because the rules include requests that are never sent.
func TestConformance(t *testing.T) {
	t.Parallel()
	llmtest.TestModel(t, func(t *testing.T, steps ...llmtest.Step) llm.Model {
		return tape.Record(&faketb.TB{}, t.TempDir()).Model(llmtest.Script(t, steps...))
	})
}
