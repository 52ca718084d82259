package llmtest_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

// A server answers any number of requests like a provider, also from programs in
// other languages.
func ExampleReply() {
	parrot := llmtest.NewScript(llmtest.Reply(
		func(_ context.Context, req *llm.Request) (*llm.Response, error) {
			last := req.Messages[len(req.Messages)-1]
			return llmtest.Text("You said: " + last.Text()).Response()
		}).Forever())

	server := &llmtest.Server{Model: parrot, Key: "sk-test"}
	if err := server.Start(); err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	resp, err := http.Post(server.BaseURL+"/chat/completions", "application/json", strings.NewReader("{}")) // without the key
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	fmt.Println(resp.Status)
	// Output:
	// 401 Unauthorized
}
