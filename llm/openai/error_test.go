package openai_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// TestErrors has the errors of OpenAI as its documents show them, and the
// shapes and wordings of others.
func TestErrors(t *testing.T) {
	t.Parallel()
	h := func(pairs ...string) http.Header {
		h := http.Header{"Content-Type": {"application/json"}}
		for i := 0; i < len(pairs); i += 2 {
			h.Set(pairs[i], pairs[i+1])
		}
		return h
	}
	for _, tt := range []struct {
		name   string
		status int
		header http.Header
		body   string
		want   llm.APIError
		retry  bool
	}{
		{name: "invalid key", status: 401, header: h("X-Request-Id", "req_1"),
			body: `{"error":{"message":"Invalid API key provided. You can find your API key at https://platform.openai.com/account/api-keys.","type":"invalid_request_error","code":"invalid_api_key","param":null,"code":"invalid_api_key"}}`,
			want: llm.APIError{Kind: llm.KindAuth, Code: "invalid_api_key", Type: "invalid_request_error", RequestID: "req_1", Message: "Invalid API key provided. You can find your API key at https://platform.openai.com/account/api-keys."}},
		{name: "missing parameter", status: 400, body: `{"error":{"message":"Missing required parameter: 'messages'","type":"invalid_request_error","param":"messages","code":null}}`,
			want: llm.APIError{Kind: llm.KindInvalidRequest, Type: "invalid_request_error", Param: "messages", Message: "Missing required parameter: 'messages'"}},
		{name: "invalid JSON", status: 400, body: `{"error":{"message":"Invalid JSON: Unexpected token at position 42.","type":"invalid_request_error","param":null,"code":"json_parse_error"}}`,
			want: llm.APIError{Kind: llm.KindInvalidRequest, Type: "invalid_request_error", Code: "json_parse_error", Message: "Invalid JSON: Unexpected token at position 42."}},
		{name: "rate limit", status: 429, header: h("X-RateLimit-Limit", "5000000", "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", "1746124800", "Retry-After", "45"),
			body: `{"error":{"message":"Rate limit reached for model 'gpt-4o' with TPM limit of 300000. Limit will reset at 1746124800.","type":"rate_limit_exceeded_error","param":null,"code":"tpm_limit_exceeded"}}`,
			want: llm.APIError{Kind: llm.KindRateLimit, Type: "rate_limit_exceeded_error", Code: "tpm_limit_exceeded", RetryAfter: 45 * time.Second, RateLimits: []llm.RateLimit{{Limit: 5000000}}, Message: "Rate limit reached for model 'gpt-4o' with TPM limit of 300000. Limit will reset at 1746124800."}, retry: true},
		{name: "unsupported feature", status: 400, body: `{"error":{"message":"Model 'gpt-3.5-turbo' does not support response_format parameter.","type":"invalid_request_error","param":"response_format","code":null}}`,
			want: llm.APIError{Kind: llm.KindInvalidRequest, Type: "invalid_request_error", Param: "response_format", Message: "Model 'gpt-3.5-turbo' does not support response_format parameter."}},
		{name: "context window", status: 400, body: `{"error":{"message":"This model's maximum context window is 128000 tokens. Your messages resulted in 150000 tokens.","type":"invalid_request_error","param":"messages","code":"context_window_exceeded"}}`,
			want: llm.APIError{Kind: llm.KindContextOverflow, Type: "invalid_request_error", Param: "messages", Code: "context_window_exceeded", Message: "This model's maximum context window is 128000 tokens. Your messages resulted in 150000 tokens.", Tokens: 150000, TokenLimit: 128000}},
		{name: "server error", status: 500, body: `{"error":{"message":"The server had an error while processing your request. Please try again in 30 seconds.","type":"server_error","param":null,"code":null}}`,
			want: llm.APIError{Kind: llm.KindServer, Type: "server_error", RetryAfter: 30 * time.Second, Message: "The server had an error while processing your request. Please try again in 30 seconds."}, retry: true},
		{name: "no permission", status: 403, body: `{"error":{"message":"Your organization does not have access to this model.","type":"invalid_request_error","param":"model","code":"model_not_found"}}`,
			want: llm.APIError{Kind: llm.KindPermission, Type: "invalid_request_error", Param: "model", Code: "model_not_found", Message: "Your organization does not have access to this model."}},

		{name: "no such model", status: 404, body: `{"error":{"message":"The model does not exist","type":"invalid_request_error","param":null,"code":"model_not_found"}}`,
			want: llm.APIError{Kind: llm.KindNotFound, Type: "invalid_request_error", Code: "model_not_found", Message: "The model does not exist (POST http://provider.test/v1/chat/completions)"}},
		{name: "no such URL", status: 404, header: h("Content-Type", "text/html"), body: "<html><head><title>404 Not Found</title></head><body><center>nginx</center></body></html>",
			want: llm.APIError{Kind: llm.KindNotFound, Message: "an HTML page: 404 Not Found (POST http://provider.test/v1/chat/completions; is the base URL right? It ends in the version of the API, most often /v1)"}},
		{name: "timeout of the server", status: 408, body: `{"error":{"message":"slow"}}`, want: llm.APIError{Kind: llm.KindTimeout, Message: "slow"}, retry: true},
		{name: "conflict", status: 409, body: `{"error":{"message":"again"}}`, want: llm.APIError{Kind: llm.KindConflict, Message: "again"}, retry: true},
		{name: "unprocessable", status: 422, body: `{"detail":[{"loc":["body","messages"],"msg":"field required"}]}`, want: llm.APIError{Kind: llm.KindInvalidRequest, Message: `[{"loc":["body","messages"],"msg":"field required"}]`}},
		{name: "detail", status: 400, body: `{"detail":"Not allowed"}`, want: llm.APIError{Kind: llm.KindInvalidRequest, Message: "Not allowed"}},
		{name: "payment", status: 402, body: `{"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}}`,
			want: llm.APIError{Kind: llm.KindQuota, Type: "unknown_error", Code: "invalid_request_error", Message: "Insufficient Balance"}},
		{name: "too many bytes", status: 413, body: "<html><title>413 Request Entity Too Large</title></html>", want: llm.APIError{Kind: llm.KindTooLarge, Message: "an HTML page: 413 Request Entity Too Large"}},
		{name: "413 without a body", status: 413, want: llm.APIError{Kind: llm.KindContextOverflow, Message: "Request Entity Too Large"}},
		{name: "413 of a limit on speed", status: 413, body: `{"error":{"message":"Request too large for model on tokens per minute (TPM): Limit 12000, Requested 11137","type":"tokens","code":"rate_limit_exceeded"}}`,
			want: llm.APIError{Kind: llm.KindRateLimit, Type: "tokens", Code: "rate_limit_exceeded", Message: "Request too large for model on tokens per minute (TPM): Limit 12000, Requested 11137"}, retry: true},
		{name: "413 beyond the limit on speed", status: 413, body: `{"error":{"message":"Request too large for model on tokens per minute (TPM): Limit 12000, Requested 14137","type":"tokens","code":"rate_limit_exceeded"}}`,
			want: llm.APIError{Kind: llm.KindContextOverflow, Type: "tokens", Code: "rate_limit_exceeded", Message: "Request too large for model on tokens per minute (TPM): Limit 12000, Requested 14137", Tokens: 14137, TokenLimit: 12000}},
		{name: "quota", status: 429, body: `{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`,
			want: llm.APIError{Kind: llm.KindQuota, Type: "insufficient_quota", Code: "insufficient_quota", Message: "You exceeded your current quota, please check your plan and billing details."}},
		{name: "the same words for a limit per minute", status: 429, body: `[{"error":{"code":429,"message":"You exceeded your current quota","status":"RESOURCE_EXHAUSTED","details":[{"@type":"x"},{"retryDelay":"26s"}]}}]`,
			want: llm.APIError{Kind: llm.KindRateLimit, Code: "429", RetryAfter: 26 * time.Second, Message: "You exceeded your current quota"}, retry: true},
		{name: "a share of the day", status: 429, body: `{"error":{"message":"Rate limit exceeded: free-models-per-day","code":429}}`, want: llm.APIError{Kind: llm.KindQuota, Code: "429", Message: "Rate limit exceeded: free-models-per-day"}},
		{name: "a share of the day, soon over", status: 429, body: `{"error":{"message":"Rate limit reached on requests per day (RPD): Limit 200, Used 200, Requested 1. Please try again in 7m12s."}}`,
			want: llm.APIError{Kind: llm.KindRateLimit, RetryAfter: 7*time.Minute + 12*time.Second, Message: "Rate limit reached on requests per day (RPD): Limit 200, Used 200, Requested 1. Please try again in 7m12s."}, retry: true},
		{name: "overloaded with 429", status: 429, body: `{"error":{"message":"The engine is currently overloaded, please try again later","type":"engine_overloaded_error"}}`,
			want: llm.APIError{Kind: llm.KindOverloaded, Type: "engine_overloaded_error", Message: "The engine is currently overloaded, please try again later"}, retry: true},
		{name: "overloaded", status: 529, body: `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, want: llm.APIError{Kind: llm.KindOverloaded, Type: "overloaded_error", Message: "Overloaded"}, retry: true},
		{name: "unavailable", status: 503, body: `upstream connect error`, want: llm.APIError{Kind: llm.KindOverloaded, Message: "upstream connect error"}, retry: true},
		{name: "bad gateway", status: 502, body: "<!DOCTYPE html><html><body><script>x()</script><h1>Bad &amp; gateway</h1></body></html>", want: llm.APIError{Kind: llm.KindServer, Message: "an HTML page: Bad & gateway"}, retry: true},
		{name: "gateway timeout", status: 504, want: llm.APIError{Kind: llm.KindTimeout, Message: "Gateway Timeout"}, retry: true},
		{name: "content filter", status: 400, body: `{"error":{"message":"The response was filtered due to the prompt triggering Azure OpenAI's content management policy.","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}`,
			want: llm.APIError{Kind: llm.KindContentFilter, Param: "prompt", Code: "content_filter", Message: "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."}},
		{name: "error as a string", status: 400, body: `{"error":"model 'x' not loaded"}`, want: llm.APIError{Kind: llm.KindInvalidRequest, Message: "model 'x' not loaded"}},
		{name: "members at the top", status: 422, body: `{"object":"error","message":"Tool call id was bad","type":"invalid_function_call","param":null,"code":"3280"}`,
			want: llm.APIError{Kind: llm.KindInvalidRequest, Type: "invalid_function_call", Code: "3280", Message: "Tool call id was bad"}},
		{name: "message that is an object", status: 422, body: `{"object":"error","message":{"detail":[{"msg":"extra"}]},"type":"x"}`, want: llm.APIError{Kind: llm.KindInvalidRequest, Type: "x", Message: `{"detail":[{"msg":"extra"}]}`}},
		{name: "a provider behind a router", status: 400, body: `{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"error\":{\"message\":\"prompt is too long: 213462 tokens > 200000 maximum\",\"code\":\"x\"}}","provider_name":"P"}}}`,
			want: llm.APIError{Kind: llm.KindContextOverflow, Code: "400", Message: "Provider returned error: prompt is too long: 213462 tokens > 200000 maximum", Tokens: 213462, TokenLimit: 200000}},
		{name: "key that Google calls invalid", status: 400, body: `[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}]`, want: llm.APIError{Kind: llm.KindAuth, Code: "400", Message: "API key not valid. Please pass a valid API key."}},
		{name: "unknown shape", status: 418, body: `{"tea":"pot"}`, want: llm.APIError{Kind: llm.KindInvalidRequest, Message: `{"tea":"pot"}`}},
		{name: "no body", status: 500, want: llm.APIError{Kind: llm.KindServer, Message: "Internal Server Error"}, retry: true},
		{name: "a type in a header", status: 400, header: h("X-Amzn-Errortype", "ValidationException"), body: `{"message":"no"}`, want: llm.APIError{Kind: llm.KindInvalidRequest, Code: "ValidationException", Message: "no"}},
		{name: "redirect", status: 307, header: h("Location", "https://u:p@elsewhere.test/v1?key=1"), body: "moved",
			want: llm.APIError{Kind: llm.KindInvalidRequest, Message: "POST http://provider.test/v1/chat/completions is redirected to https://elsewhere.test: redirects are not followed; set the base URL to where the API is"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := ask(t, &wire{status: tt.status, header: tt.header, body: tt.body}, false)
			got := requireKind(t, tt.want.Kind, err)
			tt.want.Provider, tt.want.StatusCode = "openai", tt.status
			require.Equal(t, &tt.want, got)
			require.Equal(t, tt.retry, got.Retryable())
			require.True(t, strings.HasPrefix(err.Error(), "openai: "), err)
		})
	}
}

func TestOverflowWordings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		words         string
		tokens, limit int64
	}{
		{"This model's maximum context length is 4097 tokens. However, your messages resulted in 4294 tokens. Please reduce the length of the messages.", 4294, 4097},
		{"Your input exceeds the context window of this model", 0, 0},
		{"prompt is too long: 213462 tokens > 200000 maximum", 213462, 200000},
		{"input is too long for requested model", 0, 0},
		{"too many input tokens", 0, 0},
		{"The input token count (1196265) exceeds the maximum number of tokens allowed (1048575)", 1196265, 1048575},
		{"This model's maximum prompt length is 131072 but the request contains 537812 tokens", 537812, 131072},
		{"Please reduce the length of the messages or completion", 0, 0},
		{"This endpoint's maximum context length is 8192 tokens. However, you requested about 9000 tokens", 9000, 8192},
		{"Prompt contains 40000 tokens, too large for model with 32768 maximum context length", 40000, 32768},
		{"invalid params, context window exceeds limit", 0, 0},
		{"Your request exceeded model token limit: 8192 (requested: 9000)", 9000, 8192},
		{"prompt token count of 70000 exceeds the limit of 64000", 70000, 64000},
		{"The total length of all messages is too long", 0, 0},
		{"the request exceeds the available context size. try increasing the context size or enable context shift", 0, 0},
		{"tokens to keep from the initial prompt is greater than the context length", 0, 0},
		{"Request too large for model llama-3.1-8192: the context window is 4096, requested 5000", 5000, 4096},
		{"Prompt too long: 5152 tokens exceeds max_seq_len 2048", 5152, 2048},
	} {
		for _, status := range []int{400, 500} {
			_, _, err := ask(t, &wire{status: status, body: `{"error":{"message":` + string(must(json.Marshal(tt.words))) + `}}`}, false)
			api := requireKind(t, llm.KindContextOverflow, err)
			require.Equal(t, []int64{tt.tokens, tt.limit}, []int64{api.Tokens, api.TokenLimit}, tt.words)
		}
	}
	for _, words := range []string{"ThrottlingException: Too many tokens, please wait before trying again.", "Rate limit: context window requests per min"} {
		_, _, err := ask(t, &wire{status: 429, body: `{"message":"` + words + `"}`}, false)
		requireKind(t, llm.KindRateLimit, err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestErrorInside200 has bodies that are no answers, in both forms.
func TestErrorInside200(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, body, message string
		kind                llm.ErrorKind
		status              int
	}{
		{name: "numeric code", body: `{"error":{"message":"slow down","code":429},"user_id":"u"}`, kind: llm.KindRateLimit, status: 429, message: "slow down"},
		{name: "server_error", body: `{"error":{"message":"The server had an error","type":"server_error","param":null,"code":null}}`, kind: llm.KindServer, status: 200, message: "The server had an error"},
		{name: "error beside empty choices", body: `{"choices":[],"error":{"message":"bad gateway","code":502}}`, kind: llm.KindServer, status: 502, message: "bad gateway"},
		{name: "error beside a choice", body: `{"choices":[{"index":0,"delta":{"content":""},"message":{"content":""},"finish_reason":"error"}],"error":{"message":"x","code":"502"}}`, kind: llm.KindServer, status: 502, message: "x"},
		{name: "error in the choice", body: `{"choices":[{"index":0,"delta":{},"message":{},"finish_reason":"error","error":{"message":"x","code":503}}]}`, kind: llm.KindOverloaded, status: 503, message: "x"},
		{name: "string", body: `{"error":"Compute error."}`, kind: llm.KindServer, status: 200, message: "Compute error."},
		{name: "context", body: `{"error":{"message":"Context length exceeded","code":"CONTEXT_LENGTH_EXCEEDED"}}`, kind: llm.KindContextOverflow, status: 200, message: "Context length exceeded"},
		{name: "invalid request", body: `{"error":{"message":"bad tool","type":"invalid_request_error"}}`, kind: llm.KindInvalidRequest, status: 200, message: "bad tool"},
		{name: "rate limit by code", body: `{"error":{"message":"slow","code":"rate_limit_exceeded"}}`, kind: llm.KindRateLimit, status: 200, message: "slow"},
		{name: "list", body: `[{"error":{"message":"bad","code":400,"status":"INVALID_ARGUMENT"}}]`, kind: llm.KindInvalidRequest, status: 400, message: "bad"},
		{name: "object error", body: `{"object":"error","message":"boom","type":"InternalServerError","param":null,"code":500}`, kind: llm.KindServer, status: 500, message: "boom"},
		{name: "type error", body: `{"type":"error","message":"boom"}`, kind: llm.KindServer, status: 200, message: "boom"},
		{name: "only a type", body: `{"type":"error","text":"boom"}`, kind: llm.KindServer, status: 200, message: `{"type":"error","text":"boom"}`},
		{name: "members at the top", body: `{"message":"Requests per minute limit exceeded","type":"too_many_requests_error","param":"quota","code":"request_quota_exceeded"}`, kind: llm.KindRateLimit, status: 200, message: "Requests per minute limit exceeded"},
		{name: "beside empty choices", body: `{"choices":[],"message":"boom","code":503}`, kind: llm.KindOverloaded, status: 503, message: "boom"},
		{name: "detail", body: `{"detail":"engine died"}`, kind: llm.KindServer, status: 200, message: "engine died"},
		{name: "errors", body: `{"errors":[{"message":"boom","code":"invalid_api_key"}]}`, kind: llm.KindAuth, status: 200, message: "boom"},
		{name: "errors that are strings", body: `{"errors":["boom"]}`, kind: llm.KindServer, status: 200, message: "boom"},
		{name: "x_groq", body: `{"choices":[],"x_groq":{"id":"1","error":"over_capacity"}}`, kind: llm.KindOverloaded, status: 200, message: "over_capacity"},
		{name: "x_groq beside a choice", body: `{"choices":[{"index":0,"delta":{"content":"b"},"message":{"content":"b"}}],"x_groq":{"error":"boom"}}`, kind: llm.KindServer, status: 200, message: "boom"},
		{name: "base_resp", body: `{"choices":null,"base_resp":{"status_code":1002,"status_msg":"rate limit"}}`, kind: llm.KindRateLimit, status: 200, message: "rate limit (1002)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, w := range []*wire{{body: tt.body}, eventsOf(tt.body), eventsOf(delta(`{"content":"a"}`), tt.body, "[DONE]")} {
				_, _, err := ask(t, w, true)
				api := requireKind(t, tt.kind, err)
				require.Equal(t, tt.status, api.StatusCode)
				require.Equal(t, tt.message, api.Message)
			}
		})
	}
}

