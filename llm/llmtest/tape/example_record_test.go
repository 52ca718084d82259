package tape_test

import (
	"testing"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest/tape"
)

// recordExample is a test that writes a recording: testdata/example of this package
// was written in this way. The script stands in for a real model.
func recordExample(t *testing.T) {
	recorder := tape.Record(t, t.TempDir()) // usually a directory below testdata
	m := recorder.Model(llmtest.Script(t, llmtest.Text("The capital of Norway is Oslo.")))
	_, err := m.Generate(t.Context(), &llm.Request{
		Messages: []llm.Message{llm.User("What is the capital of Norway?")},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
}

// Record writes each interaction with a model as a file, at the end of the test.
func ExampleRecord() {
	_ = recordExample // func TestRecord(t *testing.T) in your test file
}
