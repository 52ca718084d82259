package openai_test

import (
	"context"
	"fmt"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// A model on a server of one's own. A script stands in for the server here.
func ExampleConfig() {
	server := llmtest.NewScript(llmtest.Text("Hello.")).Serve()
	defer server.Close()

	m := openai.Config{
		BaseURL: server.BaseURL, // for example "http://localhost:11434"
		Timeout: time.Minute,    // of each attempt; the default is half an hour
		Retry:   wrap.Retry{Attempts: 2},
	}.Model("llama3.2")
	resp, err := m.Generate(context.Background(), &llm.Request{Messages: []llm.Message{llm.User("Hello.")}}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Message.Text(), resp.Model, resp.Finish.Reason)
	// Output:
	// Hello. llama3.2 stop
}
