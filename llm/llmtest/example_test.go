package llmtest_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

func ExampleNewScript() {
	script := llmtest.NewScript(
		llmtest.Text("Let me see.").And(llmtest.Calls("get_weather", map[string]string{"city": "Beijing"})),
		llmtest.Text("It is 22 °C."))

	for range 2 {
		resp, err := script.Generate(context.Background(), &llm.Request{
			Messages: []llm.Message{llm.User("What is it like in Beijing?")},
		}, nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(resp.Message.Text(), resp.Message.Calls())
	}
	fmt.Println(script.Done())
	// Output:
	// Let me see. [{call_1 get_weather {"city":"Beijing"} []}]
	// It is 22 °C. []
	// <nil>
}

// A provider for a program: it answers any number of requests.
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

	resp, err := http.Post(server.BaseURL+"/chat/completions", "application/json", strings.NewReader("{}"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = resp.Body.Close() }()
	fmt.Println(resp.Status)
	// Output:
	// 401 Unauthorized
}

func ExampleModel_Requests() {
	script := llmtest.NewScript(llmtest.Text("Hello."))
	_, _ = script.Generate(context.Background(), &llm.Request{
		Instructions: "Be brief.",
		Messages:     []llm.Message{llm.User("Hi.")},
	}, nil)
	for _, req := range script.Requests() {
		fmt.Println(req.Instructions, req.Messages[0].Text())
	}
	// Output:
	// Be brief. Hi.
}
