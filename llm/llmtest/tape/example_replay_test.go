package tape_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest/tape"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// A test answers from a recording of a real model. TOOLLOOP_UPDATE=1 records again.
func ExampleReplay() {
	t := new(testing.T) // the t of your test
	recorded := tape.Replay(t, "testdata/example")
	m := recorded.Model(openai.Model("gpt-4o-mini"))

	resp, err := m.Generate(context.Background(), &llm.Request{
		Messages: []llm.Message{llm.User("What is the capital of Norway?")},
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Message.Text())
	// Output:
	// The capital of Norway is Oslo.
}
