package openai_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/prompt"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// TestPrompt: a model is prompt unless code of the program takes part in its requests.
func TestPrompt(t *testing.T) {
	t.Parallel()
	token := func(context.Context) (string, error) { return "t", nil }
	traced := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{})
	own := llm.ModelFunc(func(context.Context, *llm.Request, func(llm.Delta)) (*llm.Response, error) { return nil, nil })
	for name, tt := range map[string]struct {
		ctx  context.Context
		m    llm.Model
		want bool
	}{
		"the default":          {t.Context(), openai.Config{}.Model("m"), true},
		"a token":              {t.Context(), openai.Config{Token: token}.Model("m"), false},
		"a client":             {t.Context(), openai.Config{HTTPClient: &http.Client{}}.Model("m"), false},
		"a trace":              {traced, openai.Config{}.Model("m"), false},
		"a function":           {t.Context(), own, false},
		"a function, retried":  {t.Context(), wrap.Retry{}.Model(own), false},
		"a wrapper of another": {t.Context(), wrap.Log{}.Model(openai.Config{}.Model("m")), false},
	} {
		require.Equal(t, tt.want, prompt.Is(tt.ctx, tt.m), name)
	}
}

// TestPromptModelsReturn: the default client returns soon after the end of its context,
// wherever its request is.
func TestPromptModelsReturn(t *testing.T) {
	t.Parallel()
	errEnough := errors.New("enough")
	for name, handler := range map[string]http.HandlerFunc{
		"no answer": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // so that the server notices the end of the connection
			<-r.Context().Done()
		},
		"half an answer": func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, ok[:20])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		},
		"a wait before a retry": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "50")
			w.WriteHeader(http.StatusTooManyRequests)
		},
	} {
		begun := make(chan struct{}, 10)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			begun <- struct{}{}
			handler(w, r)
		}))
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			<-begun
			cancel(errEnough)
		}()
		m := openai.Config{BaseURL: server.URL, Key: "sk-test"}.Model("m")
		require.True(t, prompt.Is(ctx, m))
		start := time.Now()
		_, err := m.Generate(ctx, hello(), nil)
		require.ErrorIs(t, err, errEnough, name)
		require.Less(t, time.Since(start), 40*time.Second, name) // the shortest bound of the client is 50 s here
		server.Close()
	}
}