// TestNoErrorInside200 has what looks like an error and is none.
func TestNoErrorInside200(t *testing.T) {
	t.Parallel()
	for _, chunk := range []string{
		`{"choices":[],"error":null,"message":"","detail":null,"errors":[],"x_groq":{"error":null},"base_resp":{"status_code":0,"status_msg":""}}`,
		`{"choices":[{"index":0,"delta":{"content":""}}],"message":"m","detail":"d","type":"error"}`,
		`{"type":"ping"}`,
		`{"message":{"role":"assistant"}}`,
	} {
		resp, _, err := ask(t, eventsOf(delta(`{"content":"a"}`), chunk, finishStop, "[DONE]"), true)
		require.NoError(t, err, chunk)
		require.Equal(t, "a", resp.Message.Text())
	}
}

func TestListAsEvent(t *testing.T) {
	t.Parallel()
	_, _, err := ask(t, eventsOf(delta(`{"content":"a"}`), `[`+delta(`{"content":"b"}`)+`]`, finishStop, "[DONE]"), true)
	require.EqualError(t, err, `openai: 200 malformed: an event is a list: [{"choices":[{"index":0,"delta":{"content":"b"}}]}]`)
}

func TestNoAnswer(t *testing.T) {
	t.Parallel()
	html := "<html><head><title>Just a moment...</title></head></html>"
	for _, tt := range []struct {
		name, body, want string
		kind             llm.ErrorKind
	}{
		{name: "empty", want: "openai: 200 malformed: the answer is empty", kind: llm.KindMalformed},
		{name: "blank", body: " \n ", want: "openai: 200 malformed: the answer is empty", kind: llm.KindMalformed},
		{name: "HTML", body: html, want: "openai: 200 malformed: the answer is neither JSON nor a stream of events: an HTML page: Just a moment...", kind: llm.KindMalformed},
		{name: "text", body: "Hello!", want: "openai: 200 malformed: the answer is neither JSON nor a stream of events: Hello!", kind: llm.KindMalformed},
		{name: "no completion", body: `{"status":"ok"}`, want: `openai: 200 malformed: the answer holds no choice: {"status":"ok"}`, kind: llm.KindMalformed},
		{name: "choices null", body: `{"choices":null}`, want: `openai: 200 malformed: the answer holds no choice: {"choices":null}`, kind: llm.KindMalformed},
		{name: "choices empty", body: `{"choices":[]}`, want: `openai: 200 malformed: the answer holds no choice: {"choices":[]}`, kind: llm.KindMalformed},
		{name: "list", body: `[1]`, want: `openai: 200 malformed: the answer is not a JSON object: 1`, kind: llm.KindMalformed},
		{name: "empty list", body: `[]`, want: `openai: 200 malformed: the answer is not a JSON object: []`, kind: llm.KindMalformed},
		{name: "cut off", body: ok[:60], want: "openai: truncated: the answer ends in the middle of its JSON", kind: llm.KindTruncated},
		{name: "damaged", body: `{"choices":[}`, want: "openai: 200 malformed: the answer is not JSON: {\"choices\":[}", kind: llm.KindMalformed},
		{name: "no balance", body: `{"choices":null,"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}`, want: "openai: 200 quota: insufficient balance (1008)", kind: llm.KindQuota},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, stream := range []bool{false, true} {
				_, _, err := ask(t, &wire{body: tt.body}, stream)
				requireKind(t, tt.kind, err)
				require.EqualError(t, err, tt.want)
			}
		})
	}
}

