package llmtest_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/faketb"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

const hi = `{"model":"m","messages":[{"role":"user","content":"hi"}]}`

const hiStream = `{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}`

// The seats give the same answer, streamed or not.
func TestSeatsAgree(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]llmtest.Step{
		"text":        llmtest.Text("It is 22 °C <b>&\n\"quoted\" 今天北京的天气是二十二度晴."),
		"empty":       llmtest.Text(""),
		"call":        llmtest.Calls("f", map[string]string{"city": "Beijing"}),
		"calls":       llmtest.Text("Let me see.").And(llmtest.Calls("f", "no json"), llmtest.Calls("g", ""), llmtest.Calls("h", "x")),
		"reasoning":   llmtest.Reasoning("Hm, let me think.").And(llmtest.Text("Yes.")),
		"refusal":     llmtest.Refusal("I will not do that."),
		"length":      llmtest.Text("It is").Finish("length"),
		"filter":      llmtest.Text("").Finish("content_filter"),
		"native":      llmtest.Calls("f", `{"a`).NativeFinish("max_output_tokens"),
		"no finish":   llmtest.Text("a").Finish(""),
		"usage":       llmtest.Text("a").Usage(llm.Usage{InputTokens: 3, OutputTokens: 4, TotalTokens: 7}),
		"no usage":    llmtest.Text("a").Usage(llm.Usage{}),
		"own call id": llmtest.Parts(llm.ToolCall{ID: "functions.f:0", Name: "f", Arguments: "{}"}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, err := llmtest.Script(t, step).Generate(t.Context(), ask("hi"), nil)
			require.NoError(t, err)
			want.RequestID = "" // a header

			m := llmtest.Script(t, step)
			got := document(t, readAll(t, chat(t, m.Serve(), hi)))
			require.Equal(t, want, got)
			require.Equal(t, []llm.Request{*ask("hi")}, m.Requests())

			m = llmtest.Script(t, step)
			resp := chat(t, m.Serve(), hiStream)
			require.Equal(t, "text/event-stream; charset=utf-8", resp.Header.Get("Content-Type"))
			require.Equal(t, "req_1", resp.Header.Get("x-request-id"))
			require.Equal(t, want, stream(t, events(t, resp.Body)))
			require.Equal(t, []llm.Request{*streamed(ask("hi"))}, m.Requests())
		})
	}
}

func TestDocumentOnTheWire(t *testing.T) {
	t.Parallel()
	s := llmtest.Script(t, llmtest.Text("Wait.").And(llmtest.Calls("f", map[string]int{"x": 1})).
		Usage(llm.Usage{InputTokens: 9, CachedTokens: 4, CacheWriteTokens: 2, OutputTokens: 3, ReasoningTokens: 1, TotalTokens: 12})).Serve()
	resp := chat(t, s, hi)
	require.Equal(t, 200, resp.StatusCode)
	require.Equal(t, "application/json", resp.Header.Get("Content-Type"))
	require.Equal(t, "req_1", resp.Header.Get("x-request-id"))
	require.JSONEq(t, `{
		"id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "m",
		"choices": [{"index": 0, "finish_reason": "tool_calls", "logprobs": null, "message": {
			"role": "assistant", "content": "Wait.", "refusal": null,
			"tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}}]}}],
		"usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12,
			"prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0, "cache_write_tokens": 2},
			"completion_tokens_details": {"reasoning_tokens": 1, "audio_tokens": 0}}}`, readAll(t, resp))
}

func TestStreamOnTheWire(t *testing.T) {
	t.Parallel()
	step := llmtest.Calls("f", `{"x":1}`)
	s := llmtest.Script(t, step, step).Serve()
	head := `{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":[`
	delta := func(d, finish string) string {
		return head + `{"index":0,"delta":` + d + `,"logprobs":null,"finish_reason":` + finish + `}],"usage":null}`
	}
	require.Equal(t, []string{
		delta(`{"role":"assistant","content":null}`, "null"),
		delta(`{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]}`, "null"),
		delta(`{"tool_calls":[{"index":0,"function":{"arguments":"{\"x"}}]}`, "null"),
		delta(`{"tool_calls":[{"index":0,"function":{"arguments":"\":1}"}}]}`, "null"),
		delta(`{}`, `"tool_calls"`),
		head + `],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}}}`,
		"[DONE]",
	}, events(t, chat(t, s, hiStream).Body))

	without := readAll(t, chat(t, s, strings.Replace(hiStream, "true}", "false}", 1)))
	require.NotContains(t, without, "usage")
	require.NotContains(t, without, `"choices":[]`)
}

