package openai_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// answerOfCalls is an answer of n calls, as OpenAI writes such an answer on the API.
func answerOfCalls(api openai.API, n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(`{"id":"call_%d","type":"function","function":{"name":"f","arguments":"{\"city\":\"Oslo-%d\",\"unit\":\"celsius\"}"}}`, i, i)
		if api == openai.APIResponses {
			list[i] = fmt.Sprintf(`{"id":"fc_%d","type":"function_call","status":"completed","arguments":"{\"city\":\"Oslo-%d\",\"unit\":\"celsius\"}","call_id":"call_%d","name":"f"}`, i, i, i)
		}
	}
	const usage = `"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"total_tokens":74`
	if api == openai.APIResponses {
		return `{"id":"resp_1","object":"response","created_at":1764000000,"status":"completed","error":null,"model":"m","output":[` + strings.Join(list, ",") +
			`],"parallel_tool_calls":true,"tools":[],"usage":{"input_tokens":57,"output_tokens":17,` + usage + `}}`
	}
	return `{"id":"c1","object":"chat.completion","created":1764000000,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[` +
		strings.Join(list, ",") + `],"refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":57,"completion_tokens":17,` +
		usage + `},"service_tier":"default","system_fingerprint":"fp_7c1e2b9d40"}`
}

// decodingWhole returns a function that decodes a whole answer of n calls.
func decodingWhole(tb testing.TB, api openai.API, n int) func() {
	x := interaction{Status: http.StatusOK, CType: "application/json"}
	config := openai.Config{BaseURL: "http://in.memory", API: api, HTTPClient: &http.Client{Transport: served{x: x, pieces: []string{answerOfCalls(api, n)}}}}
	return func() {
		resp, err := generateWith(config, false, func(llm.Delta) {})
		require.NoError(tb, err)
		require.Len(tb, resp.Message.Calls(), n)
	}
}

// TestWholeCost holds the allocations of a call in a whole answer. It is not parallel,
// because AllocsPerRun counts for the whole process.
func TestWholeCost(t *testing.T) {
	if raced {
		t.Skip("the race detector makes allocations of its own")
	}
	perCall := func(api openai.API) float64 {
		return (testing.AllocsPerRun(20, decodingWhole(t, api, 110)) - testing.AllocsPerRun(20, decodingWhole(t, api, 10))) / 100
	}
	chat, responses := perCall(openai.APIChat), perCall(openai.APIResponses)
	fmt.Printf("allocations per call: Chat Completions %.1f, Responses %.1f\n", chat, responses)
	require.Less(t, chat, 6.0)
	require.Less(t, responses, 20.0)
}

// BenchmarkWhole decodes a whole answer of four calls on each API.
func BenchmarkWhole(b *testing.B) {
	for _, api := range []openai.API{openai.APIChat, openai.APIResponses} {
		b.Run(string(api), func(b *testing.B) {
			decode := decodingWhole(b, api, 4)
			b.ReportAllocs()
			for b.Loop() {
				decode()
			}
		})
	}
}