func TestUnknownEncoding(t *testing.T) {
	t.Parallel()
	_, _, err := ask(t, &wire{body: "\x00", header: http.Header{"Content-Encoding": {"zstd"}}}, false)
	require.EqualError(t, err, `openai: 200 malformed: the answer is encoded as "zstd", which was not asked for`)
}

func TestErrorsShowNoSecrets(t *testing.T) {
	t.Parallel()
	const key = "sk-sekret-0123456789"
	echo := `{"error":{"message":"Incorrect API key provided: ` + key + `. Also q=sekret-query and hdr sekret-header, https://user:sekretpw@h.test/.","code":"` + key + `","type":"` + key + `","param":"` + key + `"}}`
	leaking := transport(func(r *http.Request) (*http.Response, error) {
		return nil, errors.New("dial " + r.URL.String() + ": refused, key " + key)
	})
	for _, tt := range []struct {
		name   string
		client http.RoundTripper
		kind   llm.ErrorKind
	}{
		{"status", &wire{status: 401, body: echo, header: http.Header{"X-Request-Id": {key}}}, llm.KindAuth},
		{"not found", &wire{status: 404, body: strings.ReplaceAll(echo, "API key", "thing")}, llm.KindNotFound},
		{"plain text", &wire{status: 400, body: "bad thing " + key}, llm.KindInvalidRequest},
		{"in a 200", &wire{body: echo}, llm.KindAuth},
		{"in a stream", eventsOf(delta(`{"content":"a"}`), echo), llm.KindAuth},
		{"malformed event", eventsOf(delta(`{"content":"a"}`), "oh "+key), llm.KindTruncated},
		{"redirect", &wire{status: 302, header: http.Header{"Location": {"http://x.test/" + key + "?k=sekret-query"}}}, llm.KindInvalidRequest},
		{"network", leaking, llm.KindNetwork},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := (&wire{}).config()
			c.HTTPClient = &http.Client{Transport: tt.client}
			c.BaseURL = "https://user:sekretpw@h.test/v1?key=sekret-query"
			c.Key = key
			c.Header = http.Header{"X-Secret": {"sekret-header"}}
			_, err := c.Model("m").Generate(t.Context(), hello(), nil)
			api := requireKind(t, tt.kind, err)
			text := err.Error() + api.Message + api.Code + api.Type + api.Param + api.RequestID
			if api.Err != nil {
				text += api.Err.Error()
			}
			require.NotContains(t, text, "sekret")
		})
	}
}

