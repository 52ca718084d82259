package openai_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

func calls(pieces ...string) string {
	return delta(`{"tool_calls":[` + strings.Join(pieces, ",") + `]}`)
}

// TestStreamCalls puts calls together from their pieces.
func TestStreamCalls(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		tools  []string
		chunks []string
		want   []llm.ToolCall
	}{
		{name: "OpenAI", chunks: []string{
			calls(`{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}`), calls(`{"index":0,"function":{"arguments":"{\"x\""}}`), calls(`{"index":0,"function":{"arguments":":1}"}}`),
			calls(`{"index":1,"id":"b","type":"function","function":{"name":"g","arguments":""}}`), calls(`{"index":1,"function":{"arguments":"{}"}}`)},
			want: []llm.ToolCall{toolCall("a", "f", `{"x":1}`), toolCall("b", "g", `{}`)}},
		{name: "interleaved", chunks: []string{
			calls(`{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}`, `{"index":1,"id":"b","function":{"name":"g","arguments":"{"}}`),
			calls(`{"index":1,"function":{"arguments":"}"}}`, `{"index":0,"function":{"arguments":"}"}}`)},
			want: []llm.ToolCall{toolCall("a", "f", `{}`), toolCall("b", "g", `{}`)}},
		{name: "whole calls in one delta, no index", chunks: []string{calls(`{"id":"a","function":{"name":"f","arguments":"{\"a\":1}"}}`, `{"id":"b","function":{"name":"g","arguments":"{\"b\":2}"}}`)},
			want: []llm.ToolCall{toolCall("a", "f", `{"a":1}`), toolCall("b", "g", `{"b":2}`)}},
		{name: "whole calls, neither index nor id", chunks: []string{calls(`{"function":{"name":"f","arguments":"{}"}}`, `{"function":{"name":"f","arguments":"{}"}}`), calls(`{"function":{"name":"g","arguments":"{}"}}`)},
			want: []llm.ToolCall{toolCall("", "f", `{}`), toolCall("", "f", `{}`), toolCall("", "g", `{}`)}},
		{name: "pieces without index and id", chunks: []string{calls(`{"id":"a","function":{"name":"f","arguments":"{"}}`), calls(`{"function":{"arguments":"}"}}`), calls(`{"id":"b","function":{"name":"g"}}`), calls(`{"function":{"arguments":"{}"}}`)},
			want: []llm.ToolCall{toolCall("a", "f", `{}`), toolCall("b", "g", `{}`)}},
		{name: "one index for all", chunks: []string{calls(`{"index":0,"id":"a","function":{"name":"f","arguments":"{\"a\":1}"}}`), calls(`{"index":0,"id":"b","function":{"name":"f","arguments":"{\"b\":2}"}}`), calls(`{"index":0,"id":"c","function":{"name":"f","arguments":"{"}}`), calls(`{"index":0,"function":{"arguments":"}"}}`)},
			want: []llm.ToolCall{toolCall("a", "f", `{"a":1}`), toolCall("b", "f", `{"b":2}`), toolCall("c", "f", `{}`)}},
		{name: "index from 1", chunks: []string{calls(`{"index":1,"id":"a","function":{"name":"f","arguments":"{"}}`), calls(`{"index":1,"function":{"arguments":"}"}}`)}, want: []llm.ToolCall{toolCall("a", "f", `{}`)}},
		{name: "hostile indices", chunks: []string{calls(`{"index":2000000000,"id":"a","function":{"name":"f","arguments":"{}"}}`), calls(`{"index":-1,"id":"b","function":{"name":"g","arguments":"{"}}`), calls(`{"index":-1,"function":{"arguments":"}"}}`), calls(`{"index":"7","id":"c","function":{"name":"h","arguments":"{"}}`), calls(`{"index":7,"function":{"arguments":"}"}}`)},
			want: []llm.ToolCall{toolCall("a", "f", `{}`), toolCall("b", "g", `{}`), toolCall("c", "h", `{}`)}},
		{name: "id and name repeated", chunks: []string{calls(`{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{"}}`), calls(`{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"}"}}`)}, want: []llm.ToolCall{toolCall("a", "f", `{}`)}},
		{name: "id and name empty or null later", chunks: []string{calls(`{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}`), calls(`{"index":0,"id":"","type":"","function":{"name":"","arguments":"\"x\":1"}}`), calls(`{"index":0,"id":null,"function":{"name":null,"arguments":"}"}}`)}, want: []llm.ToolCall{toolCall("a", "f", `{"x":1}`)}},
		{name: "an id of its own for every piece", chunks: []string{calls(`{"index":0,"id":"a1","function":{"name":"f","arguments":"{"}}`), calls(`{"index":0,"id":"a2","function":{"arguments":"}"}}`)}, want: []llm.ToolCall{toolCall("a1", "f", `{}`)}},
		{name: "one id for two calls", chunks: []string{calls(`{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}`, `{"index":1,"id":"a","function":{"name":"g","arguments":"{}"}}`)}, want: []llm.ToolCall{toolCall("a", "f", `{}`), toolCall("a", "g", `{}`)}},
		{name: "id after the name", chunks: []string{calls(`{"index":0,"function":{"name":"f"}}`), calls(`{"index":0,"id":"a","function":{"arguments":"{}"}}`)}, want: []llm.ToolCall{toolCall("a", "f", `{}`)}},
		{name: "name in pieces", tools: []string{"edit_existing_file"}, chunks: []string{calls(`{"index":0,"id":"a","function":{"name":"edit_ex"}}`), calls(`{"index":0,"function":{"name":"isting_file","arguments":"{}"}}`)}, want: []llm.ToolCall{toolCall("a", "edit_existing_file", `{}`)}},
		{name: "name in pieces that repeat", tools: []string{"gogo"}, chunks: []string{calls(`{"index":0,"id":"a","function":{"name":"go"}}`), calls(`{"index":0,"function":{"name":"go","arguments":"{}"}}`)}, want: []llm.ToolCall{toolCall("a", "gogo", `{}`)}},
		{name: "name that grows", tools: []string{"read_file"}, chunks: []string{calls(`{"index":0,"id":"a","function":{"name":"read"}}`), calls(`{"index":0,"function":{"name":"read_file","arguments":"{}"}}`)}, want: []llm.ToolCall{toolCall("a", "read_file", `{}`)}},
		{name: "no arguments at all", chunks: []string{calls(`{"index":0,"id":"a","function":{"name":"f","arguments":""}}`), calls(`{"index":0,"function":{"arguments":null}}`)}, want: []llm.ToolCall{toolCall("a", "f", `{}`)}},
		{name: "arguments that are an object", chunks: []string{calls(`{"index":0,"id":"a","function":{"name":"f","arguments":{"x": 1}}}`)}, want: []llm.ToolCall{toolCall("a", "f", `{"x": 1}`)}},
		{name: "honest repeats", chunks: []string{calls(`{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":100"}}`), calls(`{"index":0,"function":{"arguments":"00"}}`), calls(`{"index":0,"function":{"arguments":",\"y\":\"{}"}}`), calls(`{"index":0,"function":{"arguments":"{}"}}`), calls(`{"index":0,"function":{"arguments":"\"}"}}`)}, want: []llm.ToolCall{toolCall("a", "f", `{"x":10000,"y":"{}{}"}`)}},
		{name: "a signature that comes later", chunks: []string{calls(`{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}`), calls(`{"index":0,"extra_content":{"google":{"thought_signature":"s"}}}`)}, want: []llm.ToolCall{toolCall("a", "f", `{}`, member("extra_content", `{"google":{"thought_signature":"s"}}`))}},
		{name: "the form before tools", chunks: []string{delta(`{"function_call":{"name":"f","arguments":""}}`), delta(`{"function_call":{"arguments":"{\"x\""}}`), delta(`{"function_call":{"arguments":":1}"}}`)}, want: []llm.ToolCall{toolCall("", "f", `{"x":1}`)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			req := hello()
			req.Stream = true
			for _, name := range tt.tools {
				req.Tools = append(req.Tools, llm.ToolDef{Name: name})
			}
			seen := map[int]llm.ToolCall{}
			w := eventsOf(append(tt.chunks, `{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`, "[DONE]")...)
			resp, err := w.config().Model("m").Generate(t.Context(), req, func(d llm.Delta) {
				c := d.(llm.CallDelta)
				got := seen[c.Index]
				got.Arguments += c.Arguments
				if c.ID != "" {
					got.ID = c.ID
				}
				if c.Name != "" {
					got.Name = c.Name
				}
				seen[c.Index] = got
			})
			require.NoError(t, err)
			require.Equal(t, tt.want, resp.Message.Calls())
			for i, c := range tt.want {
				if c.Extra = nil; seen[i].Arguments == "" {
					c.Arguments = ""
				}
				require.Equal(t, c, seen[i], "what was shown")
			}
		})
	}
}

