package llm_test

import (
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

// counted returns m with a count of tokens. A wrapper is one function around Generate.
func counted(m llm.Model, total *int64) llm.Model {
	return llm.ModelFunc(func(ctx context.Context, req *llm.Request, sink func(llm.Delta)) (*llm.Response, error) {
		resp, err := m.Generate(ctx, req, sink)
		if err == nil {
			*total += resp.Usage.InputTokens + resp.Usage.OutputTokens
		}
		return resp, err
	})
}

// A Model around a Model adds behaviour to every request.
func ExampleModelFunc() {
	var total int64
	m := counted(llmtest.NewScript(llmtest.Text("Hello.")), &total)
	resp, err := m.Generate(context.Background(), &llm.Request{Messages: []llm.Message{llm.User("Hello.")}}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Message.Text(), total, "tokens")
	// Output:
	// Hello. 15 tokens
}
