package mcp_test

import (
	"context"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

// inMemory dials a server in this process.
func inMemory(t *testing.T, s *sdk.Server) func(context.Context) (sdk.Transport, error) {
	return func(context.Context) (sdk.Transport, error) {
		ours, theirs := sdk.NewInMemoryTransports()
		session, err := s.Connect(context.WithoutCancel(t.Context()), theirs, nil)
		if err != nil {
			return nil, err
		}
		t.Cleanup(func() { _ = session.Close() })
		return ours, nil
	}
}

func TestClientListsAndCalls(t *testing.T) {
	t.Parallel()
	server := sdk.NewServer(&sdk.Implementation{Name: "s"}, nil)
	type in struct {
		Name string `json:"name"`
	}
	sdk.AddTool(server, &sdk.Tool{Name: "greet", Description: "Greets."}, func(_ context.Context, _ *sdk.CallToolRequest, a in) (*sdk.CallToolResult, any, error) {
		return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: "Hello " + a.Name}}}, nil, nil
	})
	client, err := mcp.Open(mcp.Server{Name: "s", Dial: inMemory(t, server)})
	require.NoError(t, err)
	defer client.Close()
	tools, err := client.Toolsets()[0].Tools(t.Context())
	require.NoError(t, err)
	require.Len(t, tools, 1)
	require.Equal(t, "s__greet", tools[0].Name())
	parts, err := tools[0].Call(t.Context(), []byte(`{"name":"Ann"}`))
	require.NoError(t, err)
	require.Equal(t, llm.Parts{llm.Text{Text: "Hello Ann"}}, parts)
}