func TestStreamDeltas(t *testing.T) {
	t.Parallel()
	w := eventsOf(
		`{"id":"","choices":[],"prompt_filter_results":[{"a":1}]}`,
		delta(`{"role":"assistant","content":""}`),
		delta(`{"reasoning":"t1","reasoning_details":[{"text":"t1"}],"role":null}`),
		delta(`{"reasoning":"t2","reasoning_details":[ {"text":"t2"} ],"signature":"s1"}`),
		delta(`{"content":"a","signature":"s2","name":"x"}`),
		`{"id":"r","model":"gpt","choices":[{"index":0,"delta":{"content":"b","name":"x"},"logprobs":{"content":[{"token":"b"}]}}]}`,
		`{"id":"other","choices":[{"index":0,"delta":{"content":"c"},"logprobs":{"content":[{"token":"c"}]}},{"index":1,"delta":{"content":"!"}}],"citations":["u"]}`,
		`{"choices":[{"index":1,"delta":{"content":"!"},"finish_reason":"length"}],"citations":["u","v"]}`,
		calls(`{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}`),
		`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`,
		"[DONE]", delta(`{"content":"after the end"}`))
	resp, deltas, err := ask(t, w, true)
	require.NoError(t, err)
	require.Equal(t, []llm.Delta{
		llm.ReasoningDelta{Text: "t1"}, llm.ReasoningDelta{Text: "t2"}, llm.TextDelta{Text: "a"}, llm.TextDelta{Text: "b"}, llm.TextDelta{Text: "c"},
		llm.CallDelta{ID: "a", Name: "f", Arguments: "{}"},
	}, deltas)
	require.Equal(t, &llm.Response{
		ID: "r", Model: "gpt",
		Message: llm.Message{Role: llm.RoleAssistant,
			Parts: llm.Parts{llm.Reasoning{Text: "t1t2", Field: "reasoning"}, llm.Text{Text: "abc"}, toolCall("a", "f", "{}")},
			Extra: []llm.Member{member("reasoning_details", `[{"text":"t1t2"}]`), member("signature", `"s1s2"`), member("name", `"x"`)}},
		Finish:   llm.Finish{Reason: llm.FinishStop, Raw: "stop"},
		LogProbs: []byte(`{"content":[{"token":"b"},{"token":"c"}]}`),
		Extra:    []llm.Member{member("prompt_filter_results", `[{"a":1}]`), member("citations", `["u","v"]`)},
	}, resp)
}

