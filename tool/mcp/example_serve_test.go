package mcp_test

import (
	"context"
	"fmt"
	"log"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

type greetArgs struct {
	Name string `json:"name"`
}

// A server offers a Go function as a tool, and an agent uses the tool. Here both are
// in one process.
func ExampleServe() {
	greet := tool.Must(tool.New("greet", "Greets somebody.", func(_ context.Context, in greetArgs) (string, error) {
		return "Hello, " + in.Name + "!", nil
	}))
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	client, err := mcp.Open(mcp.Server{
		Name: "office",
		Dial: func(context.Context) (sdk.Transport, error) {
			ours, theirs := sdk.NewInMemoryTransports()
			go func() { _ = mcp.Serve(ctx, theirs, greet) }() // over stdio: mcp.Serve(ctx, &sdk.StdioTransport{}, greet)
			return ours, nil
		},
		Ask: func(mcp.Definition) bool { return false }, // our own server: calls need no approval
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	model := llmtest.NewScript(llmtest.Calls("office__greet", greetArgs{"Ada"}), llmtest.Text("Ada was greeted."))
	clerk := &agent.Agent{Name: "clerk", Model: model, Toolsets: client.Toolsets()}
	result, err := runner.Run(ctx, clerk, llm.User("Greet Ada."))
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range result.Messages[2].Results() {
		fmt.Println(r.Name, r.Text())
	}
	fmt.Println(result.Text)
	// Output:
	// office__greet Hello, Ada!
	// Ada was greeted.
}
