// Command client is the client that the MCP conformance suite tests. It opens the
// server at the given URL with mcp.Open, lists the tools, and makes the calls of the
// scenario as an agent's run would.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/seed-916e8f6a/toolloop/tool"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: client URL")
	}
	name := os.Getenv("MCP_CONFORMANCE_SCENARIO")
	s, err := newScenario(name, []byte(os.Getenv("MCP_CONFORMANCE_CONTEXT")))
	if err == nil {
		err = s.run(context.Background(), os.Args[1])
	}
	if err != nil {
		log.Fatalf("%s: %v", name, err)
	}
}

// A scenario describes what the client does in a scenario of the suite.
type scenario struct {
	server mcp.Server
	calls  func([]mcp.Definition) []call // nil means no calls
}

type call struct {
	Name      string
	Arguments json.RawMessage
}

// A setting is the context that the suite passes to a scenario.
type setting struct {
	ToolCalls    []call `json:"toolCalls"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
}

func newScenario(name string, context []byte) (*scenario, error) {
	var set setting
	if len(context) > 0 {
		if err := json.Unmarshal(context, &set); err != nil {
			return nil, fmt.Errorf("the setting: %w", err)
		}
	}
	s := &scenario{server: mcp.Server{
		Name: "suite", Bare: true, Required: true,
		Ask: func(mcp.Definition) bool { return false },
	}}
	if strings.HasPrefix(name, "auth/") {
		s.calls = these("test-tool", `{}`)
		if name == "auth/client-credentials-basic" {
			return s, s.authorizeAlone(set)
		}
		return s, s.authorize(set)
	}
	switch name {
	case "initialize", "request-metadata", "json-schema-ref-no-deref":
	case "tools_call":
		s.calls = these("add_numbers", `{"a":5,"b":3}`)
	case "sse-retry":
		s.calls = these("test_reconnection", `{}`)
	case "elicitation-sep1034-client-defaults":
		s.server.Elicit = accept(map[string]any{})
		s.calls = these("test_client_elicitation_defaults", `{}`)
	case "sep-2322-client-request-state":
		s.server.Elicit = accept(map[string]any{"confirmed": true})
		s.calls = every(`{}`)
	case "json-schema-2020-12-preservation":
		s.calls = echo
	case "http-standard-headers":
		s.calls = every(`{}`)
	case "http-custom-headers":
		s.calls = func([]mcp.Definition) []call { return set.ToolCalls }
	case "http-invalid-tool-headers":
		s.calls = every(`{"region":"us-west1"}`)
	default:
		return nil, errors.New("no such scenario")
	}
	return s, nil
}

func these(name, arguments string) func([]mcp.Definition) []call {
	return func([]mcp.Definition) []call { return []call{{name, json.RawMessage(arguments)}} }
}

// every calls each offered tool.
func every(arguments string) func([]mcp.Definition) []call {
	return func(definitions []mcp.Definition) []call {
		var all []call
		for _, d := range definitions {
			all = append(all, call{d.Name, json.RawMessage(arguments)})
		}
		return all
	}
}

// echo sends the schema of a tool to the suite's echo tool.
func echo(definitions []mcp.Definition) []call {
	for _, d := range definitions {
		if d.Name == "json_schema_2020_12_tool" {
			return []call{{"json_schema_echo", json.RawMessage(`{"schema":` + string(d.Schema) + `}`)}}
		}
	}
	return nil
}

func accept(content map[string]any) func(context.Context, *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
	return func(context.Context, *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
		return &sdk.ElicitResult{Action: "accept", Content: content}, nil
	}
}

func (s *scenario) run(ctx context.Context, url string) (err error) {
	s.server.URL = url
	client, err := mcp.Open(s.server)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	tools, err := client.Toolsets()[0].Tools(ctx)
	if err != nil {
		return err
	}
	if s.calls == nil {
		return nil
	}
	status := client.Status(ctx)[0]
	for _, c := range s.calls(status.Definitions) {
		if err := callTool(ctx, tools, status.Definitions, c); err != nil {
			log.Printf("%s: %v", c.Name, err) // the suite decides whether an error is right
		}
	}
	return nil
}

// callTool makes a call as a run does.
func callTool(ctx context.Context, tools []tool.Tool, definitions []mcp.Definition, c call) error {
	for i, d := range definitions {
		if d.Name != c.Name {
			continue
		}
		args, _, err := tools[i].Parse(string(c.Arguments))
		if err != nil {
			return err
		}
		_, err = tools[i].Call(ctx, args)
		return err
	}
	return errors.New("no such tool")
}