// TestStreamEnds says which streams are whole.
func TestStreamEnds(t *testing.T) {
	t.Parallel()
	text, half := delta(`{"content":"a"}`), calls(`{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":"}}`)
	native := `{"choices":[{"index":0,"delta":{},"finish_reason":null,"native_finish_reason":"STOP"}]}`
	for _, tt := range []struct {
		name, body, finish string
		want               string
		kind               llm.ErrorKind
	}{
		{name: "finish and done", body: events(text, finishStop, "[DONE]"), finish: "stop"},
		{name: "finish only", body: events(text, finishStop), finish: "stop"},
		{name: "finish without the empty line", body: strings.TrimSpace(events(text, finishStop)), finish: "stop"},
		{name: "done without the line end", body: strings.TrimSpace(events(text, finishStop, "[DONE]")), finish: "stop"},
		{name: "native finish only", body: events(text, native), finish: ""},
		{name: "two finishes", body: events(text, finishStop, `{"choices":[{"delta":{},"finish_reason":"length"}]}`, `{"choices":[{"delta":{},"finish_reason":""}]}`), finish: "length"},
		{name: "a message beside each delta", body: events(`{"choices":[{"delta":{"content":"a"},"message":{"content":"a"}}]}`, `{"choices":[{"delta":{"content":""},"message":{"content":"a"},"finish_reason":"stop"}]}`), finish: "stop"},
		{name: "only a message", body: events(`{"choices":[{"delta":{"role":"assistant"},"message":{"content":"a"},"finish_reason":"stop"}]}`), finish: "stop"},
		{name: "a message in place of the delta", body: events(`{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}`), finish: "stop"},
		{name: "no choice with an index after the first", body: events(text, `{"choices":[{"delta":{},"finish_reason":"stop"}]}`), finish: "stop"},
		{name: "only choice 1", body: events(`{"choices":[{"index":1,"delta":{"content":"a"},"finish_reason":"stop"}]}`), finish: "stop"},
		{name: "comments as data", body: "data: : PROCESSING\n\n" + events(text, finishStop), finish: "stop"},
		{name: "empty data and null", body: "data:\n\ndata: null\n\n" + events(text, finishStop), finish: "stop"},
		{name: "error null", body: events(`{"error":null,"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}`), finish: "stop"},
		{name: "a document", body: strings.Replace(ok, `"ok"`, `"a"`, 1), finish: "stop"},

		{name: "neither finish nor done", body: events(text), want: "openai: truncated: the stream ended without a finish reason and without [DONE]", kind: llm.KindTruncated},
		{name: "the finish of another choice", body: events(text, `{"choices":[{"index":1,"delta":{},"finish_reason":"stop"}]}`), want: "openai: truncated: the stream ended without a finish reason and without [DONE]", kind: llm.KindTruncated},
		{name: "nothing but comments", body: ": hi\n\n: hi\n\n", want: "openai: truncated: the stream ended without a finish reason and without [DONE]", kind: llm.KindTruncated},
		{name: "no event", body: "", want: "openai: truncated: the stream ended before its first event", kind: llm.KindTruncated},
		{name: "cut in an event", body: events(text)[:20], want: "openai: truncated: the stream ended in the middle of an event", kind: llm.KindTruncated},
		{name: "done in the middle of a call", body: events(half, "[DONE]"), want: "openai: truncated: the stream ended without a finish reason in the middle of a tool call", kind: llm.KindTruncated},
		{name: "a damaged event", body: events(text, `{"choices":[{"delta":{"con: keepalive`, finishStop, "[DONE]"), want: `openai: truncated: the stream was damaged: an event is not JSON: {"choices":[{"delta":{"con: keepalive`, kind: llm.KindTruncated},
		{name: "events that are no JSON", body: events("hello", "[DONE]"), want: `openai: 200 malformed: an event is not JSON: hello`, kind: llm.KindMalformed},
		{name: "an event that is no object", body: events(`"hello"`, "[DONE]"), want: `openai: 200 malformed: the answer is not a JSON object: "hello"`, kind: llm.KindMalformed},
		{name: "done without a choice", body: events(`{"choices":[]}`, "[DONE]"), want: `openai: 200 malformed: the stream holds no choice`, kind: llm.KindMalformed},
		{name: "an event called error", body: events(text) + "event: error\ndata: {\"message\":\"overloaded\",\"code\":503}\n\n", want: `openai: 503 overloaded: overloaded`, kind: llm.KindOverloaded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := eventsOf()
			for _, body := range []string{tt.body, strings.ReplaceAll(tt.body, "\n", "\r\n"), strings.ReplaceAll(tt.body, "\n", "\r")} {
				w.body = body
				resp, _, err := ask(t, w, true)
				if tt.want != "" {
					require.EqualError(t, err, tt.want)
					requireKind(t, tt.kind, err)
					require.Equal(t, tt.kind == llm.KindTruncated, errors.Is(err, io.ErrUnexpectedEOF))
					continue
				}
				require.NoError(t, err)
				require.Equal(t, "a", resp.Message.Text())
				require.Equal(t, tt.finish, resp.Finish.Raw)
			}
		})
	}
}

