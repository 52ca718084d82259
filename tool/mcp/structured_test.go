package mcp_test

import (
	"context"
	"encoding/json"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

// TestStructuredContentIsToldOnce: servers repeat a structured result in their content,
// as the protocol requires, and wrap values that are not objects. The model reads the
// result once, unless the two differ.
func TestStructuredContentIsToldOnce(t *testing.T) {
	t.Parallel()
	text := func(s string) sdk.Content { return &sdk.TextContent{Text: s} }
	picture := &sdk.ImageContent{Data: []byte("\x89PNG"), MIMEType: "image/png"}
	for _, tt := range []struct {
		name       string
		structured string
		content    []sdk.Content
		want       []string // texts
	}{
		{"the same", `{"a":1,"b":[2]}`, []sdk.Content{text("{\n \"b\": [2], \"a\": 1}")}, []string{"{\n \"b\": [2], \"a\": 1}"}},
		{"the same text, wrapped", `{"content":"one\ntwo"}`, []sdk.Content{text("one\ntwo")}, []string{"one\ntwo"}},
		{"the same JSON, wrapped", `{"entities":[{"a":1}]}`, []sdk.Content{text(`[{"a": 1}]`)}, []string{`[{"a": 1}]`}},
		{"a number, wrapped", `{"result":3}`, []sdk.Content{text("3")}, []string{"3"}},
		{"a list, an element in each part", `{"result":["x",{"a":1}]}`, []sdk.Content{text("x"), text(`{"a":1}`)}, []string{"x", "\n{\"a\":1}"}},
		{"the content itself", `{"content":[{"type":"image","data":"iVBORw==","mimeType":"image/png"}]}`, []sdk.Content{picture}, nil},
		{"beside other texts", `{"a":1}`, []sdk.Content{text("Here it is:"), text(`{"a":1}`)}, []string{"Here it is:", "\n{\"a\":1}"}},
		{"more than the text", `{"ok":true,"message":"Done"}`, []sdk.Content{text("Done")}, []string{"Done", "\n{\"ok\":true,\"message\":\"Done\"}"}},
		{"another text", `{"content":"two"}`, []sdk.Content{text("one")}, []string{"one", "\n{\"content\":\"two\"}"}},
		{"another number", `{"n":1.0}`, []sdk.Content{text(`{"n":1}`)}, []string{`{"n":1}`, "\n{\"n\":1.0}"}},
		{"a part of the list", `{"result":["x","y"]}`, []sdk.Content{text("x")}, []string{"x", "\n{\"result\":[\"x\",\"y\"]}"}},
		{"an empty list", `{"result":[]}`, []sdk.Content{}, []string{`{"result":[]}`}},
		{"null, wrapped", `{"result":null}`, []sdk.Content{text("")}, []string{`{"result":null}`}},
		{"alone", `{"n":12345678901234567890}`, []sdk.Content{}, []string{`{"n":12345678901234567890}`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := sdk.NewServer(&sdk.Implementation{Name: "s"}, nil)
			server.AddTool(&sdk.Tool{Name: "f", InputSchema: json.RawMessage(`{"type":"object"}`)}, func(context.Context, *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
				return &sdk.CallToolResult{Content: tt.content, StructuredContent: json.RawMessage(tt.structured)}, nil
			})
			client, err := mcp.Open(mcp.Server{Name: "s", Dial: inMemory(t, server)})
			require.NoError(t, err)
			defer func() { require.NoError(t, client.Close()) }()
			tools, err := client.Toolsets()[0].Tools(t.Context())
			require.NoError(t, err)
			parts, err := tools[0].Call(t.Context(), json.RawMessage(`{}`))
			require.NoError(t, err)
			var texts []string
			for _, p := range parts {
				if t, ok := p.(llm.Text); ok {
					texts = append(texts, t.Text)
				}
			}
			require.Equal(t, tt.want, texts)
		})
	}
}
