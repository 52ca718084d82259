package llm_test

import (
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
)

func TestMessageAccessors(t *testing.T) {
	t.Parallel()
	call := llm.ToolCall{ID: "c", Name: "f", Arguments: "{}"}
	m := llm.Assistant("a", llm.Reasoning{Text: "r"}, llm.Text{Text: "b"}, call, llm.Refusal{Text: "n"}, call)
	require.Equal(t, "ab", m.Text())
	require.Equal(t, "r", m.Reasoning())
	require.Equal(t, "n", m.Refusal())
	require.Equal(t, []llm.ToolCall{call, call}, m.Calls())
	result := llm.ToolResult{CallID: "c"}
	require.Equal(t, []llm.ToolResult{result}, llm.Message{Role: llm.RoleTool, Parts: llm.Parts{result}}.Results())
	require.Equal(t, llm.Message{Role: llm.RoleUser}, llm.User(""))
	require.Empty(t, llm.User("").Text())
}

// TestToolResultText: what a tool says in several parts stays apart.
func TestToolResultText(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		parts llm.Parts
		want  string
	}{
		{nil, ""},
		{llm.Parts{llm.Text{Text: "22"}}, "22"},
		{llm.Parts{llm.Text{Text: "total: 42"}, llm.Text{Text: "7 rows"}}, "total: 42\n7 rows"},
		{llm.Parts{llm.Text{Text: "total: 42"}, llm.Image{URL: "u"}, llm.Text{}, llm.Text{Text: "7 rows"}}, "total: 42\n7 rows"},
		{llm.Parts{llm.Text{}, llm.Text{Text: "a"}, llm.Text{}}, "a"},
		{llm.Parts{llm.Text{Text: "a\n"}, llm.Text{Text: "b "}, llm.Text{Text: "c"}, llm.Text{Text: "\u00a0d"}, llm.Text{Text: "\n"}, llm.Text{Text: "é"}, llm.Text{Text: "é"}}, "a\nb c\u00a0d\né\né"},
	} {
		require.Equal(t, tt.want, llm.ToolResult{Parts: tt.parts}.Text())
	}
}

func TestFinishOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		raw, native string
		want        llm.FinishReason
	}{
		{"", "", ""},
		{"stop", "", llm.FinishStop},
		{"EOS", "", llm.FinishStop},
		{"tool_calls", "", llm.FinishToolCalls},
		{"function_call", "", llm.FinishToolCalls},
		{"length", "", llm.FinishLength},
		{"content_filter", "", llm.FinishContentFilter},
		{"network_error", "", llm.FinishError},
		{"dreaming", "", llm.FinishOther},
		{"tool_calls", "max_output_tokens", llm.FinishLength},
		{"tool_calls", "completed", llm.FinishToolCalls},
		{"stop", "SAFETY", llm.FinishContentFilter},
		{"", "tool_use", llm.FinishToolCalls},
		{"stop", "dreaming", llm.FinishStop},
	} {
		require.Equal(t, llm.Finish{Reason: tt.want, Raw: tt.raw, Native: tt.native}, llm.FinishOf(tt.raw, tt.native))
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	hi := []llm.Message{llm.User("hi")}
	f := []llm.ToolDef{{Name: "f"}}
	for _, tt := range []struct {
		name string
		req  llm.Request
		want string
	}{
		{"good", llm.Request{Messages: hi, Tools: f, Settings: llm.Settings{N: 1, ToolChoice: llm.ToolNamed("f")}}, ""},
		{"n", llm.Request{Messages: hi, Settings: llm.Settings{N: 2}}, "llm: n is 2: one answer is asked for at a time"},
		{"n below zero", llm.Request{Messages: hi, Settings: llm.Settings{N: -1}}, "llm: n is -1"},
		{"no messages", llm.Request{}, "llm: the request has no messages"},
		{"tokens", llm.Request{Messages: hi, Settings: llm.Settings{MaxOutputTokens: -1}}, "llm: MaxOutputTokens is -1"},
		{"twice", llm.Request{Messages: hi, Tools: append(f, f...)}, `llm: two tools are named "f"`},
		{"choice", llm.Request{Messages: hi, Settings: llm.Settings{ToolChoice: "any"}}, `llm: unknown tool choice "any"`},
		{"good, among", llm.Request{Messages: hi, Tools: f, Settings: llm.Settings{ToolChoice: llm.ToolAmong(llm.ToolRequired, "f")}}, ""},
		{"among, no tool", llm.Request{Messages: hi, Tools: f, Settings: llm.Settings{ToolChoice: llm.ToolAmong(llm.ToolAuto)}}, `llm: the tool choice among tools names no tool`},
		{"among, another tool", llm.Request{Messages: hi, Tools: f, Settings: llm.Settings{ToolChoice: llm.ToolAmong(llm.ToolAuto, "f", "g")}}, `llm: the tool choice names "g", which is not a tool of the request`},
		{"among, none", llm.Request{Messages: hi, Tools: f, Settings: llm.Settings{ToolChoice: llm.ToolAmong(llm.ToolNone, "f")}}, `llm: the tool choice among tools has the mode "none", not "auto" or "required"`},
		{"named", llm.Request{Messages: hi, Tools: f, Settings: llm.Settings{ToolChoice: llm.ToolNamed("g")}}, `llm: the tool choice names "g", which is not a tool of the request`},
		{"hosted", hosted(`{"type":"mcp"}`, ` {} `), ""},
		{"hosted, no JSON", hosted(`{}`, `{"type"`), "llm: hosted tool 1: is not a JSON object"},
		{"hosted, empty", hosted(``), "llm: hosted tool 0: is not a JSON object"},
		{"hosted, null", hosted(`null`), "llm: hosted tool 0: is not a JSON object"},
		{"hosted, a list", hosted(`[{}]`), "llm: hosted tool 0: is not a JSON object"},
		{"hosted, a function", hosted(`{"type": "function","function":{}}`), `llm: hosted tool 0: a tool of type "function" is run by the caller, so it belongs into Tools`},
		{"hosted, a custom tool", hosted(`{"type":"custom"}`), `llm: hosted tool 0: a tool of type "custom" is run by the caller, so it belongs into Tools`},
		{"hosted, many", hosted(slices.Repeat([]string{`{}`}, 129)...), "llm: 129 hosted tools, of 128 at most"},
		{"hosted, as many as may be", hosted(slices.Repeat([]string{`{}`}, 128)...), ""},
		{"hosted, long", hosted(`{"a":"` + strings.Repeat("x", 1<<20) + `"}`), "llm: hosted tool 0: 1048584 bytes, of 1048576 at most"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := tt.req.Validate()
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, tt.want)
		})
	}
}