// TestStreamOfAnyType holds that the body says what it is, not the header, nor
// what was asked for.
func TestStreamOfAnyType(t *testing.T) {
	t.Parallel()
	stream := events(delta(`{"content":"ok"}`), finishStop, "[DONE]")
	for _, contentType := range []string{"", "text/plain", "application/json", "text/event-stream"} {
		for _, body := range []string{ok, "\n\n " + ok, "\xef\xbb\xbf" + ok, stream, "\xef\xbb\xbf" + stream, ":\n\n" + stream, "\n  \n" + stream, "event: x\n" + stream, "id: 1\n" + stream, "retry: 1\n" + stream} {
			for _, asked := range []bool{false, true} {
				resp, deltas, err := ask(t, &wire{body: body, header: http.Header{"Content-Type": {contentType}}}, asked)
				require.NoError(t, err, "%s %q", contentType, body)
				require.Equal(t, "ok", resp.Message.Text())
				if asked {
					require.Equal(t, []llm.Delta{llm.TextDelta{Text: "ok"}}, deltas)
				} else {
					require.Empty(t, deltas)
				}
			}
		}
	}
}

// TestStreamBreaks has connections that break, before and after the finish.
func TestStreamBreaks(t *testing.T) {
	t.Parallel()
	reset := errors.New("connection reset by peer")
	for _, tt := range []struct {
		name, body string
		err        error
		kind       llm.ErrorKind
	}{
		{"in the middle", events(delta(`{"content":"a"}`)), reset, llm.KindNetwork},
		{"in the middle of HTTP", events(delta(`{"content":"a"}`)), io.ErrUnexpectedEOF, llm.KindTruncated},
		{"after the finish", events(delta(`{"content":"a"}`), finishStop), reset, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			broken := transport(func(r *http.Request) (*http.Response, error) {
				body := io.MultiReader(strings.NewReader(tt.body), iotest.ErrReader(tt.err))
				return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"text/event-stream"}}, Body: io.NopCloser(body)}, nil
			})
			c := (&wire{}).config()
			c.HTTPClient = &http.Client{Transport: broken}
			resp, err := c.Model("m").Generate(t.Context(), hello(), nil)
			if tt.kind != "" {
				requireKind(t, tt.kind, err)
				require.ErrorIs(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "a", resp.Message.Text())
		})
	}
}

