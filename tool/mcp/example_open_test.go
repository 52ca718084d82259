package mcp_test

import (
	"context"
	"fmt"
	"log"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

// An agent uses the tools of a server that is a program, here from npm.
func ExampleOpen() {
	model := openai.Model("gpt-4o-mini")
	client, err := mcp.Open(mcp.Server{
		Name:    "files",
		Command: []string{"npx", "-y", "@modelcontextprotocol/server-filesystem", "/srv/files"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	clerk := &agent.Agent{Name: "clerk", Model: model, Toolsets: client.Toolsets()}
	result, err := runner.Run(context.Background(), clerk, llm.User("What is in notes.txt?"))
	if err != nil {
		log.Fatal(err) // for example runner.ErrPaused: a call that writes a file needs approval
	}
	fmt.Println(result.Text)
}
