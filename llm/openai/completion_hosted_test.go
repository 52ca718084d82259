package openai_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// TestHosted runs the golden cases of the tools that a provider runs itself.
func TestHosted(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("../../testdata/wire/hosted/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			t.Parallel()
			f, err := readFixture(path)
			require.NoError(t, err)
			mutations, err := f.mutations()
			require.NoError(t, err)
			var wrong []error
			for _, mode := range f.modes() {
				wrong = append(wrong, f.try(t.Context(), mode, mutations))
			}
			require.NoError(t, errors.Join(wrong...))
		})
	}
}

// TestHostedCalls tells calls that the provider has run from those that are left
// to us.
func TestHostedCalls(t *testing.T) {
	t.Parallel()
	declared := []llm.ToolDef{{Name: "f", Schema: json.RawMessage(`{"type":"object"}`)}}
	f := toolCall("c", "f", "{}")
	for _, tt := range []struct {
		name   string
		pieces []string // deltas, each with these tool calls
		parts  llm.Parts
		hosted string
	}{
		{"as it came", []string{`{"id":"c", "type":"mcp", "n":1.0}`}, nil, `[{"id":"c", "type":"mcp", "n":1.0}]`},
		{"function", []string{`{"id":"c","type":"function","function":{"name":"f"}}`}, llm.Parts{f}, ""},
		{"Function", []string{`{"id":"c","type":"Function","function":{"name":"f"}}`}, llm.Parts{f}, ""},
		{"no type", []string{`{"id":"c","function":{"name":"f"}}`}, llm.Parts{f}, ""},
		{"type without a text", []string{`{"id":"c","type":1,"function":{"name":"f"}}`}, llm.Parts{f}, ""},
		{"a declared function under another type", []string{`{"id":"c","type":"tool","function":{"name":"f"}}`}, llm.Parts{f}, ""},
		{"of which Kimi leaves the call to us", []string{`{"id":"c","type":"builtin_function","function":{"name":"$web_search"}}`}, llm.Parts{toolCall("c", "$web_search", "{}", member("type", `"builtin_function"`))}, ""},
		{"two without ids", []string{`{"type":"mcp"},{"type":"mcp"}`}, nil, `[{"type":"mcp"},{"type":"mcp"}]`},
		{
			"the index of a function", []string{`{"index":0,"type":"mcp"}`, `{"index":0,"id":"c","function":{"name":"f"}}`, `{"index":0,"function":{"arguments":"{}"}}`},
			llm.Parts{f}, `[{"index":0,"type":"mcp"}]`,
		},
		{
			"two of one index", []string{`{"index":0,"id":"a","type":"mcp"}`, `{"index":0,"id":"b","type":"mcp"}`, `{"index":0,"mcp":{"output":"x"}}`},
			nil, `[{"index":0,"id":"a","type":"mcp"},{"index":0,"id":"b","type":"mcp","mcp":{"output":"x"}}]`,
		},
		{
			"pieces", []string{
				`{"index":0,"id":"a","type":"mcp","mcp":{"type":"mcp_call","name":"s","arguments":"{\"q\":","output":null,"error":"","n":1}}`,
				`{"index":0,"mcp":{"name":"t","arguments":"\"\\ud83d"}}`, `{"index":0,"id":null,"type":null,"mcp":{"arguments":"\\ude00\"}","output":"o","n":null,"error":{}}}`,
			},
			nil, `[{"index":0,"id":"a","type":"mcp","mcp":{"type":"mcp_call","name":"t","arguments":"{\"q\":\"\\ud83d\\ude00\"}","output":"o","error":"","n":1}}]`,
		},
		{
			"told again", []string{`{"id":"a","type":"mcp","mcp":{"arguments":"{}","list":[1],"deep":{"x":1}}}`, `{"id":"a","type":"mcp","mcp":{"arguments":"{ }","list":[2],"deep":{"y":2}}}`},
			nil, `[{"id":"a","type":"mcp","mcp":{"arguments":"{ }","list":[2],"deep":{"x":1,"y":2}}}]`,
		},
		{"another kind of value", []string{`{"index":0,"type":"mcp","mcp":"a"}`, `{"index":0,"mcp":{"a":1}}`, `{"index":0,"mcp":[1]}`}, nil, `[{"index":0,"type":"mcp","mcp":[1]}]`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var data []string
			for _, p := range tt.pieces {
				data = append(data, delta(`{"tool_calls":[`+p+`]}`))
			}
			req := hello()
			req.Tools, req.Stream = declared, true
			resp, err := eventsOf(append(data, delta(`{"content":"x"}`), finishStop)...).config().Model("m").Generate(t.Context(), req, nil)
			require.NoError(t, err)
			var extra []llm.Member
			if tt.hosted != "" {
				extra = []llm.Member{member("tool_calls", tt.hosted)}
			}
			require.Equal(t, llm.Message{Role: llm.RoleAssistant, Parts: append(llm.Parts{llm.Text{Text: "x"}}, tt.parts...), Extra: extra}, resp.Message)
		})
	}
}

