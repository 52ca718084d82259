package main

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

// TestSection: the text about servers.
func TestSection(t *testing.T) {
	t.Parallel()
	require.Equal(t, `desk: 1 tool, and the list has no end

  desk__pay (asks for approval, idempotent)
    Pays.
    {
      "type": "object"
    }
    returns:
    {
      "type": "string"
    }

  left out: "pay\u202e": there is another of this name

`, section(mcp.Status{
		Server: "desk",
		Definitions: []mcp.Definition{{
			Tool: "desk__pay", Description: "Pays.", Schema: json.RawMessage(`{"type":"object"}`), Output: json.RawMessage(`{"type":"string"}`), Idempotent: true,
		}},
		LeftOut: []mcp.LeftOut{{Name: "pay\u202e", Reason: "there is another\nof this name"}},
		Err:     errors.New("the list has no end"),
	}))
	require.Equal(t, "desk: nobody is there\n\n", section(mcp.Status{Server: "desk", Err: errors.New("nobody is there")}))
	require.Equal(t, "desk: 0 tools\n\n", section(mcp.Status{Server: "desk"}))
}
