package tape_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/faketb"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest/tape"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

func complaints(test func(t testing.TB)) []string { return new(faketb.TB).Run(test) }

// tape reads the files of a recording.
func tapeFiles(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	files := map[string]string{}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		files[e.Name()] = string(text)
	}
	return files
}

// interaction is what one Generate gave.
type interaction struct {
	resp   *llm.Response
	deltas []llm.Delta
	err    string
}

func sendAll(t testing.TB, m llm.Model, reqs ...*llm.Request) []interaction {
	var out []interaction
	for _, req := range reqs {
		resp, deltas, err := collect(context.Background(), m, req)
		e := interaction{resp: resp, deltas: deltas}
		if err != nil {
			e.err = err.Error()
		}
		out = append(out, e)
	}
	return out
}

// conversation is asked of script, which answers with each thing a tape keeps.
func conversation() []*llm.Request {
	return []*llm.Request{
		ask("one"),
		streamed(&llm.Request{
			Model: "m", Instructions: "Be brief.", Messages: []llm.Message{llm.User("two")},
			Tools:    []llm.ToolDef{{Name: "f", Schema: json.RawMessage(`{"type": "object"}`)}},
			Settings: llm.Settings{Store: new(false), MaxOutputTokens: 9},
		}),
		ask("three"),
		ask("four"),
	}
}

func script(t testing.TB) *llmtest.Model {
	return llmtest.Script(t,
		llmtest.Text("Hello <b>&\u2028."),
		llmtest.Reasoning("Hm, let me see.").And(llmtest.Text("Wait."), llmtest.Calls("f", map[string]int{"a": 1})),
		llmtest.Fail(&llm.APIError{Kind: llm.KindRateLimit, StatusCode: 429, Message: "slow down", RetryAfter: 3 * time.Second, Provider: "openai"}),
		llmtest.Reply(func(context.Context, *llm.Request) (*llm.Response, error) {
			return &llm.Response{
				Message:  llm.Message{Parts: llm.Parts{llm.Refusal{Text: "No."}}, Extra: member("annotations", `[1, {}]`)},
				RawUsage: json.RawMessage(`{"prompt_tokens":3,"cost":0.50}`),
			}, nil
		}))
}

func TestTapeReplaysWhatItRecorded(t *testing.T) {
	t.Parallel()
	t.Run("model", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(t.TempDir(), "a", "tape")
		var recorded, replayed []interaction
		require.Empty(t, complaints(func(tb testing.TB) {
			recorded = sendAll(tb, tape.Record(tb, dir).Model(script(t)), conversation()...)
		}))
		require.Empty(t, complaints(func(tb testing.TB) {
			replayed = sendAll(tb, tape.Replay(tb, dir).Model(nil), conversation()...)
		}))
		require.Equal(t, recorded, replayed)
		require.NotEmpty(t, recorded[1].deltas)
		require.Equal(t, "openai: 429 rate_limit: slow down (retry after 3s)", recorded[2].err)
	})
	for _, api := range []openai.API{openai.APIChat, openai.APIResponses} {
		t.Run("transport, "+string(api), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			server := script(t).Serve()
			model := func(tp *tape.Tape) llm.Model {
				return openai.Config{
					BaseURL: server.BaseURL, Key: "sekret-key", Retry: wrap.Retry{Attempts: 1}, API: api,
					HTTPClient: &http.Client{Transport: tp.Transport(nil)},
				}.Model("m")
			}
			var recorded, replayed []interaction
			require.Empty(t, complaints(func(tb testing.TB) {
				recorded = sendAll(tb, model(tape.Record(tb, dir)), conversation()...)
			}))
			server.Close()
			require.Empty(t, complaints(func(tb testing.TB) {
				replayed = sendAll(tb, model(tape.Replay(tb, dir)), conversation()...)
			}))
			require.Equal(t, recorded, replayed)
			require.Equal(t, "No.", recorded[3].resp.Message.Refusal())
			require.NotEmpty(t, recorded[1].deltas, "the second request streams")
			file, err := os.ReadFile(filepath.Join(dir, "001.json"))
			require.NoError(t, err)
			require.Equal(t, api == openai.APIResponses, strings.Contains(string(file), "/responses"))
		})
	}
}

// The files are for people: this is what one looks like.
func TestTapeFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.Empty(t, complaints(func(tb testing.TB) {
		tp := tape.Record(tb, dir)
		s := llmtest.Script(t, llmtest.Text("Hi <you>."), llmtest.Text("Hi."))
		sendAll(tb, tp.Model(s), streamed(ask("hello")))
		client := openai.Config{BaseURL: s.Serve().BaseURL, HTTPClient: &http.Client{Transport: tp.Transport(nil)}}.Model("m")
		sendAll(tb, client, streamed(ask("hello")))
	}))
	head := `{"id":"chatcmpl-2","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[`
	require.Equal(t, map[string]string{
		"001.json": `{
  "seat": "model",
  "request": {
    "model": "m",
    "messages": [
      {"role":"user","parts":[{"type":"text","text":"hello"}]}
    ],
    "stream": true
  },
  "deltas": [
    {"text":"Hi "},
    {"text":"<you>."}
  ],
  "response": {
    "id": "chatcmpl-1",
    "request_id": "req_1",
    "model": "m",
    "message": {"role":"assistant","parts":[{"type":"text","text":"Hi <you>."}]},
    "finish": {"reason":"stop","raw":"stop"},
    "usage": {"input_tokens":10,"output_tokens":5,"total_tokens":15}
  }
}
`,
		"002.json": `{
  "seat": "transport",
  "request": {
    "method": "POST",
    "path": "/v1/chat/completions",
    "body": {
      "model": "m",
      "messages": [
        {"role":"user","content":"hello"}
      ],
      "stream": true,
      "stream_options": {"include_usage":true}
    }
  },
  "response": {
    "status": 200,
    "header": {"content-type":"text/event-stream; charset=utf-8","x-request-id":"req_2"},
    "events": [
      ` + head + `{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"usage":null},
      ` + head + `{"index":0,"delta":{"content":"H"},"logprobs":null,"finish_reason":null}],"usage":null},
      ` + head + `{"index":0,"delta":{"content":"i."},"logprobs":null,"finish_reason":null}],"usage":null},
      ` + head + `{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null},
      ` + head + `],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}}},
      "[DONE]"
    ]
  }
}
`}, tapeFiles(t, dir))
}