func hosted(tools ...string) llm.Request {
	req := llm.Request{Messages: []llm.Message{llm.User("hi")}}
	for _, t := range tools {
		req.HostedTools = append(req.HostedTools, json.RawMessage(t))
	}
	return req
}

func TestAPIError(t *testing.T) {
	t.Parallel()
	e := &llm.APIError{Kind: llm.KindRateLimit, Provider: "openai", StatusCode: 429, Message: "slow down"}
	require.EqualError(t, e, "openai: 429 rate_limit: slow down")
	require.True(t, e.Retryable())
	cut := &llm.APIError{Kind: llm.KindTruncated, Provider: "openai", Err: io.ErrUnexpectedEOF}
	require.EqualError(t, cut, "openai: truncated: unexpected EOF")
	require.ErrorIs(t, cut, io.ErrUnexpectedEOF)
	for kind, want := range map[llm.ErrorKind]bool{
		llm.KindAuth: false, llm.KindPermission: false, llm.KindNotFound: false, llm.KindInvalidRequest: false, llm.KindTooLarge: false,
		llm.KindContextOverflow: false, llm.KindContentFilter: false, llm.KindQuota: false, llm.KindMalformed: false,
		llm.KindRateLimit: true, llm.KindConflict: true, llm.KindOverloaded: true, llm.KindServer: true, llm.KindTimeout: true,
		llm.KindNetwork: true, llm.KindTruncated: true,
	} {
		require.Equal(t, want, (&llm.APIError{Kind: kind}).Retryable(), kind)
	}
	require.False(t, errors.Is(e, io.EOF))
}

func TestMemo(t *testing.T) {
	t.Parallel()
	made := 0
	mk := func() any { made++; return made }
	var m llm.Memo
	require.Equal(t, 1, m.Slot("a", mk))
	require.Equal(t, 1, m.Slot("a", mk))
	require.Equal(t, 2, m.Slot("b", mk))
	var none *llm.Memo
	require.Equal(t, 3, none.Slot("a", mk))
	require.Equal(t, 4, none.Slot("a", mk))
}

func TestUsageAdd(t *testing.T) {
	t.Parallel()
	u := llm.Usage{
		InputTokens: 1, CachedTokens: 2, CacheWriteTokens: 3, InputAudioTokens: 4,
		OutputTokens: 5, ReasoningTokens: 6, OutputAudioTokens: 7, TotalTokens: 8,
	}
	require.Equal(t, llm.Usage{
		InputTokens: 2, CachedTokens: 4, CacheWriteTokens: 6, InputAudioTokens: 8,
		OutputTokens: 10, ReasoningTokens: 12, OutputAudioTokens: 14, TotalTokens: 16,
	}, u.Add(u))
}
