package openai_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// TestProof says which streams hold a whole answer: each row of the table of proof,
// and its neighbours.
func TestProof(t *testing.T) {
	t.Parallel()
	const done = "data: [DONE]\n\n"
	text := events(delta(`{"content":"He Pa"}`))
	more := events(delta(`{"content":"It is "}`))
	thought := events(delta(`{"reasoning_content":"Let me"}`))
	end := events(finishStop)
	thoughtEnd := events(`{"choices":[{"index":0,"delta":{"reasoning_content":"Let me"},"finish_reason":"stop"}]}`)
	usage := events(`{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2}}`)
	running := events(`{"choices":[{"index":0,"delta":{"content":"He Pa"}}],"usage":{"prompt_tokens":7,"completion_tokens":2}}`)
	open := events(calls(`{"index":0,"id":"a","function":{"name":"f","arguments":""}}`))
	half := events(calls(`{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\""}}`))
	call := events(calls(`{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}}`))
	callEnd := events(`{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`)
	quota := `{"error":{"code":429,"message":"quota"}}`
	pretty := "{\n  \"error\": {\n    \"code\": 429,\n    \"message\": \"quota\"\n  }\n}\n"
	const unproven = "the stream ended with [DONE], but without a finish reason, or anything else that proves the answer whole"
	const behind = "the stream ended while it went on behind its finish reason"
	const noEnd = "the stream ended without a finish reason and without [DONE]"
	parts := func(parts ...llm.Part) llm.Parts { return parts }
	he, f := llm.Text{Text: "He Pa"}, toolCall("a", "f", `{"x":1}`)
	for _, tt := range []struct {
		name, body string
		want       llm.Parts // nil: an error
		kind       llm.ErrorKind
		text       string // of the error
		notice     string
	}{
		{name: "finish reason", body: text + end, want: parts(he)},
		{name: "finish reason, usage", body: text + end + usage, want: parts(he)},
		{name: "thinking, finish reason, more", body: thoughtEnd + more, kind: llm.KindTruncated, text: behind},
		{name: "thinking, finish reason, more, [DONE]", body: thoughtEnd + more + done, kind: llm.KindTruncated, text: unproven},
		{name: "thinking, finish reason, more, usage, [DONE]", body: thoughtEnd + more + usage + done, want: parts(llm.Reasoning{Text: "Let me", Field: "reasoning_content"}, llm.Text{Text: "It is "})},
		{name: "thinking, finish reason, more, finish reason", body: thoughtEnd + more + end, want: parts(llm.Reasoning{Text: "Let me", Field: "reasoning_content"}, llm.Text{Text: "It is "})},
		{name: "text, finish reason, more", body: text + end + more, kind: llm.KindTruncated, text: behind},
		{name: "text, finish reason, more, [DONE]", body: text + end + more + done, want: parts(llm.Text{Text: "He PaIt is "})},
		{name: "finish reason, a refusal", body: text + end + events(delta(`{"refusal":"no"}`)), kind: llm.KindTruncated, text: behind},
		{name: "finish reason, sound", body: text + end + events(delta(`{"audio":{"data":"YQ=="}}`)), kind: llm.KindTruncated, text: behind},
		{name: "finish reason, a part", body: text + end + events(delta(`{"content":[{"type":"image_url"}]}`)), kind: llm.KindTruncated, text: behind},
		{name: "finish reason, a call that the provider runs", body: text + end + events(calls(`{"type":"mcp"}`)), kind: llm.KindTruncated, text: behind},
		{name: "finish reason, members", body: text + end + events(delta(`{"content":"","annotations":[{"type":"x"}]}`)), want: parts(he)},
		{name: "finish reason, a cut call, [DONE]", body: text + end + half + done, kind: llm.KindTruncated, text: "in the middle of a tool call"},
		{name: "finish reason, a call without arguments, [DONE]", body: text + end + open + done, kind: llm.KindTruncated, text: unproven},

		{name: "[DONE]", body: text + done, kind: llm.KindTruncated, text: unproven},
		{name: "thinking, [DONE]", body: thought + done, kind: llm.KindTruncated, text: unproven},
		{name: "nothing, [DONE]", body: events(delta(`{"role":"assistant"}`)) + done, kind: llm.KindTruncated, text: unproven},
		{name: "usage, [DONE]", body: text + usage + done, want: parts(he)},
		{name: "thinking, usage, [DONE]", body: thought + usage + done, want: parts(llm.Reasoning{Text: "Let me", Field: "reasoning_content"})},
		{name: "usage without [DONE]", body: text + usage, kind: llm.KindTruncated, text: noEnd},
		{name: "usage first, [DONE]", body: usage + text + done, kind: llm.KindTruncated, text: unproven},
		{name: "usage first and last, [DONE]", body: usage + text + usage + done, want: parts(he)},
		{name: "usage between, [DONE]", body: text + usage + more + done, kind: llm.KindTruncated, text: unproven},
		{name: "usage all the time, [DONE]", body: text + usage + more + usage + done, kind: llm.KindTruncated, text: unproven},
		{name: "usage with the text, [DONE]", body: running + done, kind: llm.KindTruncated, text: unproven},
		{name: "usage that counts nothing, [DONE]", body: text + events(`{"choices":[],"usage":{"prompt_tokens":0}}`, `{"choices":[],"usage":null}`) + done, kind: llm.KindTruncated, text: unproven},
		{name: "a whole call, [DONE]", body: text + call + done, want: parts(he, f)},
		{name: "a whole call, text, [DONE]", body: call + text + done, kind: llm.KindTruncated, text: unproven},
		{name: "a call that was cut off, [DONE]", body: open + done, kind: llm.KindTruncated, text: unproven},
		{name: "arguments that were cut off, [DONE]", body: half + done, kind: llm.KindTruncated, text: "in the middle of a tool call"},
		{name: "a whole call and one that was cut off, [DONE]", body: call + events(calls(`{"index":1,"id":"b","function":{"name":"f","arguments":""}}`)) + done, kind: llm.KindTruncated, text: unproven},
		{name: "a call without arguments, usage, [DONE]", body: open + usage + done, want: parts(toolCall("a", "f", "{}"))},
		{name: "a message that repeats all, [DONE]", body: text + more + events(`{"choices":[{"message":{"content":"He PaIt is 4."}}]}`) + done, want: parts(llm.Text{Text: "He PaIt is 4."})},
		{name: "a message in place of deltas, [DONE]", body: events(`{"choices":[{"message":{"content":"He Pa"}}]}`) + done, kind: llm.KindTruncated, text: unproven},
		{name: "the end", body: call, kind: llm.KindTruncated, text: noEnd},

		{name: "a bare error, [DONE]", body: text + quota + "\n" + done, kind: llm.KindRateLimit, text: "429 rate_limit: quota"},
		{name: "a bare error", body: text + quota, kind: llm.KindRateLimit, text: "429 rate_limit: quota"},
		{name: "a bare error over lines, [DONE]", body: text + pretty + done, kind: llm.KindRateLimit, text: "429 rate_limit: quota"},
		{name: "a bare error over lines", body: text + strings.TrimSpace(pretty), kind: llm.KindRateLimit, text: "429 rate_limit: quota"},
		{name: "a bare error without an empty line before it", body: strings.TrimSuffix(text, "\n") + pretty + "\n" + done, kind: llm.KindRateLimit, text: "429 rate_limit: quota"},
		{name: "an error over lines in data", body: text + "data: " + pretty + "\n" + done, kind: llm.KindRateLimit, text: "429 rate_limit: quota"},
		{name: "the field error", body: text + "error: " + quota[9:len(quota)-1] + "\n\n" + done, kind: llm.KindRateLimit, text: "429 rate_limit: quota"},
		{name: "the field error with words", body: text + "Error: it broke\n\n" + done, kind: llm.KindServer, text: "it broke"},
		{name: "an event called error with words", body: text + "event: error\ndata: it broke\n\n" + done, kind: llm.KindServer, text: "it broke"},
		{name: "a bare error in front", body: quota + "\n\n" + done, kind: llm.KindRateLimit, text: "429 rate_limit: quota"},
		{name: "a bare detail", body: text + `{"detail":"it broke"}` + "\n" + done, kind: llm.KindServer, text: "it broke"},
		{name: "a bare line", body: text + "upstream connect error\n\n" + end + done, kind: llm.KindTruncated, text: "the stream holds an unknown event: upstream connect error"},
		{name: "a bare line behind the end", body: text + end + "upstream connect error\n\n" + done, kind: llm.KindTruncated, text: "upstream connect error"},
		{name: "a bare line that is cut off", body: text + "upstream connect err", kind: llm.KindTruncated, text: "upstream connect err"},
		{name: "a bare object", body: text + `{"status":"ok"}` + "\n" + end, kind: llm.KindTruncated, text: `{"status":"ok"}`},
		{name: "a damaged field", body: text + "dat: " + delta(`{"content":"x"}`) + "\n\n" + end + done, kind: llm.KindTruncated, text: "dat: {"},
		{name: "a bare chunk", body: events(delta(`{"content":"He "}`)) + delta(`{"content":"Pa"}`) + "\n\n" + end, want: parts(he)},
		{name: "chunks without fields", body: delta(`{"content":"He "}`) + "\n" + delta(`{"content":"Pa"}`) + "\n" + finishStop + "\n", want: parts(he)},
		{name: "a bare [DONE]", body: text + end + "[DONE]\n", want: parts(he)},

		{name: "an error behind the end", body: text + end + events(quota), want: parts(he), notice: "429 rate_limit: quota"},
		{name: "a bare error behind the end", body: text + end + pretty + done, want: parts(he), notice: "429 rate_limit: quota"},
		{name: "an error behind whole calls", body: call + callEnd + events(quota) + done, want: parts(f), notice: "429 rate_limit: quota"},
		{name: "an error behind calls that are cut", body: half + callEnd + events(quota), kind: llm.KindRateLimit, text: "quota"},
		{name: "an error behind thinking", body: thoughtEnd + events(quota), kind: llm.KindRateLimit, text: "quota"},
		{name: "an error behind the end and more", body: text + end + more + events(quota), kind: llm.KindRateLimit, text: "quota"},
		{name: "an error behind an end that says so", body: text + events(`{"choices":[{"delta":{},"finish_reason":"error"}]}`, quota), kind: llm.KindRateLimit, text: "quota"},
		{name: "an error with the end", body: text + events(`{"choices":[{"delta":{},"finish_reason":"stop"}],`+quota[1:]), kind: llm.KindRateLimit, text: "quota"},
		{name: "a filter behind the end", body: text + end + events(`{"error":{"code":"content_filter","message":"withheld"}}`), kind: llm.KindContentFilter, text: "withheld"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, body := range []string{tt.body, strings.ReplaceAll(tt.body, "\n", "\r\n")} {
				w := eventsOf()
				w.body = body
				resp, deltas, err := ask(t, w, true)
				if tt.want == nil {
					requireKind(t, tt.kind, err)
					require.ErrorContains(t, err, tt.text)
					continue
				}
				require.NoError(t, err)
				require.Equal(t, tt.want, resp.Message.Parts)
				requireNotice(t, tt.notice, deltas)
			}
		})
	}
}

