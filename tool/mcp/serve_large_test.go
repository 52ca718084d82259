//go:build !race

package mcp_test

import (
	"context"
	"strings"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestServedLarge: no result is too large for a client of the SDK. With the race
// detector the test would take a minute.
func TestServedLarge(t *testing.T) {
	t.Parallel()
	client := serve(t,
		made(tool.New("text", "", func(context.Context, struct{}) (string, error) {
			return strings.Repeat("<", 3<<20), nil
		}, tool.MaxResult(-1))),
		made(tool.New("default", "", func(context.Context, struct{}) (string, error) { return strings.Repeat("x", 1<<20), nil })),
		made(tool.New("images", "", func(context.Context, struct{}) (llm.Parts, error) {
			return llm.Parts{llm.Image{Data: make([]byte, 8<<20), MediaType: "image/x"}, llm.Image{Data: make([]byte, 4<<20)}, llm.Text{Text: "bo"}, llm.Text{Text: "th"}}, nil
		}))).client(t, nil)

	const note = "\n[The result is cut off: 1572864 of its 3145728 bytes are left out.]"
	text, _ := said(t, call(t, client, "text", ""))
	require.Equal(t, strings.Repeat("<", 3<<19)+note, text)
	cut, _ := said(t, call(t, client, "default", ""))
	require.Equal(t, strings.Repeat("x", 256<<10)+"\n[The result is cut off: 786432 of its 1048576 bytes are left out.]", cut)

	images := call(t, client, "images", "").Content
	require.Len(t, images, 2)
	require.Len(t, images[0].(*sdk.ImageContent).Data, 8<<20)
	require.Equal(t, "\n[An image of 4194304 bytes is left out: there is no room for it in a message.]\nbo\nth", images[1].(*sdk.TextContent).Text)
}
