package openai_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
)

func toolCall(id, name, arguments string, extra ...llm.Member) llm.ToolCall {
	return llm.ToolCall{ID: id, Name: name, Arguments: arguments, Extra: extra}
}

func member(name, value string) llm.Member { return llm.Member{Name: name, Value: value} }

// TestDecodeMessage decodes each message as a document, and as the one delta of
// a stream: the Responses are the same.
func TestDecodeMessage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, message string
		want          llm.Parts
		extra         []llm.Member
	}{
		{name: "string", message: `{"role":"assistant","content":"a \u00fc \ud83d\ude00"}`, want: llm.Parts{llm.Text{Text: "a ü 😀"}}},
		{name: "nothing", message: `{"content":null,"refusal":null,"tool_calls":null,"function_call":null,"audio":null}`},
		{name: "empty", message: `{"content":"","refusal":"","reasoning":"","tool_calls":[],"annotations":[],"x":{},"y":"","z":null}`},
		{name: "lone surrogate", message: `{"content":"a\ud83d"}`, want: llm.Parts{llm.Text{Text: "a�"}}},
		{name: "invalid UTF-8", message: "{\"content\":\"a\xff\"}", want: llm.Parts{llm.Text{Text: "a�"}}},
		{name: "parts", message: `{"content":[{"type":"thinking","thinking":[{"type":"text","text":"t1"},{"type":"text","text":"t2"}]},{"type":"text","text":"a"},{"type":"text","text":"b"},{"type":"reference","reference_ids":[1]},{"type":"text","text":"c","cache":1}]}`,
			want: llm.Parts{llm.Reasoning{Text: "t1t2"}, llm.Text{Text: "ab"}, llm.RawPart{JSON: `{"type":"reference","reference_ids":[1]}`}, llm.Text{Text: "c", Extra: []llm.Member{member("cache", "1")}}}},
		{name: "parts that are strings", message: `{"content":["a",{"type":"thinking","thinking":"t"},{"type":"refusal","refusal":"no"}]}`,
			want: llm.Parts{llm.Text{Text: "a"}, llm.Reasoning{Text: "t"}, llm.Refusal{Text: "no"}}},
		{name: "object", message: `{"content":{"a": [1, 2.50],"b":"<x>"}}`, want: llm.Parts{llm.Text{Text: `{"a":[1,2.50],"b":"<x>"}`}}},
		{name: "number", message: `{"content":42}`, want: llm.Parts{llm.Text{Text: `42`}}},
		{name: "refusal", message: `{"content":null,"refusal":"no"}`, want: llm.Parts{llm.Refusal{Text: "no"}}},
		{name: "reasoning_content", message: `{"content":"a","reasoning_content":"t"}`, want: llm.Parts{llm.Reasoning{Text: "t", Field: "reasoning_content"}, llm.Text{Text: "a"}}},
		{name: "reasoning", message: `{"reasoning":"t","reasoning_content":null}`, want: llm.Parts{llm.Reasoning{Text: "t", Field: "reasoning"}}},
		{name: "reasoning_text", message: `{"reasoning_text":"t","reasoning":""}`, want: llm.Parts{llm.Reasoning{Text: "t", Field: "reasoning_text"}}},
		{name: "the same under two names", message: `{"reasoning":"t","reasoning_content":"t"}`, want: llm.Parts{llm.Reasoning{Text: "t", Field: "reasoning_content"}}},
		{name: "reasoning that is an object", message: `{"reasoning":{"a":1},"content":"a"}`, want: llm.Parts{llm.Text{Text: "a"}}, extra: []llm.Member{member("reasoning", `{"a":1}`)}},
		{name: "unknown members", message: `{"content":"a","reasoning_details":[{"b": 2}],"annotations":[],"weight":1.0}`, want: llm.Parts{llm.Text{Text: "a"}},
			extra: []llm.Member{member("reasoning_details", `[{"b": 2}]`), member("weight", "1.0")}},
		{name: "audio", message: `{"content":null,"audio":{"id":"au","expires_at":1,"data":"YWI=","transcript":"hey"}}`, want: llm.Parts{llm.Audio{ID: "au", Data: []byte("ab"), Transcript: "hey"}}},
		{name: "call", message: `{"content":null,"tool_calls":[{"id":"a","type":"function","index":0,"function":{"name":"f","arguments":"{\"x\": 1}"}}]}`, want: llm.Parts{toolCall("a", "f", `{"x": 1}`)}},
		{name: "calls beside text and thinking", message: `{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}},{"id":"b","function":{"name":"g","arguments":"{}"}}],"content":"c","reasoning":"t"}`,
			want: llm.Parts{llm.Reasoning{Text: "t", Field: "reasoning"}, llm.Text{Text: "c"}, toolCall("a", "f", `{}`), toolCall("b", "g", `{}`)}},
		{name: "no arguments", message: `{"tool_calls":[{"id":"a","function":{"name":"f","arguments":""}},{"id":"b","function":{"name":"f","arguments":null}},{"id":"c","function":{"name":"f"}},{"id":"d","function":{"name":"f","arguments":" "}},{"id":"e","function":{"name":"f","arguments":"null"}}]}`,
			want: llm.Parts{toolCall("a", "f", "{}"), toolCall("b", "f", "{}"), toolCall("c", "f", "{}"), toolCall("d", "f", "{}"), toolCall("e", "f", "{}")}},
		{name: "arguments that are no string", message: `{"tool_calls":[{"id":"a","function":{"name":"f","arguments":{"x": 1}}},{"id":"b","function":{"name":"f","arguments":[1]}},{"id":"c","function":{"name":"f","arguments":0}}]}`,
			want: llm.Parts{toolCall("a", "f", `{"x": 1}`), toolCall("b", "f", `[1]`), toolCall("c", "f", `0`)}},
		{name: "arguments that are no JSON", message: `{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{\"x\":"}}]}`, want: llm.Parts{toolCall("a", "f", `{"x":`)}},
		{name: "calls with members of the provider", message: `{"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"s"}},"empty":null}]}`,
			want: llm.Parts{toolCall("a", "f", "{}", member("extra_content", `{"google":{"thought_signature":"s"}}`))}},
		{name: "calls without ids", message: `{"tool_calls":[{"function":{"name":"f","arguments":"{}"}},{"id":"","function":{"name":"f","arguments":"{}"}},{"id":null,"function":{"name":"g","arguments":"{}"}}]}`,
			want: llm.Parts{toolCall("", "f", "{}"), toolCall("", "f", "{}"), toolCall("", "g", "{}")}},
		{name: "the form before tools", message: `{"content":null,"function_call":{"name":"f","arguments":"{\"a\":1}"}}`, want: llm.Parts{toolCall("", "f", `{"a":1}`)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			whole, _, err := ask(t, &wire{body: " \n" + `{"id":"r","model":"x","choices":[{"index":0,"message":` + tt.message + `,"finish_reason":"stop"}],"error":null}`}, false)
			require.NoError(t, err)
			require.Equal(t, llm.Message{Role: llm.RoleAssistant, Parts: tt.want, Extra: tt.extra}, whole.Message)
			streamed, _, err := ask(t, eventsOf(`{"id":"r","model":"x","choices":[{"index":0,"delta":`+tt.message+`}],"error":null}`, finishStop, "[DONE]"), true)
			require.NoError(t, err)
			require.Equal(t, whole, streamed)
		})
	}
}

