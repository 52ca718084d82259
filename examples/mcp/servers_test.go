package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

func TestNameOf(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]string{
		"npx -y @modelcontextprotocol/server-filesystem /tmp":          "filesystem",
		"npx -y @modelcontextprotocol/server-everything@2026.8 stdio":  "everything",
		"node /a/node_modules/@x/server-memory/dist/index.js":          "memory",
		"/usr/bin/node build/main.mjs":                                 "server",
		"uvx mcp-server-git --repository .":                            "git",
		"docker run -i --rm mcp/fetch":                                 "fetch",
		"/opt/tools/bin/mcp serve":                                     "mcp",
		"github-mcp-server.exe stdio":                                  "github",
		"python -m weather.server":                                     "weather-server",
		"a-name-that-is-much-longer-than-it-may-be-for-a-server-of-us": "a-name-that-is-much-longer-than",
		"-":  "server",
		"日本": "server",
	} {
		words, err := split(command)
		require.NoError(t, err)
		require.Equal(t, want, nameOf(words), command)
	}
}

func TestServers(t *testing.T) {
	t.Parallel()
	var s servers
	require.NoError(t, s.command(`KEY='a b' _x=1 notes --dir /tmp`))
	require.NoError(t, s.command(`notes`))
	require.NoError(t, s.command(`mine: notes`))
	require.NoError(t, s.address("https://mcp.example.com/v1"))
	require.NoError(t, s.header("Authorization:  Bearer x:y "))
	require.NoError(t, s.header("X-Team: 7"))
	require.NoError(t, s.address("two: http://127.0.0.1:8080"))
	require.Equal(t, []mcp.Server{
		{Name: "notes", Env: map[string]string{"KEY": "a b", "_x": "1"}, Command: []string{"notes", "--dir", "/tmp"}},
		{Name: "notes-2", Env: map[string]string{}, Command: []string{"notes"}},
		{Name: "mine", Env: map[string]string{}, Command: []string{"notes"}},
		{Name: "mcp-example-com", URL: "https://mcp.example.com/v1", Header: map[string]string{"Authorization": "Bearer x:y", "X-Team": "7"}},
		{Name: "two", URL: "http://127.0.0.1:8080"},
	}, s.all)
}

func TestVisible(t *testing.T) {
	t.Parallel()
	require.Equal(t, "{\"a\": \"é \\u202eb\\u200b\\udb40\\udc41\\u001b😀\"}\n", visible("{\"a\": \"é \u202eb\u200b\U000e0041\x1b😀\"}\n"))
}
