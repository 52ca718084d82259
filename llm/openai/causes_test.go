package openai_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// TestCauses has errors whose status says little or the wrong thing: the words
// decide the kind, and with it whether the request is sent again.
func TestCauses(t *testing.T) {
	t.Parallel()
	const mmproj = "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"
	for _, tt := range []struct {
		name   string
		status int
		body   string
		want   llm.APIError
		retry  bool
	}{
		{name: "type of too many tokens", status: 400, body: `{"message":"User input tokens exceeds 200000 tokens.","type":"too_many_prompt_tokens"}`,
			want: llm.APIError{Kind: llm.KindContextOverflow, Type: "too_many_prompt_tokens", Message: "User input tokens exceeds 200000 tokens.", TokenLimit: 200000}},
		{name: "the same words alone", status: 400, body: `{"message":"User input tokens exceeds 200000 tokens."}`,
			want: llm.APIError{Kind: llm.KindContextOverflow, Message: "User input tokens exceeds 200000 tokens.", TokenLimit: 200000}},
		{name: "GitHub Models", status: 413, body: `{"error":{"code":"tokens_limit_reached","message":"Request body too large for gpt-4o-mini model. Max size: 8000 tokens."}}`,
			want: llm.APIError{Kind: llm.KindContextOverflow, Code: "tokens_limit_reached", Message: "Request body too large for gpt-4o-mini model. Max size: 8000 tokens.", TokenLimit: 8000}},
		{name: "Copilot", status: 400, body: `{"error":{"message":"prompt token count of 139654 exceeds the limit of 128000","code":"model_max_prompt_tokens_exceeded"}}`,
			want: llm.APIError{Kind: llm.KindContextOverflow, Code: "model_max_prompt_tokens_exceeded", Message: "prompt token count of 139654 exceeds the limit of 128000", Tokens: 139654, TokenLimit: 128000}},
		{name: "two numbers and a member's name", status: 400, body: `{"message":"number of input tokens (167594) has exceeded max_prompt_tokens (163840) limit."}`,
			want: llm.APIError{Kind: llm.KindContextOverflow, Message: "number of input tokens (167594) has exceeded max_prompt_tokens (163840) limit.", Tokens: 167594, TokenLimit: 163840}},
		{name: "input tokens of a minute", status: 429, body: `{"message":"Number of input tokens has exceeded your per-minute rate limit."}`, retry: true,
			want: llm.APIError{Kind: llm.KindRateLimit, Message: "Number of input tokens has exceeded your per-minute rate limit."}},

		{name: "OAuth", status: 400, body: `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided."}`,
			want: llm.APIError{Kind: llm.KindAuth, Code: "invalid_client", Message: "AADSTS7000215: Invalid client secret provided."}},
		{name: "OAuth, in the other order", status: 401, body: `{"error_description":"The access token expired","error":"invalid_token"}`,
			want: llm.APIError{Kind: llm.KindAuth, Code: "invalid_token", Message: "The access token expired"}},
		{name: "OAuth inside an error", status: 400, body: `{"error":{"code":"bad","message":"No.","error_description":"The region is closed."}}`,
			want: llm.APIError{Kind: llm.KindInvalidRequest, Code: "bad", Message: "No.: The region is closed."}},
		{name: "a name and a message", status: 401, body: `{"error":"unauthorized","message":"Token expired"}`,
			want: llm.APIError{Kind: llm.KindAuth, Code: "unauthorized", Message: "Token expired"}},
		{name: "words and a message", status: 405, body: `{"message":"No such method","error":"Method Not Allowed","status":405}`,
			want: llm.APIError{Kind: llm.KindInvalidRequest, Message: "Method Not Allowed: No such method"}},
		{name: "the same words twice", status: 400, body: `{"error":"Compute error.","message":"Compute error."}`,
			want: llm.APIError{Kind: llm.KindInvalidRequest, Message: "Compute error."}},
		{name: "problem details", status: 400, body: `{"type":"about:blank","title":"Bad Request","detail":"n is missing","status":400}`,
			want: llm.APIError{Kind: llm.KindInvalidRequest, Type: "about:blank", Message: "n is missing"}},
		{name: "problem details without details", status: 400, body: `{"type":"about:blank","title":"Bad Request","status":400}`,
			want: llm.APIError{Kind: llm.KindInvalidRequest, Type: "about:blank", Message: "Bad Request"}},
		{name: "a message with a capital", status: 403, body: `{"Message":"User is not authorized to perform: bedrock:InvokeModel"}`,
			want: llm.APIError{Kind: llm.KindPermission, Message: "User is not authorized to perform: bedrock:InvokeModel"}},

		{name: "llama.cpp without mmproj", status: 500, body: `{"error":{"code":500,"message":"` + mmproj + `","type":"server_error"}}`,
			want: llm.APIError{Kind: llm.KindInvalidRequest, Code: "500", Type: "server_error", Message: mmproj}},
		{name: "the same, quoted by a gateway", status: 500, body: `{"error":{"message":"upstream: {\"error\":{\"code\":500,\"message\":\"` + mmproj + `\",\"type\":\"server_error\"}}","type":"api_error"}}`,
			want: llm.APIError{Kind: llm.KindInvalidRequest, Type: "api_error", Message: "upstream: " + mmproj}},
		{name: "a quoted status", status: 502, body: `{"error":{"message":"bad response status code 400, body: {\"error\":{\"code\":400,\"message\":\"n is odd\"}}","type":"upstream_error"}}`,
			want: llm.APIError{Kind: llm.KindInvalidRequest, Type: "upstream_error", Message: "bad response status code 400, body: n is odd"}},
		{name: "a quoted overflow", status: 500, body: `{"error":{"message":"{\"error\":{\"code\":400,\"message\":\"it is too much\",\"type\":\"exceed_context_size_error\",\"n_prompt_tokens\":14429,\"n_ctx\":8192}}"}}`,
			want: llm.APIError{Kind: llm.KindContextOverflow, Message: "it is too much", Tokens: 14429, TokenLimit: 8192}},
		{name: "a quoted limit on speed", status: 500, body: `{"error":{"message":"provider said {\"error\":{\"code\":429,\"message\":\"slow down\"}}"}}`, retry: true,
			want: llm.APIError{Kind: llm.KindRateLimit, Message: "provider said slow down"}},
		{name: "quoted in plain text", status: 500, body: `upstream failed: {"error":{"message":"image input is not supported"}}`,
			want: llm.APIError{Kind: llm.KindInvalidRequest, Message: "upstream failed: image input is not supported"}},
		{name: "an event with a status", status: 400, body: "event: error\ndata: {\"error\":{\"message\":\"n is odd\",\"code\":400}}\n\n",
			want: llm.APIError{Kind: llm.KindInvalidRequest, Message: "n is odd"}},
		{name: "braces that are no JSON", status: 400, body: `{"error":{"message":"pattern {a} is {bad}"}}`,
			want: llm.APIError{Kind: llm.KindInvalidRequest, Message: "pattern {a} is {bad}"}},
		{name: "a template that refuses", status: 500, body: `{"error":{"code":500,"message":"Failed to parse messages: Unsupported content part type: \"image_url\"","type":"server_error"}}`,
			want: llm.APIError{Kind: llm.KindInvalidRequest, Code: "500", Type: "server_error", Message: `Failed to parse messages: Unsupported content part type: "image_url"`}},
		{name: "JSON of a wrong type", status: 500, body: `{"error":{"code":500,"message":"[json.exception.type_error.302] type must be string, but is null","type":"server_error"}}`,
			want: llm.APIError{Kind: llm.KindInvalidRequest, Code: "500", Type: "server_error", Message: "[json.exception.type_error.302] type must be string, but is null"}},
		{name: "no tools", status: 500, body: `{"error":{"message":"registry.ollama.ai/library/x does not support tools"}}`,
			want: llm.APIError{Kind: llm.KindInvalidRequest, Message: "registry.ollama.ai/library/x does not support tools"}},
		{name: "too little memory", status: 500, body: `{"error":{"message":"model requires more system memory (5.6 GiB) than is available (3.1 GiB)"}}`,
			want: llm.APIError{Kind: llm.KindServer, Retries: -1, Message: "model requires more system memory (5.6 GiB) than is available (3.1 GiB)"}},
		{name: "still loading", status: 503, body: `{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`, retry: true,
			want: llm.APIError{Kind: llm.KindOverloaded, Code: "503", Type: "unavailable_error", Message: "Loading model"}},
		{name: "a call that the server could not read", status: 500, body: `{"error":{"message":"error parsing tool call: raw='{', err=unexpected end of JSON input"}}`, retry: true,
			want: llm.APIError{Kind: llm.KindServer, Retries: 1, Message: "error parsing tool call: raw='{', err=unexpected end of JSON input"}},

		{name: "a gateway without the model", status: 503, body: `{"error":{"code":"model_not_found","message":"No available channel for model x under group default","type":"new_api_error"}}`,
			want: llm.APIError{Kind: llm.KindNotFound, Code: "model_not_found", Type: "new_api_error", Message: "No available channel for model x under group default"}},
		{name: "the same in words alone", status: 503, body: `{"error":{"message":"当前分组 default 下对于模型 gpt-5 无可用渠道","type":"one_api_error"}}`,
			want: llm.APIError{Kind: llm.KindNotFound, Type: "one_api_error", Message: "当前分组 default 下对于模型 gpt-5 无可用渠道"}},
		{name: "and as its own failure", status: 500, body: `{"error":{"message":"model 'x:70b' not found, try pulling it first"}}`,
			want: llm.APIError{Kind: llm.KindNotFound, Message: "model 'x:70b' not found, try pulling it first"}},
		{name: "no server is free", status: 503, body: `{"error":{"message":"no healthy upstream for this model"}}`, retry: true,
			want: llm.APIError{Kind: llm.KindOverloaded, Message: "no healthy upstream for this model"}},

		{name: "a safety check", status: 403, body: `{"code":"The caller does not have permission to execute the specified operation","error":"Content violates usage guidelines. Team: t, API key ID: k, Model: grok-4, Failed check: SAFETY_CHECK_TYPE_BIO"}`,
			want: llm.APIError{Kind: llm.KindContentFilter, Code: "The caller does not have permission to execute the specified operation",
				Message: "Content violates usage guidelines. Team: t, API key ID: k, Model: grok-4, Failed check: SAFETY_CHECK_TYPE_BIO"}},
		{name: "the same with a code of permissions", status: 403, body: `{"code":"permission_denied","error":"Content violates usage guidelines. "}`,
			want: llm.APIError{Kind: llm.KindContentFilter, Code: "permission_denied", Message: "Content violates usage guidelines. "}},
		{name: "moderation", status: 403, body: `{"error":{"code":403,"message":"x requires moderation on P. Your input was flagged for \"violence\".","metadata":{"reasons":["violence"],"flagged_input":"…"}}}`,
			want: llm.APIError{Kind: llm.KindContentFilter, Code: "403", Message: `x requires moderation on P. Your input was flagged for "violence".`}},
		{name: "a policy", status: 400, body: `{"error":{"code":"invalid_prompt","message":"Invalid prompt: your prompt was flagged as potentially violating our usage policy."}}`,
			want: llm.APIError{Kind: llm.KindContentFilter, Code: "invalid_prompt", Message: "Invalid prompt: your prompt was flagged as potentially violating our usage policy."}},
		{name: "a permission", status: 403, body: `{"code":"permission_denied","error":"Access to the chat endpoint is denied"}`,
			want: llm.APIError{Kind: llm.KindPermission, Code: "permission_denied", Message: "Access to the chat endpoint is denied"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := ask(t, &wire{status: tt.status, body: tt.body}, false)
			got := requireKind(t, tt.want.Kind, err)
			tt.want.Provider, tt.want.StatusCode = "openai", tt.status
			require.Equal(t, &tt.want, got)
			require.Equal(t, tt.retry, got.Retryable())
		})
	}
}

