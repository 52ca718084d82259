package mcp_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

func TestConfig(t *testing.T) { // sets variables
	t.Setenv("MCP_TEST_TOKEN", "s3cret")
	t.Setenv("MCP_TEST_EMPTY", "")
	for _, tt := range []struct {
		name, data string
		want       []mcp.Server
		err        string
	}{
		{"a process", `{"mcpServers":{"z":{"type":"stdio","command":"npx","args":["-y","${MCP_TEST_TOKEN}","$HOME"],"env":{"A":"x${env:MCP_TEST_TOKEN}y","B":"${MCP_TEST_EMPTY}"},"cwd":"${MCP_TEST_NONE:-/tmp}"},"a":{"command":"b"}}}`, []mcp.Server{
			{Name: "z", Command: []string{"npx", "-y", "s3cret", "$HOME"}, Env: map[string]string{"A": "xs3crety", "B": ""}, Dir: "/tmp"},
			{Name: "a", Command: []string{"b"}},
		}, ""},
		{"an address", `{"servers":{"s":{"type":"streamableHttp","url":"https://h/${MCP_TEST_EMPTY:-mcp}","headers":{"Authorization":"Bearer ${MCP_TEST_TOKEN}"},"alwaysAllow":["*"]}}}`, []mcp.Server{
			{Name: "s", URL: "https://h/mcp", Header: map[string]string{"Authorization": "Bearer s3cret"}},
		}, ""},
		{"names of others", `{"mcpServers":{"Brave Search!":{"command":"a"},"a__b_":{"command":"a"},"größe.x":{"command":"a"}}}`, []mcp.Server{
			{Name: "Brave-Search", Command: []string{"a"}}, {Name: "a_b", Command: []string{"a"}}, {Name: "gr-e-x", Command: []string{"a"}},
		}, ""},
		{"disabled", `{"mcpServers":{"a":{"disabled":true,"command":"${MCP_TEST_NONE}"}}}`, []mcp.Server{}, ""},
		{"none", `{"mcpServers":{}}`, []mcp.Server{}, ""},
		{"unknown variable", `{"mcpServers":{"a":{"command":"x","env":{"K":"s3cret${MCP_TEST_NONE}"}}}}`, nil, `mcp server "a": "env/K": the variable "MCP_TEST_NONE" is not set`},
		{"unknown input", `{"mcpServers":{"a":{"command":"x","args":["a","${input:key}"]}}}`, nil, `mcp server "a": "args/1": the variable "input:key" is not set`},
		{"same names", `{"mcpServers":{"a b":{"command":"x"},"a.b":{"command":"x"}}}`, nil, `mcp servers "a b" and "a.b": both are named "a-b" here`},
		{"no name", `{"mcpServers":{"!":{"command":"x"}}}`, nil, `mcp server "!": Name: must have 1 to 32 letters, digits, - and single _, and must not end in _`},
		{"both ways", `{"mcpServers":{"a":{"command":"x","url":"http://h/"}}}`, nil, `mcp server "a": has "command" and "url", of which exactly one must be set`},
		{"neither", `{"mcpServers":{"a":{}}}`, nil, `mcp server "a": has neither "command" nor "url"`},
		{"misspelt", `{"mcpServers":{"a":{"comand":"s3cret","args":["s3cret"],"env":null}}}`, nil, `mcp server "a": has neither "command" nor "url", but "comand", "args", "env"`},
		{"empty", `{"mcpServers":{"a":{"command":"","url":""}}}`, nil, `mcp server "a": has neither "command" nor "url", but "command", "url"`},
		{"null", `{"mcpServers":{"a":null}}`, nil, `mcp server "a": has neither "command" nor "url"`},
		{"type without its member", `{"mcpServers":{"a":{"type":"http","command":"x"}}}`, nil, `mcp server "a": "type" is http, and there is no "url"`},
		{"old transport", `{"mcpServers":{"a":{"type":"sse","url":"http://h/"}}}`, nil, `mcp server "a": "type" sse is the old transport; where a server has no other, use Server.Dial with the SDK's SSEClientTransport`},
		{"unknown type", `{"mcpServers":{"a":{"type":"pigeon"}}}`, nil, `mcp server "a": unknown "type" "pigeon"`},
		{"wrong kind", `{"mcpServers":{"a":{"command":["s3cret"]}}}`, nil, `mcp server "a": "command" is not a string`},
		{"no object", `{"mcpServers":["s3cret"]}`, nil, `mcp servers: "mcpServers" is not an object`},
		{"a server in capitals", `{"mcpServers":{"a":{"Command":"s3cret","command":"x"}}}`, nil, `mcp server "a": "Command" is not read; it is spelt "command"`},
		{"disabled in capitals", `{"mcpServers":{"a":{"command":"x","Disabled":true}}}`, nil, `mcp server "a": "Disabled" is not read; it is spelt "disabled"`},
		{"servers in capitals", `{"MCPServers":{},"mcpServers":{"a":{"command":"x"}}}`, nil, `mcp servers: "MCPServers" is not read; it is spelt "mcpServers"`},
		{"servers twice", `{"mcpServers":{"a":{"command":"x"}},"mcpServers":{}}`, nil, `mcp servers: there is more than one "mcpServers"`},
		{"a server twice", `{"mcpServers":{"a":{"command":"x"},"a":{"command":"y"}}}`, nil, `mcp servers: there is more than one "a"`},
		{"a member twice", `{"mcpServers":{"a":{"command":"x","command":"y"}}}`, nil, `mcp server "a": there is more than one "command"`},
		{"a variable twice", `{"mcpServers":{"a":{"command":"x","env":{"K":"1","K":"2"}}}}`, nil, `mcp server "a": "env": there is more than one "K"`},
		{"a header twice", `{"mcpServers":{"a":{"url":"http://h/","headers":{"x-key":"1","X-Key":"2"}}}}`, nil, `mcp server "a": Header: there is more than one "X-Key"`},
		{"a variable in capitals", `{"mcpServers":{"a":{"command":"x","env":{"k":"1","K":"2"}}}}`, []mcp.Server{{Name: "a", Command: []string{"x"}, Env: map[string]string{"k": "1", "K": "2"}}}, ""},
		{"a wrong kind within", `{"mcpServers":{"a":{"command":"x","env":{"K":7}}}}`, nil, `mcp server "a": "env" is not a string`},
		{"a server that is none", `{"mcpServers":{"a":7}}`, nil, `mcp server "a": it is not a JSON object`},
		{"no servers", `{}`, nil, `mcp servers: there is no "mcpServers"`},
		{"no JSON", `{"mcpServers":s3cret}`, nil, `mcp servers: invalid JSON at byte 15`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := mcp.ParseConfig([]byte(tt.data))
			require.Equal(t, tt.want, got)
			if tt.err == "" {
				require.NoError(t, err)
				_, err = mcp.Open(got...)
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, tt.err)
		})
	}
}

func TestReadConfig(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "mcp.json")
	_, err := mcp.ReadConfig(name)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NoError(t, os.WriteFile(name, []byte(`{"mcpServers":{"a":{"command":"x"}}}`), 0o600))
	servers, err := mcp.ReadConfig(name)
	require.NoError(t, err)
	require.Equal(t, []mcp.Server{{Name: "a", Command: []string{"x"}}}, servers)
	require.NoError(t, os.WriteFile(name, []byte(`{}`), 0o600))
	_, err = mcp.ReadConfig(name)
	require.EqualError(t, err, name+`: mcp servers: there is no "mcpServers"`)
}
