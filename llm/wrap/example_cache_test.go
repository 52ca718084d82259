package wrap_test

import (
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// Cache answers the second of two equal requests, also piece by piece, for nothing.
func ExampleCache() {
	script := llmtest.NewScript(llmtest.Text("Hello."))
	m := wrap.Cache{}.Model(script) // or wrap.Cache{Dir: "testdata/answers"}

	for _, stream := range []bool{false, true} {
		req := &llm.Request{Messages: []llm.Message{llm.User("Hello.")}, Stream: stream}
		resp, err := m.Generate(context.Background(), req, func(d llm.Delta) { fmt.Printf("%+v\n", d) })
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(resp.Message.Text(), resp.Usage.OutputTokens, "tokens")
	}
	fmt.Println(len(script.Requests()), "request")
	// Output:
	// Hello. 5 tokens
	// {Text:Hello.}
	// Hello. 0 tokens
	// 1 request
}
