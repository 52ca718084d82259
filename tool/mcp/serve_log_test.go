package mcp_test

import (
	"bytes"
	"context"
	"log/slog"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

// TestServePanics: the log has the details of a panic, which the client does not get.
// The test is not parallel, since slog.Default is global.
func TestServePanics(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))

	broken := made(tool.New("broken", "", func(context.Context, struct{}) (string, error) { panic("out of cheese") }))
	ours, theirs := sdk.NewInMemoryTransports()
	served := make(chan error, 1)
	go func() { served <- mcp.Serve(t.Context(), ours, broken) }()
	client, err := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil).Connect(t.Context(), theirs, nil)
	require.NoError(t, err)
	text, failure := said(t, call(t, client, "broken", `{}`))
	require.NoError(t, client.Close())
	require.NoError(t, <-served)

	require.Equal(t, string(tool.Panicked), failure)
	require.NotContains(t, text, "cheese")
	require.Contains(t, log.String(), `msg="tool panicked" tool=broken error=`)
	require.Contains(t, log.String(), "out of cheese")
	require.Contains(t, log.String(), "serve_log_test.go", "the stack")
}
