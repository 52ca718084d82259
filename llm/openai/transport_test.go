package openai_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// TestDirectIsTheSame compares requests that a *http.Transport gets directly with requests
// of a whole http.Client.
func TestDirectIsTheSame(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.HandlerFunc{
		"an answer": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, ok) },
		"a redirect": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(307)
		},
		"a redirect to nobody": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(302) },
		"an error":             func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); _, _ = io.WriteString(w, "no") },
		"no content":           func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) },
		"a broken answer": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, ok)
			panic(http.ErrAbortHandler)
		},
		"no answer": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		var heads []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			heads = append(heads, fmt.Sprint(r.Method, r.RequestURI, r.Header, string(body)))
			handler(w, r)
		}))
		for _, url := range []string{server.URL, strings.Replace(server.URL, "http:", "https:", 1), "http://127.0.0.1:1"} {
			outcome := func(h *http.Client) string {
				c := openai.Config{BaseURL: url, Key: "sk-test", HTTPClient: h, Retry: wrap.Retry{Attempts: 1}}
				resp, err := c.Model("m").Generate(t.Context(), hello(), nil)
				return fmt.Sprint(resp, err)
			}
			direct := outcome(&http.Client{Transport: &http.Transport{}})
			whole := outcome(&http.Client{Transport: &http.Transport{}, Timeout: time.Hour})
			require.Equal(t, whole, direct, name)
		}
		server.Close()
		require.Len(t, heads, 2)
		require.Equal(t, heads[1], heads[0])
	}
}

// scribbler writes into requests, as round tripper must not.
type scribbler struct{ *wire }

func (s scribbler) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Set("X-Seen", "yes")
	r.Header["Authorization"][0] = "Bearer other"
	r.URL.Host, r.URL.Path = "other.test", "/other"
	return s.wire.RoundTrip(r)
}

// TestRequestsAreIndependent: a round tripper that writes into a request changes no other
// request.
func TestRequestsAreIndependent(t *testing.T) {
	t.Parallel()
	w := &wire{body: ok}
	c := w.config()
	c.Key, c.HTTPClient = "sk-test", &http.Client{Transport: w}
	m := c.Model("m")
	c.HTTPClient.Transport = scribbler{w}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() { _, _ = m.Generate(t.Context(), hello(), nil) })
	}
	all.Wait()
	c.HTTPClient.Transport = w
	_, err := m.Generate(t.Context(), hello(), nil)
	require.NoError(t, err)
	last := w.requests[len(w.requests)-1]
	require.Equal(t, "http://provider.test/v1/chat/completions", last.URL.String())
	require.Equal(t, "Bearer sk-test", last.Header.Get("Authorization"))
	require.Empty(t, last.Header.Get("X-Seen"))
}

// TestLongBodies sends bodies that are longer than the buffers on their way, at the same
// time, with the shared transport.
func TestLongBodies(t *testing.T) {
	t.Parallel()
	c := loopback(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil && int64(len(body)) == r.ContentLength {
			_, _ = fmt.Fprintf(w, `{"choices":[{"message":{"content":"%d"},"finish_reason":"stop"}]}`, strings.Count(string(body), "x"))
		}
	})
	m := c.Model("m")
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			n := 3000 + i*10_000
			resp, err := m.Generate(t.Context(), &llm.Request{Messages: []llm.Message{llm.User(strings.Repeat("x", n))}}, nil)
			if err != nil || resp.Message.Text() != fmt.Sprint(n) {
				t.Errorf("%d: %v %v", n, resp, err)
			}
		})
	}
	all.Wait()
}