func TestDecodeResponse(t *testing.T) {
	t.Parallel()
	w := &wire{header: http.Header{"X-Request-Id": {"req"}}, body: `{"id":"r","object":"chat.completion","created":1.5,"model":"gpt","choices":[
		{"index":0,"message":{"content":"a"},"logprobs":{"content":[{"token":"a"}],"refusal":null},"finish_reason":"tool_calls","native_finish_reason":"MAX_TOKENS","content_filter_results":{"hate":1}},
		{"index":1,"message":{"content":"b"},"finish_reason":"stop"}],
		"usage":{"prompt_tokens":7,"completion_tokens":2},"service_tier":"default","citations":["u"],"system_fingerprint":null}`}
	resp, deltas, err := ask(t, w, false)
	require.NoError(t, err)
	require.Empty(t, deltas, "not streamed, not shown")
	require.Equal(t, &llm.Response{
		ID: "r", RequestID: "req", Model: "gpt",
		Message:  llm.Assistant("a"),
		Finish:   llm.Finish{Reason: llm.FinishLength, Raw: "tool_calls", Native: "MAX_TOKENS"},
		Usage:    llm.Usage{InputTokens: 7, OutputTokens: 2},
		RawUsage: json.RawMessage(`{"prompt_tokens":7,"completion_tokens":2}`),
		LogProbs: json.RawMessage(`{"content":[{"token":"a"}]}`),
		Extra:    []llm.Member{member("content_filter_results", `{"hate":1}`), member("service_tier", `"default"`), member("citations", `["u"]`)},
	}, resp)
}