// TestClippedSecrets puts a key at every place around those where texts are cut.
func TestClippedSecrets(t *testing.T) {
	t.Parallel()
	const key = "sk-proj-ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	quoted := func(s string) string { return `{"error":{"message":"m","` + s + `"}}` }
	for _, tt := range []struct {
		name  string
		limit int
		wire  func(text string) *wire
	}{
		{"message", 2 << 10, func(text string) *wire { return &wire{status: 401, body: `{"error":{"message":"` + text + `"}}`} }},
		{"plain text", 200, func(text string) *wire { return &wire{status: 401, body: text} }},
		{"page that ends where reading stops", 64<<10 - 3, func(text string) *wire {
			return &wire{status: 401, body: "<p>" + strings.ReplaceAll(text, "x", " ")}
		}},
		{"code", 200, func(text string) *wire { return &wire{status: 401, body: quoted(`code":"` + text)} }},
		{"type", 200, func(text string) *wire { return &wire{status: 401, body: quoted(`type":"` + text)} }},
		{"param", 200, func(text string) *wire { return &wire{status: 401, body: quoted(`param":"` + text)} }},
		{"request id", 200, func(text string) *wire { return &wire{status: 401, header: http.Header{"X-Request-Id": {text}}} }},
		{"encoding", 40, func(text string) *wire { return &wire{header: http.Header{"Content-Encoding": {text}}} }},
		{"event", 200, func(text string) *wire { return eventsOf(text) }},
		{"no choice", 200 - len(`{"a":"`), func(text string) *wire { return &wire{body: `{"a":"` + text + `"}`} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for at := max(0, tt.limit-len(key)-5); at < tt.limit+5; at++ {
				c := tt.wire(strings.Repeat("x", at) + key + " y").config()
				c.Key = key
				_, err := c.Model("m").Generate(t.Context(), hello(), nil)
				require.Error(t, err)
				require.NotContains(t, fmt.Sprintf("%+v %#v", err, err), "sk-p", at)
			}
		})
	}
}

