package openai_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// The headers of OpenAI, Groq, Cerebras, Azure and routers become RateLimits, on good
// answers and on errors, streamed or not.
func TestRateLimits(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		header []string
		want   []llm.RateLimit
	}{
		"OpenAI": {[]string{
			"x-ratelimit-limit-requests:5000", "x-ratelimit-remaining-requests:4999", "x-ratelimit-reset-requests:12ms",
			"x-ratelimit-limit-tokens:160000", "x-ratelimit-remaining-tokens:159976", "x-ratelimit-reset-tokens:6m0s",
		}, []llm.RateLimit{
			{Name: "requests", Limit: 5000, Remaining: 4999, Reset: 12 * time.Millisecond},
			{Name: "tokens", Limit: 160000, Remaining: 159976, Reset: 6 * time.Minute},
		}},
		"Cerebras, in seconds": {
			[]string{"x-ratelimit-limit-tokens-minute:60000", "x-ratelimit-remaining-tokens-minute:0", "x-ratelimit-reset-tokens-minute:11.5"},
			[]llm.RateLimit{{Name: "tokens-minute", Limit: 60000, Reset: 11500 * time.Millisecond}},
		},
		"Azure, without a reset":  {[]string{"x-ratelimit-remaining-tokens:7"}, []llm.RateLimit{{Name: "tokens", Remaining: 7}}},
		"Azure, unknown":          {[]string{"x-ratelimit-remaining-tokens:-1"}, nil},
		"a gateway without limit": {[]string{"x-ratelimit-limit-requests:0", "x-ratelimit-remaining-requests:0"}, nil},
		"a list":                  {[]string{"x-ratelimit-limit:100, 100;w=60", "x-ratelimit-remaining:99"}, []llm.RateLimit{{Limit: 100, Remaining: 99}}},
		"a moment that is past":   {[]string{"x-ratelimit-remaining:0", "x-ratelimit-reset:1746124800"}, []llm.RateLimit{{}}},
		"no numbers":              {[]string{"x-ratelimit-remaining-tokens:many", "x-ratelimit-remaining-requests:NaN", "x-ratelimit-remainingtokens:1"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			head := http.Header{}
			for _, line := range tt.header {
				name, value, _ := strings.Cut(line, ":")
				head.Set(name, value)
			}
			whole := `{"choices":[{"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}]}`
			resp, _, err := ask(t, &wire{status: 200, header: head.Clone(), body: whole}, false)
			require.NoError(t, err)
			require.Equal(t, tt.want, resp.RateLimits)

			stream := `data: {"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"
			resp, _, err = ask(t, &wire{status: 200, header: head.Clone(), body: stream}, true)
			require.NoError(t, err)
			require.Equal(t, tt.want, resp.RateLimits)

			_, _, err = ask(t, &wire{status: 400, header: head, body: `{"error":{"message":"no"}}`}, false)
			require.Equal(t, tt.want, requireKind(t, llm.KindInvalidRequest, err).RateLimits)
		})
	}
}

// A provider cannot make the client keep a thousand limits.
func TestManyRateLimits(t *testing.T) {
	t.Parallel()
	head := http.Header{}
	for i := range 1000 {
		head.Set(fmt.Sprintf("x-ratelimit-remaining-%03d%s", i, strings.Repeat("x", 100)), "1")
	}
	resp, _, err := ask(t, &wire{status: 200, header: head, body: `{"choices":[{"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}]}`}, false)
	require.NoError(t, err)
	require.Len(t, resp.RateLimits, 16)
	require.Len(t, resp.RateLimits[15].Name, 64)
}