// What nobody modelled reaches the client, and a stream stays well formed when
// such a member holds line breaks.
func TestExtrasOnTheWire(t *testing.T) {
	t.Parallel()
	broken := "{\n\"a\":\r\n1}"
	step := llmtest.Reply(func(context.Context, *llm.Request) (*llm.Response, error) {
		return &llm.Response{
			Message: llm.Message{
				Parts: llm.Parts{
					llm.Text{Text: "a", Extra: []llm.Member{{Name: "cited", Value: broken}}},
					llm.RawPart{JSON: `{"type":"map","map":[]}`},
					llm.Audio{ID: "audio_1", Data: []byte("sound"), Transcript: "said"},
					llm.ToolCall{Name: "f", Arguments: "{}", Extra: []llm.Member{{Name: "extra_content", Value: broken}}},
				},
				Extra: []llm.Member{{Name: "annotations", Value: broken}},
			},
			Extra:    []llm.Member{{Name: "citations", Value: broken}},
			RawUsage: json.RawMessage(`{"prompt_tokens": 1, "cost": 0.5}`),
			LogProbs: json.RawMessage(`{"content":[]}`),
		}, nil
	})
	s := llmtest.Script(t, step, step).Serve()
	audio := `"audio":{"id":"audio_1","data":"c291bmQ=","transcript":"said","expires_at":1700003600}`
	text := `{"type":"text","text":"a","cited":{"a":1}}`
	require.JSONEq(t, `{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"m","choices":[{
		"index":0,"logprobs":{"content":[]},"finish_reason":"tool_calls","message":{
			"role":"assistant","refusal":null,"content":[`+text+`,{"type":"map","map":[]}],`+audio+`,
			"tool_calls":[{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"},"extra_content":{"a":1}}],
			"annotations":{"a":1}}}],
		"usage":{"prompt_tokens":1,"cost":0.5},"citations":{"a":1}}`, readAll(t, chat(t, s, hi)))

	all := strings.Join(events(t, chat(t, s, hiStream).Body), "\n")
	for _, want := range []string{
		`"content":[{"type":"text","text":"a","cited":{"a":1}}]`, `"content":[{"type":"map","map":[]}]`, audio,
		`"extra_content":{"a":1}`, `"delta":{"annotations":{"a":1}}`, `"citations":{"a":1}`, `"usage":{"prompt_tokens":1,"cost":0.5}`,
		`"logprobs":{"content":[]}`,
	} {
		require.Contains(t, all, want)
	}
}

