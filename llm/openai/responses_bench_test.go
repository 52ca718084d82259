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

// streamOf returns a stream of a text in n deltas, as OpenAI writes such a stream
// on the API.
func streamOf(api openai.API, n int) string {
	var b strings.Builder
	if api != openai.APIResponses {
		for range n {
			b.WriteString(`data: {"id":"chatcmpl-C9k2","object":"chat.completion.chunk","created":1756315657,"model":"gpt-4o-2024-08-06","service_tier":"default","system_fingerprint":"fp_80956533cb","choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"Zk3vTq"}` + "\n\n")
		}
		b.WriteString(`data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n")
		return b.String()
	}
	b.WriteString("event: response.created\ndata: " + `{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","status":"in_progress","model":"m","output":[]}}` + "\n\n")
	b.WriteString("event: response.output_item.added\ndata: " + `{"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"id":"msg_1","type":"message","status":"in_progress","content":[],"role":"assistant"}}` + "\n\n")
	for i := range n {
		fmt.Fprintf(&b, "event: response.output_text.delta\ndata: "+`{"type":"response.output_text.delta","sequence_number":%d,"item_id":"msg_68af3c0a58a081a29b5c1b3a6b0d7e92","output_index":0,"content_index":0,"delta":" word","logprobs":[],"obfuscation":"Zk3vTq"}`+"\n\n", i+2)
	}
	item := `{"id":"msg_1","type":"message","status":"completed","content":[{"type":"output_text","annotations":[],"text":"` + strings.Repeat(" word", n) + `"}],"role":"assistant"}`
	b.WriteString("event: response.output_item.done\ndata: " + `{"type":"response.output_item.done","output_index":0,"item":` + item + "}\n\n")
	b.WriteString("event: response.completed\ndata: " + `{"type":"response.completed","response":{"id":"resp_1","status":"completed","output":[` + item + "]}}\n\n")
	return b.String()
}

// decoding returns a function that decodes a stream of n deltas on the API.
func decoding(tb testing.TB, api openai.API, n int) func() {
	x := interaction{Status: http.StatusOK, CType: "text/event-stream"}
	config := openai.Config{BaseURL: "http://in.memory", API: api, HTTPClient: &http.Client{Transport: served{x: x, pieces: []string{streamOf(api, n)}}}}
	return func() {
		deltas := 0
		_, err := generateWith(config, true, func(d llm.Delta) { deltas++ })
		require.NoError(tb, err)
		require.Equal(tb, n, deltas)
	}
}

// TestStreamCost holds that a usual delta costs few allocations: on Chat Completions the
// deltas of one read share one, see chunk_deltas.go. It is not parallel, because
// AllocsPerRun counts for the whole process.
func TestStreamCost(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates, and pools forget")
	}
	perDelta := func(api openai.API) float64 {
		return (testing.AllocsPerRun(5, decoding(t, api, 1100)) - testing.AllocsPerRun(5, decoding(t, api, 100))) / 1000
	}
	chat, responses := perDelta(openai.APIChat), perDelta(openai.APIResponses)
	fmt.Printf("allocations per delta: Chat Completions %.1f, Responses %.1f\n", chat, responses)
	require.Less(t, chat, 0.3)
	require.Less(t, responses, 0.3)
}

// BenchmarkStream decodes a stream of 1,000 text deltas on each API.
func BenchmarkStream(b *testing.B) {
	for _, api := range []openai.API{openai.APIChat, openai.APIResponses} {
		b.Run(string(api), func(b *testing.B) {
			decode := decoding(b, api, 1000)
			b.ReportAllocs()
			for b.Loop() {
				decode()
			}
		})
	}
}
