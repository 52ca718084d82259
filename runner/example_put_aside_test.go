package runner_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// The log has 40 KB. The model gets the beginning and searches in the rest.
func ExampleRunner_putAside() {
	fetch := tool.Must(tool.New("fetch_log", "Fetches the log of a server.", func(context.Context, struct{}) (string, error) {
		return strings.Repeat("GET /index.html 200\n", 2000) + "GET /orders 500 disk full\n", nil
	}))
	model := llmtest.NewScript( // in place of a real model
		llmtest.Calls("fetch_log", nil),
		llmtest.Calls("read_result", map[string]string{"result": "r1.t1.c0", "search": " 500 "}),
		llmtest.Text("The disk is full."),
	)
	r := runner.Runner{Model: model, PutAside: 4 << 10}
	result, err := r.Run(context.Background(), &agent.Agent{Tools: []tool.Tool{fetch}}, llm.User("What is wrong?"))
	if err != nil {
		fmt.Println(err)
		return
	}
	beginning, found := result.Messages[2].Results()[0].Text(), result.Messages[4].Results()[0].Text()
	fmt.Println(len(beginning) < 4<<10, strings.Contains(found, "offset 40011: "), strings.Contains(found, "disk full"))
	fmt.Println(result.Text)
	// Output:
	// true true true
	// The disk is full.
}