// TestEverythingSentIsSecret has a provider that repeats what proves us.
func TestEverythingSentIsSecret(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, base string
		header     http.Header
		says, want string
	}{
		{name: "any header", header: http.Header{"X-Auth": {"s3cr3tvalue99"}}, says: "bad s3cr3tvalue99", want: "bad [key]"},
		{name: "a short value of an innocent name", header: http.Header{"X-Team": {"red"}}, says: "no red here", want: "no red here"},
		{name: "harmless headers", header: http.Header{"Accept": {"application/json"}, "Content-Type": {"application/x"}, "User-Agent": {"some-agent"}},
			says: "application/json application/x some-agent", want: "application/json application/x some-agent"},
		{name: "a header in lower case", header: http.Header{"user-agent": {"some-agent"}, "x-auth": {"s3cr3tvalue99"}}, says: "some-agent s3cr3tvalue99", want: "some-agent [key]"},
		{name: "authorization of any scheme", header: http.Header{"Authorization": {"Basic dXNlcjpwYXNz"}}, says: "Basic of dXNlcjpwYXNz", want: "Basic of [key]"},
		{name: "authorization without a scheme", header: http.Header{"Authorization": {"dXNlcjpwYXNz"}}, says: "it is dXNlcjpwYXNz", want: "it is [key]"},
		{name: "password", base: "http://someone:s3cr3tvalue99@provider.test/v1", says: "someone has s3cr3tvalue99", want: "someone has [key]"},
		{name: "password as it is sent", base: "http://someone:s3cr3tvalue99@provider.test/v1", says: "c29tZW9uZTpzM2NyM3R2YWx1ZTk5", want: "[key]"},
		{name: "user without a password", base: "http://s3cr3tvalue99@provider.test/v1", says: "s3cr3tvalue99!", want: "[key]!"},
		{name: "one secret in another", header: http.Header{"X-Auth": {"s3cr3tvalue", "s3cr3tvalue99"}}, says: "s3cr3tvalue99 s3cr3tvalue", want: "[key] [key]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := (&wire{status: 400, body: `{"message":"` + tt.says + `"}`}).config()
			c.BaseURL, c.Header = cmp.Or(tt.base, c.BaseURL), tt.header
			_, err := c.Model("m").Generate(t.Context(), hello(), nil)
			require.Equal(t, tt.want, requireKind(t, llm.KindInvalidRequest, err).Message)
		})
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestShortKeyIsCutAsAWord(t *testing.T) {
	t.Parallel()
	w := &wire{status: 401, body: `{"error":{"message":"the key abc is no key; abcess"}}`}
	c := w.config()
	c.Key = "abc"
	_, err := c.Model("m").Generate(t.Context(), hello(), nil)
	require.EqualError(t, err, "openai: 401 auth: the key [key] is no key; abcess")
}

