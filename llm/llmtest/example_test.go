package llmtest_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
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

// One script, met by a client over HTTP that knows nothing of it.
func ExampleModel_RoundTrip() {
	script := llmtest.NewScript(llmtest.Text("Hello."))
	model := openai.Config{HTTPClient: script.Client(), Key: "sk-test"}.Model("gpt-4o-mini")

	resp, err := model.Generate(context.Background(), &llm.Request{Messages: []llm.Message{llm.User("Hi.")}}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(resp.Message.Text(), script.Requests()[0].Model)
	// Output:
	// Hello. gpt-4o-mini
}

// A stream breaks off, and the client asks again.
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

// Two agents ask at the same time, and which comes first nobody knows.
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

func ExampleFaults() {
	for _, f := range llmtest.Faults()[:12] {
		fmt.Println(f)
	}
	// Output:
	// status 429
	// status 429 with Retry-After 2
	// status 429 with Retry-After-Ms 1500
	// status 429 with Retry-After the date in 3s
	// status 401
	// status 400
	// status 500
	// status 502
	// status 503
	// late by 30s
	// stall for 20m0s after 0 pieces
	// stall for 20m0s after 1 piece
}

// A test of yours, which EveryFault runs in a bubble of fake time.
func ExampleEveryFault() {
	_ = func(t *testing.T) {
		steps := []llmtest.Step{llmtest.Text("It is 22 °C.")}
		llmtest.EveryFault(t, steps, func(t *testing.T, script *llmtest.Model) {
			synctest.Test(t, func(t *testing.T) {
				model := openai.Config{HTTPClient: script.Client(), Key: "k", Retry: wrap.Retry{Restart: true}}.Model("m")
				resp, err := model.Generate(t.Context(), &llm.Request{Messages: []llm.Message{llm.User("Hi.")}}, nil)
				if err == nil && resp.Message.Text() != "It is 22 °C." {
					t.Errorf("got %q", resp.Message.Text())
				}
			})
		})
	}
}
