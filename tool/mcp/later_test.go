package mcp_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestServeLater: a client cannot wait for a result that comes later, and reads that.
func TestServeLater(t *testing.T) {
	t.Parallel()
	client := serve(t,
		made(tool.New("later", "Pays.", func(context.Context, refundArgs) (string, error) { return "", tool.Later("transfer-17") })),
		made(tool.External[refundArgs, string]("external", "Pays."))).client(t, nil)
	for _, name := range []string{"later", "external"} {
		text, failure := said(t, call(t, client, name, `{"order":"W1","cents":5}`))
		require.Equal(t, "The call was started, and its result comes later. This caller cannot wait for the result: do not repeat the call.", text)
		require.Equal(t, string(tool.Deferred), failure)
	}
}