func TestLongMessageIsClipped(t *testing.T) {
	t.Parallel()
	_, _, err := ask(t, &wire{status: 400, body: `{"error":{"message":"` + strings.Repeat("ü", 3000) + `"}}`}, false)
	require.Equal(t, strings.Repeat("ü", 1024)+"…", requireKind(t, llm.KindInvalidRequest, err).Message)
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 7, 25, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name   string
		header map[string]string
		body   string
		want   time.Duration
	}{
		{name: "nothing"},
		{name: "milliseconds", header: map[string]string{"Retry-After-Ms": "1500", "Retry-After": "9"}, want: 1500 * time.Millisecond},
		{name: "seconds", header: map[string]string{"Retry-After": "12"}, want: 12 * time.Second},
		{name: "parts of seconds", header: map[string]string{"Retry-After": " 1.5 "}, want: 1500 * time.Millisecond},
		{name: "date", header: map[string]string{"Retry-After": "Sat, 25 Jul 2026 12:05:00 GMT"}, want: 5 * time.Minute},
		{name: "date of the old form", header: map[string]string{"Retry-After": "Saturday, 25-Jul-26 12:05:00 GMT"}, want: 5 * time.Minute},
		{name: "date in the past", header: map[string]string{"Retry-After": "Sat, 25 Jul 2026 11:55:00 GMT"}},
		{name: "moment of the epoch", header: map[string]string{"Retry-After": "1784981100"}, want: 5 * time.Minute},
		{name: "two weeks", header: map[string]string{"Retry-After": "1209600"}, want: 14 * 24 * time.Hour},
		{name: "nonsense", header: map[string]string{"Retry-After": "soon"}},
		{name: "negative", header: map[string]string{"Retry-After": "-5", "Retry-After-Ms": "-1"}},
		{name: "NaN", header: map[string]string{"Retry-After": "NaN", "Retry-After-Ms": "NaN"}},
		{name: "infinite", header: map[string]string{"Retry-After-Ms": "Inf", "Retry-After": "+Inf"}},
		{name: "a limit that is used up", header: map[string]string{"X-Ratelimit-Remaining-Tokens": "0", "X-Ratelimit-Reset-Tokens": "7.66s", "X-Ratelimit-Remaining-Requests": "9", "X-Ratelimit-Reset-Requests": "2m59.56s"}, want: 7660 * time.Millisecond},
		{name: "two that are", header: map[string]string{"X-Ratelimit-Remaining-Tokens": "0", "X-Ratelimit-Reset-Tokens": "976ms", "X-Ratelimit-Remaining-Requests": "0", "X-Ratelimit-Reset-Requests": "6m0s"}, want: 6 * time.Minute},
		{name: "none that is", header: map[string]string{"X-Ratelimit-Remaining-Tokens": "5", "X-Ratelimit-Reset-Tokens": "7s"}},
		{name: "a reset of the epoch", header: map[string]string{"X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": "1784981100"}, want: 5 * time.Minute},
		{name: "a reset of the epoch in milliseconds", header: map[string]string{"X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": "1784981100000"}, want: 5 * time.Minute},
		{name: "a reset in seconds", header: map[string]string{"X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": "30"}, want: 30 * time.Second},
		{name: "headers in the body", body: `{"error":{"message":"m","metadata":{"headers":{"X-RateLimit-Reset":"1784981100000"}}}}`, want: 5 * time.Minute},
		{name: "delay in the body", body: `{"error":{"message":"m","details":[{"retryDelay":"26s"}]}}`, want: 26 * time.Second},
		{name: "words", body: `{"error":{"message":"Please try again in 5.289s. Visit x"}}`, want: 5289 * time.Millisecond},
		{name: "words with minutes", body: `{"error":{"message":"Please try again in 1m0.363142857s."}}`, want: time.Minute + 363142857},
		{name: "words with milliseconds", body: `{"error":{"message":"Please try again in 976ms."}}`, want: 976 * time.Millisecond},
		{name: "whole words", body: `{"error":{"message":"try again after 2 minutes 30 seconds"}}`, want: 150 * time.Second},
		{name: "words without a time", body: `{"error":{"message":"please try again in 5 attempts"}}`},
		{name: "words with a moment", body: `{"error":{"message":"Limit will reset at 1784981100."}}`, want: 5 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			for name, value := range tt.header {
				h.Set(name, value)
			}
			require.Equal(t, tt.want, openai.RetryAfter(h, tt.body, now))
		})
	}
}
