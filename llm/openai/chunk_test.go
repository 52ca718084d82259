package openai_test

import (
	"bytes"
	"fmt"
	"io"
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
	f.Fuzz(func(t *testing.T, body []byte, cut uint16) {
		decode := func(r io.Reader, general bool) (resp *llm.Response, deltas []llm.Delta, err error) {
			resp, err = openai.DecodeStream(r, general, []llm.ToolDef{{Name: "f"}}, func(d llm.Delta) { deltas = append(deltas, d) })
			return resp, deltas, err
		}
		want, wantDeltas, wantErr := decode(bytes.NewReader(body), true)
		at := int(cut) % (len(body) + 1)
		for _, r := range []io.Reader{
			bytes.NewReader(body),
			io.MultiReader(bytes.NewReader(body[:at]), bytes.NewReader(body[at:])),
			iotest.OneByteReader(bytes.NewReader(body)),
		} {
			resp, deltas, err := decode(r, false)
			require.Equal(t, want, resp)
			require.Equal(t, wantDeltas, deltas)
			require.Equal(t, timeless(wantErr), timeless(err))
		}
	})
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
				_, err := openai.DecodeStream(strings.NewReader(body), false, nil, func(llm.Delta) {})
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
