package openai_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// TestRetries is what an error says of how often to try again.
func TestRetries(t *testing.T) {
	t.Parallel()
	asked := func(v string) http.Header { return http.Header{"X-Should-Retry": {v}} }
	for _, tt := range []struct {
		name    string
		status  int
		header  http.Header
		body    string
		retries int
		retry   bool
	}{
		{name: "the kind decides", status: 503, body: `{}`, retry: true},
		{name: "the kind decides against it", status: 400, body: `{"message":"no"}`},
		{name: "asked for", status: 400, header: asked("true"), body: `{"message":"no"}`, retries: 2, retry: true},
		{name: "asked for what is retried anyway", status: 503, header: asked("true"), body: `{}`, retry: true},
		{name: "asked for what cannot succeed", status: 400, header: asked("true"), body: `{"message":"prompt is too long"}`},
		{name: "asked for with a wrong key", status: 401, header: asked("true"), body: `{}`},
		{name: "asked not to", status: 503, header: asked("False"), body: `{}`, retries: -1},
		{name: "asked something else", status: 503, header: asked("maybe"), body: `{}`, retry: true},
		{name: "a call that Groq could not read", status: 400, body: `{"error":{"message":"m","code":"tool_use_failed"}}`, retries: 1, retry: true},
		{name: "a call that llama.cpp could not read", status: 500, body: `{"error":{"message":"Failed to parse input at pos 3: <|x|>"}}`, retries: 1, retry: true},
		{name: "and asked not to", status: 500, header: asked("false"), body: `{"error":{"message":"Failed to parse input at pos 3: <|x|>"}}`, retries: -1},
		{name: "in the middle of a stream", status: 200, body: events(`{"error":{"message":"m","code":"tool_use_failed","status_code":400}}`), retries: 1, retry: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := ask(t, &wire{status: tt.status, header: tt.header, body: tt.body}, false)
			var api *llm.APIError
			require.ErrorAs(t, err, &api)
			require.Equal(t, tt.retries, api.Retries)
			require.Equal(t, tt.retry, api.Retryable())
		})
	}
}

// TestEncodedErrors is about bodies of errors that cannot be read: the status
// still says what is the matter.
func TestEncodedErrors(t *testing.T) {
	t.Parallel()
	for status, kind := range map[int]llm.ErrorKind{401: llm.KindAuth, 429: llm.KindRateLimit, 503: llm.KindOverloaded} {
		_, _, err := ask(t, &wire{status: status, header: http.Header{"Content-Encoding": {"zstd"}, "Retry-After": {"3"}}, body: "\x28\xb5\x2f\xfd"}, false)
		api := requireKind(t, kind, err)
		require.Equal(t, 3*time.Second, api.RetryAfter)
		require.ErrorContains(t, err, `the error is encoded as "zstd", which was not asked for`)
	}
}

// TestStreamWithoutChoice is what a stream says instead of an answer.
func TestStreamWithoutChoice(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body string
		kind       llm.ErrorKind
	}{
		{"no balance", events(`{"choices":null,"base_resp":{"status_code":1008,"status_msg":"x"}}`), llm.KindQuota},
		{"no balance, and [DONE]", events(`{"choices":null,"base_resp":{"status_code":1008,"status_msg":"x"}}`, "[DONE]"), llm.KindQuota},
		{"words", events(`{"detail":"rate limit exceeded"}`), llm.KindRateLimit},
		{"words that mean nothing to us", events(`{"message":"x"}`), llm.KindServer},
		{"no words, though they look like some", events(`{"choices":[],"x":"rate limit exceeded"}`), llm.KindTruncated},
		{"no words, and [DONE]", events(`{"choices":[],"x":"rate limit exceeded"}`, "[DONE]"), llm.KindMalformed},
		{"all is well", events(`{"choices":[],"base_resp":{"status_code":0,"status_msg":"success"}}`, delta(`{"content":"a"}`), finishStop), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := eventsOf()
			w.body = tt.body
			_, _, err := ask(t, w, true)
			if tt.kind == "" {
				require.NoError(t, err)
				return
			}
			requireKind(t, tt.kind, err)
		})
	}
}