// TestNeverFinishes: of some models it is known that they send no finish reason.
func TestNeverFinishes(t *testing.T) {
	t.Parallel()
	text, open := delta(`{"content":"a"}`), calls(`{"index":0,"id":"a","function":{"name":"f","arguments":""}}`)
	for _, tt := range []struct {
		url, model, last string
		whole            bool
	}{
		{"https://integrate.api.nvidia.com/v1", "z-ai/glm-5.1", text, true},
		{"https://integrate.api.nvidia.com/v1", "z-ai/glm5.1", text, true},
		{"https://integrate.api.nvidia.com/v1", "z-ai/glm-5.1", open, false},
		{"https://integrate.api.nvidia.com/v1", "meta/llama-3.3-70b-instruct", text, false},
		{"https://api.evolink.ai/v1", "deepseek-v4-pro", text, true},
		{"https://notevolink.ai/v1", "deepseek-v4-pro", text, false},
		{"https://provider.test/v1", "z-ai/glm-5.1", text, false},
	} {
		w := eventsOf(tt.last, "[DONE]")
		c := w.config()
		c.BaseURL = tt.url
		_, err := c.Model(tt.model).Generate(t.Context(), askStream(), nil)
		if tt.whole {
			require.NoError(t, err, "%v", tt)
			continue
		}
		requireKind(t, llm.KindTruncated, err)
	}
}