func TestDecodeUsage(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, usage string
		want        llm.Usage
	}{
		{"OpenAI", `{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4,"audio_tokens":1},"completion_tokens_details":{"reasoning_tokens":3,"audio_tokens":2}}`,
			llm.Usage{InputTokens: 10, CachedTokens: 4, InputAudioTokens: 1, OutputTokens: 5, ReasoningTokens: 3, OutputAudioTokens: 2, TotalTokens: 15}},
		{"cache write of a router", `{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":0,"cache_write_tokens":8}}`, llm.Usage{InputTokens: 10, CacheWriteTokens: 8, OutputTokens: 5}},
		{"Anthropic's names", `{"prompt_tokens":10,"completion_tokens":5,"cache_creation_input_tokens":8,"cache_read_input_tokens":2}`, llm.Usage{InputTokens: 10, CachedTokens: 2, CacheWriteTokens: 8, OutputTokens: 5}},
		{"DeepSeek", `{"prompt_tokens":10,"completion_tokens":5,"prompt_cache_hit_tokens":6,"prompt_cache_miss_tokens":4}`, llm.Usage{InputTokens: 10, CachedTokens: 6, OutputTokens: 5}},
		{"Moonshot", `{"prompt_tokens":10,"completion_tokens":5,"cached_tokens":6}`, llm.Usage{InputTokens: 10, CachedTokens: 6, OutputTokens: 5}},
		{"floats, strings, nulls", `{"prompt_tokens":10.0,"completion_tokens":"5","total_tokens":null,"prompt_tokens_details":null}`, llm.Usage{InputTokens: 10, OutputTokens: 5}},
		{"nonsense", `{"prompt_tokens":-1,"completion_tokens":[5],"total_tokens":1e99,"cost":true}`, llm.Usage{}},
		{"null", `null`, llm.Usage{}},
		{"a string", `"none"`, llm.Usage{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			resp, _, err := ask(t, &wire{body: strings.Replace(ok, `"id"`, `"usage":`+tt.usage+`,"id"`, 1)}, false)
			require.NoError(t, err)
			require.Equal(t, tt.want, resp.Usage)
			require.Equal(t, tt.want != llm.Usage{}, resp.RawUsage != nil)
		})
	}
}

func TestDecodeUsageOfAStream(t *testing.T) {
	t.Parallel()
	const counts = `{"prompt_tokens":10,"completion_tokens":5}`
	want := llm.Usage{InputTokens: 10, OutputTokens: 5}
	for _, tt := range []struct {
		name   string
		chunks []string
		want   llm.Usage
	}{
		{"none", []string{delta(`{"content":"a"}`), finishStop}, llm.Usage{}},
		{"after the finish", []string{finishStop, `{"choices":[],"usage":` + counts + `}`}, want},
		{"running totals", []string{`{"choices":[{"delta":{}}],"usage":{"prompt_tokens":10,"completion_tokens":1}}`, finishStop, `{"choices":[],"usage":` + counts + `}`}, want},
		{"an empty one last", []string{finishStop, `{"choices":[],"usage":` + counts + `}`, `{"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":null}}`, `{"choices":[],"usage":null}`}, want},
		{"in the choice", []string{`{"choices":[{"index":0,"delta":{},"finish_reason":"stop","usage":` + counts + `}]}`}, want},
		{"of Groq", []string{`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"x_groq":{"id":"r","usage":` + counts + `}}`}, want},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			resp, _, err := ask(t, eventsOf(append(tt.chunks, "[DONE]")...), true)
			require.NoError(t, err)
			require.Equal(t, tt.want, resp.Usage)
		})
	}
}
