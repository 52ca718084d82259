package openai_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// TestMain turns the network off, except for this machine, and clears the
// environment that a Config reads.
func TestMain(m *testing.M) {
	for _, name := range []string{"OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"} {
		_ = os.Unsetenv(name)
	}
	t := http.DefaultTransport.(*http.Transport)
	dial := t.DialContext
	t.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if host, _, _ := net.SplitHostPort(addr); host != "127.0.0.1" && host != "::1" && host != "localhost" {
			return nil, fmt.Errorf("the network is off: %s was asked for", addr)
		}
		return dial(ctx, network, addr)
	}
	os.Exit(m.Run())
}

const ok = `{"id":"r","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}]}`

// A wire is a transport in memory: it keeps what was sent and answers with one
// response.
type wire struct {
	status int
	header http.Header
	body   string

	mu       sync.Mutex
	requests []*http.Request
	bodies   []string
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests, w.bodies = append(w.requests, r), append(w.bodies, string(body))
	resp := &http.Response{StatusCode: w.status, Header: w.header, Body: io.NopCloser(strings.NewReader(w.body)), Request: r}
	if w.status == 0 {
		resp.StatusCode = http.StatusOK
	}
	if resp.Header == nil {
		resp.Header = http.Header{"Content-Type": {"application/json"}}
	}
	return resp, nil
}

// config is a Config without retries that sends to w.
func (w *wire) config() openai.Config {
	return openai.Config{
		BaseURL:    "http://provider.test/v1",
		HTTPClient: &http.Client{Transport: w},
		Retry:      wrap.Retry{Attempts: 1},
	}
}

func hello() *llm.Request { return &llm.Request{Messages: []llm.Message{llm.User("hi")}} }

// ask sends one request and returns the response, the deltas and the error.
func ask(t *testing.T, w *wire, stream bool) (*llm.Response, []llm.Delta, error) {
	t.Helper()
	req := hello()
	req.Stream = stream
	var deltas []llm.Delta
	resp, err := w.config().Model("m").Generate(t.Context(), req, func(d llm.Delta) { deltas = append(deltas, d) })
	return resp, deltas, err
}

// events writes each data as an event.
func events(data ...string) string {
	return "data: " + strings.Join(data, "\n\ndata: ") + "\n\n"
}

// eventsOf is a wire that streams the events.
func eventsOf(data ...string) *wire {
	return &wire{header: http.Header{"Content-Type": {"text/event-stream"}}, body: events(data...)}
}

// delta is a chunk with that delta, and choice one with more in the choice.
func delta(d string) string { return `{"choices":[{"index":0,"delta":` + d + `}]}` }

const finishStop = `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`

func requireKind(t *testing.T, kind llm.ErrorKind, err error) *llm.APIError {
	t.Helper()
	var api *llm.APIError
	require.ErrorAs(t, err, &api)
	require.Equal(t, kind, api.Kind, "%v", err)
	require.Equal(t, "openai", api.Provider)
	return api
}