func TestLimitsOnSize(t *testing.T) {
	t.Parallel()
	stream := http.Header{"Content-Type": {"text/event-stream"}}
	big := `{"choices":[{"message":{"content":"` + strings.Repeat("x", 3000) + `"},"delta":{},"finish_reason":"stop"}]}`
	for _, tt := range []struct {
		name   string
		wire   *wire
		change func(*openai.Config)
		want   string
	}{
		{"a document", &wire{body: big}, func(c *openai.Config) { c.MaxResponseBytes = 2000 }, "the answer is larger than MaxResponseBytes"},
		{"an event", &wire{body: events(big), header: stream}, func(c *openai.Config) { c.MaxEventBytes = 2000 }, "an event of the stream is longer than the limit of 2000 bytes"},
		{"all events", &wire{body: strings.Repeat(events(delta(`{"content":"x"}`)), 100), header: stream}, func(c *openai.Config) { c.MaxResponseBytes = 2000 }, "the answer is larger than MaxResponseBytes"},
		{"no end of comments", &wire{body: strings.Repeat(":\n\n", 1000), header: stream}, func(c *openai.Config) { c.MaxResponseBytes = 2000 }, "the answer is larger than MaxResponseBytes"},
		{"no limit", &wire{body: big}, func(c *openai.Config) { c.MaxResponseBytes, c.MaxEventBytes = -1, -1 }, ""},
		{"no limit on an event", &wire{body: events(big), header: stream}, func(c *openai.Config) { c.MaxResponseBytes, c.MaxEventBytes = -1, -1 }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := tt.wire.config()
			tt.change(&c)
			_, err := c.Model("m").Generate(t.Context(), hello(), nil)
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			requireKind(t, llm.KindMalformed, err)
			require.ErrorContains(t, err, tt.want)
		})
	}
}

