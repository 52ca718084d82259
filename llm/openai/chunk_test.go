package openai_test

import (
	"bytes"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/mutant"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// usualChunks are chunks of streams, each with %s in place of the text.
var usualChunks = []string{
	`{"id":"c1","object":"chat.completion.chunk","created":1756315657,"model":"m","service_tier":"default","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":"%s"},"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"Zk3vTq"}`,
	`{"choices":[{"finish_reason":null,"delta":{"content":"%s"},"logprobs":null,"index":0}],"service_tier":"default","id":"c1","created":1}`,
	`{ "id" : "c1", "choices" : [ { "index" : 0, "delta" : { "role" : "assistant", "content" : "%s" } } ], "provider" : "p", "x" : 1.5 }`,
	`{"choices":[{"delta":{"role":"assistant","content":null,"reasoning_content":"%s","tool_calls":[]}}],"error":null}`,
	`{"choices":[{"index":0,"delta":{"content":"","reasoning":"%s","reasoning_details":[]}}]}`,
	`{"choices":[{"index":0,"delta":{"content":"%s","reasoning":"a"}}]}`,
	`{"choices":[{"index":0,"delta":{"content":"%s","content":null}}]}`,
	`{"choices":[{"index":0,"delta":{"content":"%s","thinking":"a"}}]}`,
	`{"choices":[{"index":1,"delta":{"content":"%s"}}]}`,
	`{"choices":[{"index":0,"delta":{"content":"%s"}},{"index":1,"delta":{"content":"b"}}]}`,
	`{"choices":[{"index":0,"delta":{"content":"%s"}}],"usage":{"prompt_tokens":1,"completion_tokens":2}}`,
	`{"choices":[{"index":0,"delta":{"content":[{"type":"text","text":"%s"}]}}]}`,
	`{"choices":[{"index":0,"delta":{"content":"%s"},"message":{"role":"assistant","content":"a"}}]}`,
	`{"choices":[{"index":0,"delta":{"content":"%s"},"logprobs":{"content":[{"token":"a"}]}}],"extra":{"a":1}}`,
	`{"choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":"stop"}]}`,
	`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"%s"}}]},"finish_reason":null}]}`,
	`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"","type":"function","function":{"name":null,"arguments":"%s"}}]}}]}`,
	`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"%s"}}]}}]}`,
	`{"choices":[{"index":0,"delta":{"tool_calls":[{"id":"a","type":"web_search","function":{"arguments":"%s"}}]}}]}`,
	`{"ch\u006fices":[{"index":0,"delta":{"content":"%s"}}],"\u0065rror":{"message":"a"}}`,
}

// usualTexts are texts as they stand in a JSON string.
var usualTexts = []string{" word", `a\n\"b\"\\`, "é😀", `\ud83d`, `\ude00`, "", "null", `{\"x\":`, "error", "\xff", `\u0041`, `\x`, "\t", `\/\b\f\r\t`, `"`}

// callHead begins a call of a tool.
const callHead = `{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}}]}`

// usualStreams returns streams of usual chunks. In the middle of each stream stands an
// unusual chunk: with an unusual text, of another kind, or a mutant.
func usualStreams() (bodies [][]byte) {
	const end = `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`
	add := func(chunk, middle string) {
		usual := func(text string) string { return strings.Replace(chunk, "%s", text, 1) }
		later := func(text string) string { return strings.Replace(usual(text), "1756315657", "1756315658", 1) }
		body := events(callHead, usual("a"), usual("b"), usual("c"), later(`d\n`), middle, usual("e"), usual(`f`), end, "[DONE]")
		bodies = append(bodies, []byte(body), []byte(strings.Replace(body, callHead, usual("z"), 1)))
	}
	for i, chunk := range usualChunks {
		for _, text := range usualTexts {
			add(chunk, strings.Replace(chunk, "%s", text, 1))
		}
		add(chunk, strings.Replace(usualChunks[(i+1)%len(usualChunks)], "%s", "g", 1))
		add(chunk, strings.Replace(strings.Replace(chunk, "%s", "g", 1), "default", "flex", 1))
		one := [][]byte{[]byte(strings.Replace(chunk, "%s", " word", 1))}
		for _, m := range mutant.Of(one, 60) {
			add(chunk, string(m))
		}
	}
	return bodies
}

// FuzzChunks holds that usual chunks give the answer, the deltas and the errors that the
// general way gives, however the bytes arrive.
func FuzzChunks(f *testing.F) {
	for _, body := range append(usualStreams(), fixtureBodies(f, "stream")...) {
		f.Add(body, uint16(len(body)/2))
	}
	f.Fuzz(func(t *testing.T, body []byte, cut uint16) { requireGeneral(t, openai.APIChat, body, int(cut)) })
}

// requireGeneral compares the ways in which bytes can arrive with the general way.
func requireGeneral(t *testing.T, api openai.API, body []byte, cut int) {
	decode := func(r io.Reader, general bool) (resp *llm.Response, deltas []llm.Delta, err error) {
		resp, err = openai.DecodeStream(api, r, general, []llm.ToolDef{{Name: "f"}}, func(d llm.Delta) { deltas = append(deltas, d) })
		return resp, deltas, err
	}
	want, wantDeltas, wantErr := decode(bytes.NewReader(body), true)
	cut %= len(body) + 1
	for _, r := range []io.Reader{
		bytes.NewReader(body),
		io.MultiReader(bytes.NewReader(body[:cut]), bytes.NewReader(body[cut:])),
		iotest.OneByteReader(bytes.NewReader(body)),
	} {
		resp, deltas, err := decode(r, false)
		require.Equal(t, want, resp)
		require.Equal(t, wantDeltas, deltas)
		require.Equal(t, timeless(wantErr), timeless(err))
	}
}

// usualEvents are events of the Responses API, each with %s in place of the text and N in
// place of the number.
var usualEvents = []string{
	`{"type":"response.output_text.delta","sequence_number":N,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"%s","logprobs":[],"obfuscation":"Zk3vTq"}`,
	`{"delta":"%s","type":"response.output_text.delta","item_id":"msg_1"}`,
	`{"delta":"%s","type":"response.output_text.delta","output_index":1}`,
	`{"delta":"%s","type":"response.output_text.delta"}`,
	`{"delta":"%s","type":"","output_index":0}`,
	`{"delta":"%s","output_index":0}`,
	`{"delta":"%s","delta":"","type":"response.output_text.delta","output_index":0}`,
	`{"delta":"%s","type":"response.output_text.delta","output_index":0,"content_index":1}`,
	`{"delta":{"text":"%s"},"type":"response.output_text.delta","output_index":0}`,
	`{"delta":"%s","type":"response.refusal.delta","output_index":0}`,
	`{"delta":"%s","type":"response.output_text.delta","error":{"message":"a"},"output_index":0}`,
	`{"text":"%s","type":"response.output_text.done","output_index":0}`,
	`{"delta":"%s","type":"response.reasoning_summary_text.delta","output_index":0}`,
	`{"type":"response.output_item.done","output_index":0,"item":{"id":"msg_1","type":"message","content":[{"type":"output_text","text":"%s"}]}}`,
}

// FuzzResponsesChunks is FuzzChunks for the Responses API.
func FuzzResponsesChunks(f *testing.F) {
	const head = `{"type":"response.output_item.added","output_index":0,"item":{"id":"msg_1","type":"message","content":[]}}`
	const end = `{"type":"response.completed","response":{"id":"r","status":"completed","output":[]}}`
	bodies := bodiesOf(f, filepath.Join(responsesQuirksDir, "R*.txt"), "stream")
	for i, chunk := range usualEvents {
		usual := func(n int, text string) string {
			return strings.Replace(strings.Replace(chunk, "%s", text, 1), "N", strconv.Itoa(n), 1)
		}
		middles := [][]byte{[]byte(strings.Replace(usualEvents[(i+1)%len(usualEvents)], "%s", "g", 1))}
		for _, text := range usualTexts {
			middles = append(middles, []byte(usual(9, text)))
		}
		middles = append(middles, mutant.Of([][]byte{[]byte(usual(9, " word"))}, 60)...)
		for _, middle := range middles {
			body := events(usual(1, "a"), usual(2, "b"), usual(9, `c\n`), string(middle), usual(10, "d"), usual(11, "e"), end)
			bodies = append(bodies, []byte(body), []byte(events(head)+strings.ReplaceAll(body, "data: ", "event: response.output_text.delta\ndata: ")))
		}
	}
	for _, body := range bodies {
		f.Add(body, uint16(len(body)/2))
	}
	f.Fuzz(func(t *testing.T, body []byte, cut uint16) { requireGeneral(t, openai.APIResponses, body, int(cut)) })
}

// TestUsualChunks holds that the usual chunks of providers are read without the general
// way: such a chunk costs less than one allocation, with and without other orders,
// padding and white space. It is not parallel, because AllocsPerRun counts for the whole
// process.
func TestUsualChunks(t *testing.T) {
	if raced {
		t.Skip("the race detector makes allocations of its own")
	}
	for _, i := range []int{0, 1, 2, 3, 4, 15, 16} {
		cost := func(n int) float64 {
			chunks := []string{callHead}
			for k := range n {
				chunk := strings.Replace(usualChunks[i], "%s", fmt.Sprint(" wörd\\n", k), 1)
				chunks = append(chunks, strings.Replace(strings.Replace(chunk, "1756315657", fmt.Sprint(1756315657+k), 1), "Zk3vTq", fmt.Sprint("x", k), 1))
			}
			body := events(append(chunks, finishStop, "[DONE]")...)
			return testing.AllocsPerRun(5, func() {
				_, err := openai.DecodeStream(openai.APIChat, strings.NewReader(body), false, nil, func(llm.Delta) {})
				require.NoError(t, err)
			})
		}
		perChunk := (cost(1100) - cost(100)) / 1000
		most := 0.3
		if strings.Contains(usualChunks[i], "arguments") { // each delta of a call is one
			most = 1.3
		}
		require.Less(t, perChunk, most, usualChunks[i])
	}
}
