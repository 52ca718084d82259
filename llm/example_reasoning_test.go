package llm_test

import (
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

// A sink sees the reasoning and the text while the model writes. The message has both,
// and Text omits the reasoning.
func ExampleReasoning() {
	m := llmtest.NewScript(llmtest.Reasoning("The user greets me.").And(llmtest.Text("Hello!")))
	resp, err := m.Generate(context.Background(), &llm.Request{
		Messages: []llm.Message{llm.User("Hello.")},
		Stream:   true,
		Settings: llm.Settings{ReasoningEffort: "low"},
	}, func(d llm.Delta) {
		switch d := d.(type) {
		case llm.ReasoningDelta:
			fmt.Printf("(%s) ", d.Text)
		case llm.TextDelta:
			fmt.Print(d.Text)
		}
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println()
	fmt.Println(resp.Message.Reasoning())
	fmt.Println(resp.Message.Text())
	// Output:
	// (The ) (user ) (greets ) (me.) Hello!
	// The user greets me.
	// Hello!
}
