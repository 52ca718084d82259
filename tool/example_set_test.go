package tool_test

import (
	"context"
	"fmt"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
)

type userKey struct{}

// The tools depend on the user, and a Set lists them before each turn.
func ExampleSet() {
	action := func(name string) tool.Tool {
		return tool.Must(tool.New(name, "Acts on an order.", func(context.Context, struct{}) (string, error) { return "done", nil }))
	}
	orders := tool.Set{
		Name:   "orders",
		Prefix: "orders__",
		List: func(ctx context.Context) ([]tool.Tool, error) {
			if ctx.Value(userKey{}) == "manager" {
				return []tool.Tool{action("show"), action("cancel")}, nil
			}
			return []tool.Tool{action("show")}, nil
		},
	}
	for _, user := range []string{"clerk", "manager"} {
		script := llmtest.NewScript(llmtest.Text("Hello."))
		ctx := context.WithValue(context.Background(), userKey{}, user)
		_, err := runner.Run(ctx, &agent.Agent{Model: script, Toolsets: []tool.Set{orders}}, llm.User("Hello."))
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, offered := range script.Requests()[0].Tools {
			fmt.Println(user, offered.Name)
		}
	}
	// Output:
	// clerk orders__show
	// manager orders__show
	// manager orders__cancel
}