// TestExactlyMaxResponseBytes holds that the limit is the largest size that is
// taken, whether a read reports the end with the last byte or after it.
func TestExactlyMaxResponseBytes(t *testing.T) {
	t.Parallel()
	for _, body := range []string{ok, events(delta(`{"content":"a"}`), finishStop)} {
		for more, want := range []string{"", "the answer is larger than MaxResponseBytes"} {
			w := &wire{body: body + strings.Repeat(" ", more)}
			if body != ok {
				w.header = http.Header{"Content-Type": {"text/event-stream"}}
				w.body = strings.Repeat("\n", more) + body
			}
			c := w.config()
			c.MaxResponseBytes = int64(len(body))
			_, err := c.Model("m").Generate(t.Context(), hello(), nil)
			if want == "" || body != ok { // a stream had its finish reason before
				require.NoError(t, err)
				continue
			}
			require.ErrorContains(t, err, want)
		}
	}
}

// TestSurrogatesAcrossDeltas splits an emoji in the middle of its two escapes.
func TestSurrogatesAcrossDeltas(t *testing.T) {
	t.Parallel()
	args := func(s string) string {
		return `{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"` + s + `"}}]}`
	}
	for _, tt := range []struct {
		name   string
		pieces []string
		want   string
	}{
		{"in the middle", []string{`a\ud83d`, `\ude00b`}, "a😀b"},
		{"upper case", []string{`a\uD83D`, `\uDE00b`}, "a😀b"},
		{"alone", []string{`\ud83d`, `\ude00`}, "😀"},
		{"two", []string{`\ud83d`, `\ude00\ud83d`, `\ude01`}, "😀😁"},
		{"an empty piece between", []string{`\ud83d`, ``, `\ude00`}, "😀"},
		{"no second half", []string{`a\ud83d`, `b`}, "a\uFFFDb"},
		{"no second half at the end", []string{`a`, `\ud83d`}, "a\uFFFD"},
		{"a backslash of its own", []string{`a\\ud83d`, `b`}, `a\ud83db`},
		{"a backslash before", []string{`a\\\ud83d`, `\ude00b`}, `a\😀b`},
		{"a second half alone", []string{`a\ude00`, `b`}, "a\uFFFDb"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var text, calls []string
			for _, p := range tt.pieces {
				text, calls = append(text, delta(`{"content":"`+p+`"}`)), append(calls, delta(args(p)))
			}
			resp, deltas, err := ask(t, eventsOf(append(text, finishStop)...), true)
			require.NoError(t, err)
			require.Equal(t, tt.want, resp.Message.Text())
			var shown strings.Builder
			for _, d := range deltas {
				shown.WriteString(d.(llm.TextDelta).Text)
			}
			require.Equal(t, tt.want, shown.String())

			resp, deltas, err = ask(t, eventsOf(append(calls, finishStop)...), true)
			require.NoError(t, err)
			require.Equal(t, tt.want, resp.Message.Calls()[0].Arguments)
			shown.Reset()
			for _, d := range deltas {
				shown.WriteString(d.(llm.CallDelta).Arguments)
			}
			require.Equal(t, tt.want, shown.String())
		})
	}
	resp, _, err := ask(t, &wire{body: `{"choices":[{"message":{"content":"a\ud83d"}}]}`}, false)
	require.NoError(t, err)
	require.Equal(t, "a\uFFFD", resp.Message.Text())
}
