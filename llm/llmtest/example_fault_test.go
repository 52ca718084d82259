package llmtest_test

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// The first answer breaks off after two pieces, and the client sends the request
// again.
func ExampleStep_With() {
	answer := llmtest.Text("It is 22 °C.")
	script := llmtest.NewScript(answer.With(llmtest.Cut(2)), answer)
	model := wrap.Retry{Restart: true, MinDelay: time.Millisecond}.Model(script)

	resp, err := model.Generate(context.Background(), &llm.Request{
		Messages: []llm.Message{llm.User("What is it like in Beijing?")}, Stream: true,
	}, func(d llm.Delta) {
		switch d := d.(type) {
		case llm.TextDelta:
			fmt.Printf("%q\n", d.Text)
		case llm.Restarted:
			fmt.Println(d.Err)
		}
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Message.Text())
	// Output:
	// "It "
	// "is "
	// llmtest: truncated: cut after 2 pieces
	// "It "
	// "is "
	// "22 "
	// "°C."
	// It is 22 °C.
}
