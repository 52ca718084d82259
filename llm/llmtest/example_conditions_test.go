package llmtest_test

import (
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

// The order of requests is unknown, for example because two agents run at the same
// time. Each step states which request to answer.
func ExampleStep_When() {
	script := llmtest.NewScript(
		llmtest.Text("Sunny.").When(llmtest.LastUser("Rome?")),
		llmtest.Text("Snow.").When(llmtest.LastUser("Oslo?")),
		llmtest.Text("No idea.").Forever())
	for _, city := range []string{"Oslo?", "Rome?", "Oslo?"} {
		resp, err := script.Generate(context.Background(), &llm.Request{Messages: []llm.Message{llm.User(city)}}, nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(city, resp.Message.Text())
	}
	// Output:
	// Oslo? Snow.
	// Rome? Sunny.
	// Oslo? No idea.
}