func TestErrorsOnTheWire(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err     error
		status  int
		body    string
		headers map[string]string
	}{
		"all fields": {
			err:    &llm.APIError{Kind: llm.KindInvalidRequest, StatusCode: 422, Code: "c", Type: "t", Param: "p", Message: "<m>", RequestID: "r"},
			status: 422, body: `{"error":{"message":"<m>","type":"t","param":"p","code":"c"}}`, headers: map[string]string{"x-request-id": "r"},
		},
		"rate limit": {
			err: &llm.APIError{Kind: llm.KindRateLimit, RetryAfter: 1500 * time.Millisecond}, status: 429,
			body:    `{"error":{"message":"Rate limit reached.","type":"requests","param":null,"code":"rate_limit_exceeded"}}`,
			headers: map[string]string{"Retry-After": "2", "retry-after-ms": "1500"},
		},
		"whole seconds": {
			err: &llm.APIError{Kind: llm.KindOverloaded, Message: "m", RetryAfter: 3 * time.Second}, status: 503,
			body:    `{"error":{"message":"m","type":"server_error","param":null,"code":"overloaded"}}`,
			headers: map[string]string{"Retry-After": "3", "retry-after-ms": ""},
		},
		"overflow": {
			err: &llm.APIError{Kind: llm.KindContextOverflow, Message: "m"}, status: 400,
			body: `{"error":{"message":"m","type":"invalid_request_error","param":null,"code":"context_length_exceeded"}}`,
		},
		"any other error": {
			err: errors.New("boom"), status: 500,
			body: `{"error":{"message":"boom","type":"server_error","param":null,"code":null}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := llmtest.Script(t, llmtest.Fail(c.err), llmtest.Fail(c.err)).Serve()
			for _, body := range []string{hi, hiStream} {
				resp := chat(t, s, body)
				require.Equal(t, c.status, resp.StatusCode)
				require.Equal(t, "application/json", resp.Header.Get("Content-Type"))
				require.Equal(t, c.body+"\n", readAll(t, resp))
				for k, v := range c.headers {
					require.Equal(t, v, resp.Header.Get(k), k)
				}
			}
		})
	}
}

func TestEachKindHasItsStatus(t *testing.T) {
	t.Parallel()
	kinds := map[llm.ErrorKind]int{
		llm.KindAuth: 401, llm.KindPermission: 403, llm.KindNotFound: 404, llm.KindInvalidRequest: 400, llm.KindTooLarge: 413,
		llm.KindContextOverflow: 400, llm.KindContentFilter: 400, llm.KindQuota: 429, llm.KindRateLimit: 429, llm.KindConflict: 409,
		llm.KindOverloaded: 503, llm.KindServer: 500, llm.KindTimeout: 408,
	}
	for kind, status := range kinds {
		resp := chat(t, llmtest.Script(t, llmtest.Fail(&llm.APIError{Kind: kind})).Serve(), hi)
		require.Equal(t, status, resp.StatusCode, kind)
		var body struct {
			Error struct{ Message, Type string }
		}
		require.NoError(t, json.Unmarshal([]byte(readAll(t, resp)), &body))
		require.NotEmpty(t, body.Error.Message)
		require.NotEmpty(t, body.Error.Type)
	}
}

// What a provider refuses uses no step.
func TestRefusedRequests(t *testing.T) {
	t.Parallel()
	m := llmtest.Script(t)
	s := &llmtest.Server{Model: m, Key: "sk-test", Models: []string{"m", "n"}}
	require.NoError(t, s.Start())
	const invalid = "invalid_request_error"
	for name, c := range map[string]struct {
		method, path, body string
		headers            []string
		status             int
		code               any
		message            string
	}{
		"path":         {path: "/v1/completions", status: 404, message: "Invalid URL (POST /v1/completions)"},
		"base url":     {path: "/chat/completions", status: 404, message: "Invalid URL (POST /chat/completions)"},
		"method":       {method: http.MethodGet, status: 405, code: "method_not_supported", message: "Not allowed to GET on /v1/chat/completions"},
		"no key":       {headers: []string{"Authorization", ""}, status: 401, code: "invalid_api_key", message: "Incorrect API key provided."},
		"wrong key":    {headers: []string{"Authorization", "Bearer sk-wrong"}, status: 401, code: "invalid_api_key", message: "Incorrect API key provided."},
		"content type": {headers: []string{"Content-Type", "text/plain"}, status: 415, code: "unsupported_content_type", message: `The Content-Type is "text/plain", not application/json.`},
		"no JSON":      {body: "{", status: 400, message: "We could not parse the body of your request: EOF"},
		"no object":    {body: "[]", status: 400, message: "We could not parse the body of your request: got [, want a JSON object"},
		"no model":     {body: `{"messages":[{"role":"user","content":"hi"}]}`, status: 400, code: "missing_required_parameter", message: "you must provide a model parameter"},
		"other model":  {body: strings.Replace(hi, `"m"`, `"x"`, 1), status: 404, code: "model_not_found", message: "The model `x` does not exist or you do not have access to it."},
		"no messages":  {body: `{"model":"n"}`, status: 400, code: "missing_required_parameter", message: "Missing required parameter: 'messages'."},
		"arguments":    {body: `{"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f","arguments":{}}}]}]}`, status: 400, code: "invalid_type", message: "Invalid type for 'messages[0].tool_calls[0].function.arguments': expected a string."},
		"two answers":  {body: strings.Replace(hi, "{", `{"n":2,`, 1), status: 400, code: "invalid_value", message: "n is 2: one answer is asked for at a time"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.body == "" {
				c.body = hi
			}
			if c.path == "" {
				c.path = "/v1/chat/completions"
			}
			if c.method == "" {
				c.method = http.MethodPost
			}
			req, err := http.NewRequestWithContext(t.Context(), c.method, strings.TrimSuffix(s.BaseURL, "/v1")+c.path, strings.NewReader(c.body))
			require.NoError(t, err)
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Authorization", "Bearer sk-test")
			if c.headers != nil {
				req.Header.Set(c.headers[0], c.headers[1])
			}
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			defer func() { _ = resp.Body.Close() }()
			require.Equal(t, c.status, resp.StatusCode)
			var body struct{ Error map[string]any }
			require.NoError(t, json.NewDecoder(resp.Body).Decode(&body))
			require.Equal(t, c.message, body.Error["message"])
			require.Equal(t, invalid, body.Error["type"])
			require.Equal(t, c.code, body.Error["code"])
		})
	}
	require.Empty(t, m.Requests())
}

func TestKeyOfAzure(t *testing.T) {
	t.Parallel()
	s := &llmtest.Server{Model: llmtest.Script(t, llmtest.Text("hi")), Key: "secret"}
	require.NoError(t, s.Start())
	require.Equal(t, 200, chat(t, s, hi, "api-key", "secret").StatusCode)
}

func TestWireRequestBeyondTheScript(t *testing.T) {
	t.Parallel()
	tb := new(faketb.TB)
	got := tb.Run(func(tb testing.TB) {
		resp := chat(t, llmtest.Script(tb).Serve(), hi)
		require.Equal(t, 400, resp.StatusCode)
		require.Contains(t, readAll(t, resp), `"code":"beyond_script"`)
	})
	require.Equal(t, []string{"llmtest: request 1 is beyond the script of 0 steps:\n  model m\n  user: \"hi\""}, got)
}

func TestServerMisuse(t *testing.T) {
	t.Parallel()
	require.EqualError(t, new(llmtest.Server).Start(), "llmtest: the Server has no Model")
	new(llmtest.Server).Close()
	wrong := &llmtest.Server{Model: llmtest.NewScript(llmtest.Reply(nil))}
	require.EqualError(t, wrong.Start(), "llmtest: step 1: Reply needs a function")
	s := llmtest.Script(t).Serve()
	require.EqualError(t, s.Start(), "llmtest: the Server was started before")
	s.Close()
	s.Close()
	_, err := http.Get(s.BaseURL)
	require.Error(t, err)
}

// A connection that is accepted while the server closes is closed as well, or
// Close would wait for it for ever.
func TestAcceptedWhileClosing(t *testing.T) {
	t.Parallel()
	s := llmtest.Script(t).Serve()
	s.Close()
	client, server := net.Pipe()
	require.NoError(t, client.SetReadDeadline(time.Now().Add(10*time.Second)))
	s.Track(server, http.StateNew)
	_, err := client.Read(make([]byte, 1))
	s.Track(server, http.StateClosed)
	s.Close()
	require.ErrorIs(t, err, io.EOF)
}

// A client that goes away ends the work for it, and Close waits for all of it.
// Not parallel: it looks at all goroutines.
func TestDisconnectAndClose(t *testing.T) {
	steps := map[string]llmtest.Step{
		"in a stream": llmtest.Text("one two three").Delay(time.Hour),
		"in a reply": llmtest.Reply(func(ctx context.Context, _ *llm.Request) (*llm.Response, error) {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}),
	}
	for name, step := range steps {
		t.Run("client leaves "+name, func(t *testing.T) {
			s := llmtest.NewScript(step).Serve()
			ctx, cancel := context.WithCancel(t.Context())
			done := hang(ctx, t, s)
			cancel()
			require.ErrorIs(t, <-done, context.Canceled)
			requireNoHandlers(t)
			s.Close()
			requireNoServers(t)
		})
		t.Run("server closes "+name, func(t *testing.T) {
			s := llmtest.NewScript(step).Serve()
			done := hang(t.Context(), t, s)
			s.Close()
			require.Error(t, <-done)
			requireNoServers(t)
		})
	}
}

// hang sends a request that is not answered to its end, and returns when the
// script has it.
func hang(ctx context.Context, t *testing.T, s *llmtest.Server) <-chan error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.BaseURL+"/chat/completions", strings.NewReader(hiStream))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	done := make(chan error, 1)
	go func() {
		resp, err := new(http.Transport).RoundTrip(req)
		if err == nil {
			_, err = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		done <- err
	}()
	require.Eventually(t, func() bool { return len(s.Model.Requests()) == 1 }, 10*time.Second, time.Millisecond)
	return done
}

// requireNoHandlers waits until no request is being served.
func requireNoHandlers(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { return !strings.Contains(stacks(), "ServeHTTP(") }, 10*time.Second, time.Millisecond)
}

// requireNoServers gives goroutines that are past their last statement a moment
// to leave the list.
func requireNoServers(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool {
		all := stacks()
		return !strings.Contains(all, "net/http.(*conn)") && !strings.Contains(all, "net/http.(*Server)")
	}, time.Second, time.Millisecond, "%s", stacks())
}

func stacks() string {
	b := make([]byte, 1<<20)
	return string(b[:runtime.Stack(b, true)])
}

// Real net/http on both sides, in a bubble of fake time.
func TestPipe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := llmtest.Script(t, llmtest.Text("one two three").Delay(time.Minute).Forever())
		client := m.Pipe(t)
		for _, url := range []string{"http://model/v1/chat/completions", "https://api.example.com/chat/completions"} {
			start := time.Now()
			resp, err := client.Do(request(t.Context(), t, http.MethodPost, url, hiStream))
			require.NoError(t, err)
			require.Equal(t, "one two three", stream(t, events(t, resp.Body)).Message.Text())
			require.NoError(t, resp.Body.Close())
			require.Equal(t, 3*time.Minute, time.Since(start))
		}
		resp, err := client.Do(request(t.Context(), t, http.MethodPost, "http://model/v1/completions", hi))
		require.NoError(t, err)
		require.Equal(t, 404, resp.StatusCode)
		require.NoError(t, resp.Body.Close())
	})
}

// A Server is a handler, for listeners of others.
func TestServerIsAHandler(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(&llmtest.Server{Model: llmtest.Script(t, llmtest.Text("hi"))})
	defer s.Close()
	require.Equal(t, 200, post(t, s.URL+"/v1/chat/completions", hi).StatusCode)
}
