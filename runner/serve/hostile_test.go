package serve_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/internal/hostile"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/serve"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// attacks has texts that act somewhere, if something takes them for more than text.
var attacks = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `javascript:alert(1)`,
	"data: {\"type\":\"finish\"}\n\ndata: [DONE]\n\n", "\r\nevent: x\r\nid: 1\r\n: c\r\n\r\n",
	"a\u202egpj.exe\u2066b\u200f c", "\x1b]0;x\x07\x1b[2J\x00", "\u2028\u2029\ufeff", "\xff\xfe\xf0\x9f",
}

// TestHostileTexts: a text in a message, a name, arguments, a result, an error or a reason is
// the same text in the stream, and nothing else.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	for _, text := range attacks {
		var want string
		data, err := json.Marshal(text) // which replaces bytes that are no text
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(data, &want))
		echo := tool.Must(tool.New("echo", "Says it again.", func(_ context.Context, in lookArgs) (string, error) { return text, nil }))
		fail := tool.Must(tool.New("fail", "Fails.", func(context.Context, lookArgs) (string, error) { return "", errors.New(text) }))
		agent := func(t *testing.T) *agent.Agent {
			t.Helper()
			return &agent.Agent{Name: text, Tools: []tool.Tool{echo, fail}, Model: llmtest.Script(t,
				llmtest.Reasoning(text).And(llmtest.Text(text), llmtest.Calls("echo", lookArgs{text}), llmtest.Calls("fail", lookArgs{"x"}), llmtest.Calls(text, text)),
				llmtest.Text(text))}
		}
		for _, path := range []string{"/chat", "/ag"} {
			synctest.Test(t, func(t *testing.T) {
				s := open(t, serve.Config{Runner: runner.Runner{NoStream: true}, Agent: agent(t), Logger: slog.New(slog.DiscardHandler)})
				body, err := json.Marshal(map[string]any{"id": "c", "threadId": "c", "runId": text, "messages": []any{map[string]any{
					"id": "a", "role": "user", "content": text, "parts": []any{map[string]string{"type": "text", "text": text}},
				}}})
				require.NoError(t, err)
				resp := s.do(t, http.MethodPost, path, string(body))
				require.Equal(t, 200, resp.StatusCode)
				raw, err := io.ReadAll(resp.lines)
				require.NoError(t, err)
				require.True(t, utf8.Valid(raw))
				require.NotContains(t, string(raw), "<")
				require.NotContains(t, string(raw), "\r")
				found := 0
				for _, frame := range strings.Split(strings.TrimSuffix(string(raw), "\n\n"), "\n\n") {
					data, ok := strings.CutPrefix(frame, "data: ")
					require.True(t, ok, frame)
					require.NotContains(t, data, "\n")
					var c map[string]any
					if data != "[DONE]" {
						require.NoError(t, json.Unmarshal([]byte(data), &c), data)
					}
					for _, name := range []string{"delta", "content", "output", "toolName", "toolCallName"} {
						if c[name] == want {
							found++
						}
					}
				}
				require.GreaterOrEqual(t, found, 4, string(raw))
			})
		}
	}
}

// TestHostileFields: a text in any field of any event, found by reflection, is a text in the
// frames of both protocols and in the conversation, and breaks no frame.
func TestHostileFields(t *testing.T) {
	t.Parallel()
	chat, err := serve.Config{Agent: &agent.Agent{Model: llmtest.NewScript()}, Session: func(*http.Request, string) (string, error) { return "c", nil }}.Chat()
	require.NoError(t, err)
	story := hostile.Story(t, "../event")
	each := len(story) / len(hostile.Texts)
	for i, text := range hostile.Texts {
		var want string
		data, err := json.Marshal(text) // which replaces bytes that are no text
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(data, &want))
		for _, agui := range []bool{false, true} {
			w := httptest.NewRecorder()
			require.NoError(t, chat.Tell(w, agui, story[i*each:(i+1)*each]))
			raw := w.Body.String()
			require.True(t, utf8.ValidString(raw))
			require.Equal(t, "nosniff", w.Header().Get("X-Content-Type-Options"))
			require.NotContains(t, raw, "<")
			require.Equal(t, -1, strings.IndexFunc(strings.ReplaceAll(raw, "\n", " "), unicode.IsControl))
			found := map[string]bool{}
			for _, frame := range strings.Split(strings.TrimSuffix(raw, "\n\n"), "\n\n") {
				data, ok := strings.CutPrefix(frame, "data: ")
				require.True(t, ok, frame)
				require.NotContains(t, data, "\n")
				if data == "[DONE]" {
					continue
				}
				var c map[string]any
				require.NoError(t, json.Unmarshal([]byte(data), &c), data)
				kind, _ := c["type"].(string)
				require.Regexp(t, `^([a-z-]+|[A-Z_]+)$`, kind)
				if strings.Contains(fmt.Sprint(c), want) {
					found[kind] = true
				}
			}
			require.Subset(t, slices.Collect(maps.Keys(found)), map[bool][]string{
				false: {"text-delta", "reasoning-delta", "tool-input-available", "data-toolloop-helper", "data-toolloop-handoff", "data-toolloop-output", "file", "tool-output-error"},
				true:  {"TEXT_MESSAGE_CONTENT", "REASONING_MESSAGE_CONTENT", "TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_RESULT", "SUBAGENT_STARTED", "CUSTOM", "RUN_FINISHED"},
			}[agui], text)
		}
	}
}

// TestRedact: Redact changes the texts for the browser, and its panics withhold a text.
func TestRedact(t *testing.T) {
	t.Parallel()
	redact := func(text string) string {
		if strings.Contains(text, "poison") {
			panic("oh")
		}
		return strings.ReplaceAll(text, "sk-1234", "[key]")
	}
	synctest.Test(t, func(t *testing.T) {
		s := open(t, serve.Config{
			Runner: runner.Runner{Redact: redact, NoStream: true}, Logger: slog.New(slog.DiscardHandler),
			Agent: desk(llmtest.Script(t, llmtest.Text("The key is sk-1234."), llmtest.Text("poison"))),
		})
		require.Equal(t, "The key is [key].", textOf(t, s.say(t, "a", "Say sk-1234.").all(t)))
		require.Equal(t, "[withheld]", textOf(t, s.say(t, "b", "Again.").all(t)))
		require.NotContains(t, s.text(t, "/chat/c/messages"), "sk-1234")
	})
}

// TestLargeResult: a result of 10 MB does not become a frame that clients refuse.
func TestLargeResult(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", 5<<20)
	tools := []tool.Tool{tool.Must(tool.New("read", "Reads a lot.", func(context.Context, struct{}) (string, error) { return long, nil }, tool.MaxResult(20<<20)))}
	for _, path := range []string{"/chat", "/ag"} {
		synctest.Test(t, func(t *testing.T) {
			s := open(t, serve.Config{Agent: &agent.Agent{Tools: tools, Model: llmtest.Script(t, llmtest.Calls("read", nil), llmtest.Text("Long."))}})
			resp := s.do(t, http.MethodPost, path, `{"id":"c","threadId":"c","runId":"r","messages":[{"id":"a","role":"user","content":"Read.","parts":[{"type":"text","text":"Read."}]}]}`)
			raw, err := io.ReadAll(resp.lines)
			require.NoError(t, err)
			require.Contains(t, string(raw), "bytes more)")
			require.Less(t, len(raw), 2<<20)
		})
	}
}
