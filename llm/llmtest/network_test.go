package llmtest_test

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/faketb"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// Not parallel: the guard is the process's. The bubble shows that nothing waits:
// a lookup or a dial would, and a retry would take fake time.
func TestNoNetwork(t *testing.T) {
	tb := new(faketb.TB)
	got := tb.Run(func(tb testing.TB) {
		llmtest.NoNetwork(tb)
		synctest.Test(t, func(t *testing.T) {
			start := time.Now()
			away := openai.Config{BaseURL: "https://user:secret@api.example.com/v1", Key: "sk-secret"}.Model("m")
			_, err := away.Generate(t.Context(), ask("hi"), nil)
			require.EqualError(t, err, "openai: not_found: POST https://api.example.com/v1/chat/completions: the network is forbidden in this test")
			e, ok := errors.AsType[*llm.APIError](err)
			require.True(t, ok)
			require.False(t, e.Retryable())
			require.Zero(t, time.Since(start))
		})
		bare := openai.Config{BaseURL: "https://api.example.com/v2", HTTPClient: &http.Client{Timeout: time.Minute}, Key: "k"}
		_, err := bare.Model("m").Generate(t.Context(), ask("hi"), nil)
		require.EqualError(t, err, "openai: not_found: POST https://api.example.com/v2/chat/completions: the network is forbidden in this test")
		for _, config := range []openai.Config{
			{BaseURL: llmtest.Script(t, llmtest.Text("hi")).Serve().BaseURL},
			{BaseURL: "https://api.example.com", HTTPClient: llmtest.Script(t, llmtest.Text("hi")).Client()},
		} {
			_, err := config.Model("m").Generate(t.Context(), ask("hi"), nil)
			require.NoError(t, err)
		}
	})
	require.Equal(t, []string{
		"llmtest: a request to https://api.example.com/v1/chat/completions was stopped, because the network is forbidden in this test",
		"llmtest: a request to https://api.example.com/v2/chat/completions was stopped, because the network is forbidden in this test",
	}, got)
}
