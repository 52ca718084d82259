package openai_test

import (
	"compress/gzip"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// loopback is a Config for a server on this machine, with the default client.
func loopback(t *testing.T, handler http.HandlerFunc) openai.Config {
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return openai.Config{BaseURL: server.URL, Retry: wrap.Retry{Attempts: 1}}
}

func TestCompressedAnswers(t *testing.T) {
	t.Parallel()
	zipped := func(body io.Reader) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			require.Equal(t, "gzip", r.Header.Get("Accept-Encoding"))
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			_, _ = io.Copy(z, body)
			_ = z.Close()
		}
	}
	t.Run("a document", func(t *testing.T) {
		t.Parallel()
		resp, err := loopback(t, zipped(strings.NewReader(ok))).Model("m").Generate(t.Context(), hello(), nil)
		require.NoError(t, err)
		require.Equal(t, "ok", resp.Message.Text())
	})
	t.Run("a bomb", func(t *testing.T) {
		t.Parallel()
		c := loopback(t, zipped(io.MultiReader(strings.NewReader("{"), io.LimitReader(repeat(" "), 8<<20))))
		c.MaxResponseBytes = 1 << 20
		_, err := c.Model("m").Generate(t.Context(), hello(), nil)
		requireKind(t, llm.KindMalformed, err)
	})
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	c := openai.Config{BaseURL: "http://user:sekret@" + addr + "/v1?key=sekret", Retry: wrap.Retry{Attempts: 1}}
	_, err = c.Model("m").Generate(t.Context(), hello(), nil)
	requireKind(t, llm.KindNetwork, err)
	require.EqualError(t, err, "openai: network: POST http://"+addr+"/v1/chat/completions: dial tcp "+addr+": connect: connection refused")
}

func TestServerHangsUp(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, before string
		kind         llm.ErrorKind
	}{
		{"before the header", "", llm.KindNetwork},
		{"in a document", ok[:30], llm.KindTruncated},
		{"in a stream", events(delta(`{"content":"a"}`)), llm.KindTruncated},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := loopback(t, func(w http.ResponseWriter, _ *http.Request) {
				if tt.before != "" {
					say(w, tt.before)
				}
				panic(http.ErrAbortHandler)
			})
			_, err := c.Model("m").Generate(t.Context(), hello(), nil)
			require.True(t, requireKind(t, tt.kind, err).Retryable())
		})
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	for _, status := range []int{301, 302, 303, 307, 308} {
		c := loopback(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://elsewhere.test/x?key=1", status)
		})
		_, err := c.Model("m").Generate(t.Context(), hello(), nil)
		requireKind(t, llm.KindInvalidRequest, err)
		require.ErrorContains(t, err, "is redirected to http://elsewhere.test: redirects are not followed")
	}
}

func TestRedirectIsFollowedByAClientThatDoes(t *testing.T) {
	t.Parallel()
	c := loopback(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/there" {
			http.Redirect(w, r, "/there", http.StatusTemporaryRedirect)
			return
		}
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), `"hi"`) {
			say(w, ok)
		}
	})
	c.HTTPClient = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}
	resp, err := c.Model("m").Generate(t.Context(), hello(), nil)
	require.NoError(t, err)
	require.Equal(t, "ok", resp.Message.Text())
}

// TestNowhere: what is not there, or is not what the URL says, is not tried again.
func TestNowhere(t *testing.T) {
	t.Parallel()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	distrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	distrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	distrusted.StartTLS()
	defer distrusted.Close()
	unknown := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "nowhere.example", IsNotFound: true}}
	}}}
	for _, tt := range []struct {
		name   string
		config openai.Config
		want   string
	}{
		{"no such host", openai.Config{BaseURL: "http://nowhere.example", HTTPClient: unknown}, "no such host"},
		{"no TLS", openai.Config{BaseURL: strings.Replace(plain.URL, "http:", "https:", 1)}, "server gave HTTP response to HTTPS client"},
		{"unknown certificate", openai.Config{BaseURL: distrusted.URL}, "certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var notices []llm.Delta
			_, err := tt.config.Model("m").Generate(t.Context(), &llm.Request{Messages: []llm.Message{llm.User("Hi.")}},
				func(d llm.Delta) { notices = append(notices, d) })
			requireKind(t, llm.KindNotFound, err)
			require.ErrorContains(t, err, tt.want)
			require.Empty(t, notices, "nothing is tried again")
		})
	}
}