// TestTooManyHosted: they cost a server a few bytes each, whole or in pieces.
func TestTooManyHosted(t *testing.T) {
	t.Parallel()
	for name, item := range map[string]func(i int) string{
		"calls":   func(int) string { return `{"type":"mcp"}` },
		"members": func(i int) string { return fmt.Sprintf(`{"id":"a","type":"mcp","mcp":{"%d":{"a":1,"b":2}}}`, i) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := []string{}
			for i := range 20_000 {
				data = append(data, delta(`{"tool_calls":[`+item(i)+`]}`))
			}
			_, _, err := ask(t, eventsOf(append(data, `[DONE]`)...), true)
			require.ErrorContains(t, requireKind(t, llm.KindMalformed, err), "more calls, parts or members")
		})
	}
}

// TestHostedCallsGoBack to a provider that wants them, behind those that were ours,
// and to no other.
func TestHostedCallsGoBack(t *testing.T) {
	t.Parallel()
	const entry = `{"id":"m1", "type":"mcp"}`
	extra := []llm.Member{member("tool_calls", "["+entry+"]"), member("annotations", `[1]`)}
	called := llm.Message{Role: llm.RoleAssistant, Parts: llm.Parts{call2("c", "{}")}, Extra: extra}
	said := llm.Message{Role: llm.RoleAssistant, Parts: llm.Parts{llm.Text{Text: "a"}}, Extra: extra}
	for _, tt := range []struct {
		name string
		echo []string
		want string
	}{
		{"nobody asked", nil, `{"role":"user","content":"hi"},{"role":"assistant","content":null,"tool_calls":[` + oneCall + `]},{"role":"tool","tool_call_id":"c","content":"r"},{"role":"assistant","content":"a"}`},
		{
			"both", []string{"tool_calls", "annotations"},
			`{"role":"user","content":"hi"},{"role":"assistant","content":null,"tool_calls":[` + oneCall + `,` + entry + `],"annotations":[1]},` +
				`{"role":"tool","tool_call_id":"c","content":"r"},{"role":"assistant","content":"a","tool_calls":[` + entry + `],"annotations":[1]}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			req := &llm.Request{Messages: []llm.Message{llm.User("hi"), called, result("c", "r"), said}}
			body := sent(t, req, func(c *openai.Config) { c.Profile = &openai.Profile{Echo: tt.echo} })
			require.Equal(t, `{"model":"m","messages":[`+tt.want+`]}`, body)
		})
	}
}

const oneCall = `{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}`

// TestHostedLeaveTheMemo: they stand outside of the messages, which are encoded
// once whatever the tools are.
func TestHostedLeaveTheMemo(t *testing.T) {
	t.Parallel()
	w := &wire{body: ok}
	m, req := w.config().Model("m"), hello()
	req.Memo = new(llm.Memo)
	var want []string
	for i := range 3 {
		req.HostedTools = append(req.HostedTools, json.RawMessage(fmt.Sprintf(`{"type":"t%d"}`, i)))
		_, err := m.Generate(t.Context(), req, nil)
		require.NoError(t, err)
		tools, err := json.Marshal(req.HostedTools)
		require.NoError(t, err)
		want = append(want, `{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":`+string(tools)+`}`)
	}
	require.Equal(t, want, w.bodies)
}