// TestChallengedWithoutABody: the header of a 401 holds the reason.
func TestChallengedWithoutABody(t *testing.T) {
	t.Parallel()
	_, _, err := ask(t, &wire{status: 401, header: http.Header{
		"Www-Authenticate": {`Basic realm="x"`, `Bearer error="invalid_token", error_description="The access token expired"`},
	}}, false)
	require.Equal(t, "The access token expired", requireKind(t, llm.KindAuth, err).Message)
}

// TestQueryThatIsNoSecret: the words that a base URL and others have in common
// are not blacked out, and what proves the caller is.
func TestQueryThatIsNoSecret(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ query, key, says, want string }{
		{query: "debug=true", says: "strict must be true", want: "strict must be true"},
		{query: "deployment=production", says: "no production here", want: "no production here"},
		{query: "api-version=2024-10-21&region=westeurope", says: "2024-10-21 in westeurope", want: "2024-10-21 in westeurope"},
		{query: "token=true&key=1&secret=on&api_key=ab", says: "true, 1, on and ab", want: "true, 1, on and ab"},
		{query: "api_key=s3cr3tvalue99", says: "s3cr3tvalue99 is wrong", want: "[key] is wrong"},
		{query: "subscription-key=hunter2", says: "hunter2 is wrong", want: "[key] is wrong"},
		{query: "code=Az8_f==", says: "Az8_f== or Az8_f%3D%3D", want: "[key] or [key]"},
		{query: "sig=abcdefgh&X-Goog-Signature=01234567", says: "abcdefgh 01234567", want: "[key] [key]"},
		{key: "ollama", says: "ollama has no such model", want: "ollama has no such model"},
		{key: "EMPTY", says: "the list is EMPTY", want: "the list is EMPTY"},
		{key: "hunter2", says: "hunter2 is wrong", want: "[key] is wrong"},
	} {
		body, err := json.Marshal(map[string]string{"message": tt.says})
		require.NoError(t, err)
		c := (&wire{status: 400, body: string(body)}).config()
		c.BaseURL, c.Key = "http://provider.test/v1?"+tt.query, tt.key
		_, err = c.Model("m").Generate(t.Context(), hello(), nil)
		require.Equal(t, tt.want, requireKind(t, llm.KindInvalidRequest, err).Message, tt.query+tt.key)
	}
}

// TestNeverIsNotRetried: a server's 500 for what can never be is told at once.
func TestNeverIsNotRetried(t *testing.T) {
	t.Parallel()
	w := &wire{status: 500, body: `{"error":{"code":500,"message":"image input is not supported","type":"server_error"}}`}
	c := w.config()
	c.Retry = atOnce(4)
	begin := time.Now()
	_, err := c.Model("m").Generate(t.Context(), hello(), nil)
	requireKind(t, llm.KindInvalidRequest, err)
	require.Less(t, time.Since(begin), time.Minute)
	require.Len(t, w.bodies, 1)
}
