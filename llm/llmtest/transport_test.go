package llmtest_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// closing is a body that knows whether it was closed.
type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error {
	c.closed = true
	return nil
}

func request(ctx context.Context, t *testing.T, method, url, body string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	return req
}

// Without our own client: a request, a document, a stream.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	m := llmtest.Script(t, llmtest.Text("one two").Forever())
	for _, url := range []string{"https://api.example.com/v1/chat/completions", "http://x/openai/deployments/m/chat/completions?api-version=1"} {
		req := request(t.Context(), t, http.MethodPost, url, hi)
		sent := &closing{Reader: req.Body}
		req.Body = sent
		resp, err := m.RoundTrip(req)
		require.NoError(t, err)
		require.True(t, sent.closed)
		body := readAll(t, resp)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, "one two", document(t, body).Message.Text())
		require.Equal(t, "200 OK", resp.Status)
		require.Equal(t, int64(len(body)), resp.ContentLength)
		require.Equal(t, "application/json", resp.Header.Get("Content-Type"))
		require.Same(t, req, resp.Request)

		resp, err = m.Client().Do(request(t.Context(), t, http.MethodPost, url, hiStream))
		require.NoError(t, err)
		require.Equal(t, int64(-1), resp.ContentLength)
		require.Equal(t, "one two", stream(t, events(t, resp.Body)).Message.Text())
		require.NoError(t, resp.Body.Close())
	}
	for status, req := range map[int]*http.Request{
		404: request(t.Context(), t, http.MethodPost, "https://api.example.com/v1/completions", hi),
		405: request(t.Context(), t, http.MethodGet, "https://api.example.com/v1/chat/completions", hi),
		400: request(t.Context(), t, http.MethodPost, "https://api.example.com/v1/chat/completions", "{"),
	} {
		resp, err := m.Client().Do(req)
		require.NoError(t, err)
		require.Equal(t, status, resp.StatusCode)
		require.Contains(t, readAll(t, resp), `"type":"invalid_request_error"`)
		require.NoError(t, resp.Body.Close())
	}
	without, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://api.example.com/v1/chat/completions", nil)
	require.NoError(t, err)
	without.Header.Set("Content-Type", "application/json")
	resp, err := m.RoundTrip(without)
	require.NoError(t, err)
	require.Equal(t, 400, resp.StatusCode)
	require.NoError(t, resp.Body.Close())
	require.Len(t, m.Requests(), 4)
}

// The header comes when a provider's would, and each piece after its delay.
func TestRoundTripKeepsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := llmtest.Script(t, llmtest.Text("one two three").Forever())
		m.Delay = time.Minute
		const url = "https://api.example.com/v1/chat/completions"
		start := time.Now()
		resp, err := m.RoundTrip(request(t.Context(), t, http.MethodPost, url, hiStream))
		require.NoError(t, err)
		require.Zero(t, time.Since(start))
		buf := make([]byte, 10) // less than an event
		_, err = resp.Body.Read(buf)
		require.NoError(t, err)
		require.Zero(t, time.Since(start)) // the role
		_ = readAll(t, resp)
		require.Equal(t, 3*time.Minute, time.Since(start))

		start = time.Now()
		resp, err = m.RoundTrip(request(t.Context(), t, http.MethodPost, url, hi))
		require.NoError(t, err)
		require.Equal(t, time.Minute, time.Since(start))
		_ = readAll(t, resp)
		require.Equal(t, time.Minute, time.Since(start))
	})
}

// A ctx that ends and a body that is closed end what waits, at once.
func TestRoundTripIsLeft(t *testing.T) {
	t.Parallel()
	const url = "https://api.example.com/v1/chat/completions"
	cause := errors.New("enough")
	for name, step := range map[string]llmtest.Step{
		"delay":  llmtest.Text("one two").Delay(time.Hour),
		"stall":  llmtest.Text("one two").With(llmtest.Stall(0, 0)),
		"late":   llmtest.Text("one two").With(llmtest.Late(time.Hour)),
		"failed": llmtest.Fail(errors.New("x")).Delay(time.Hour),
		"reply": llmtest.Reply(func(ctx context.Context, _ *llm.Request) (*llm.Response, error) {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := llmtest.Script(t, step.When(llmtest.Turn(1)))
				ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, cause)
				defer cancel()
				start := time.Now()
				resp, err := m.RoundTrip(request(ctx, t, http.MethodPost, url, hiStream))
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					require.NoError(t, resp.Body.Close())
				}
				require.Same(t, cause, err)
				require.Equal(t, time.Minute, time.Since(start))
				_, err = m.RoundTrip(request(ctx, t, http.MethodPost, url, hiStream))
				require.Same(t, cause, err)
				require.Len(t, m.Requests(), 1)
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		m := llmtest.Script(t, llmtest.Text("one two").Delay(time.Hour))
		resp, err := m.RoundTrip(request(t.Context(), t, http.MethodPost, url, hiStream))
		require.NoError(t, err)
		var group sync.WaitGroup
		group.Go(func() {
			_, err := io.ReadAll(resp.Body)
			require.EqualError(t, err, "http: read on closed response body")
		})
		start := time.Now()
		synctest.Wait() // until the read waits
		require.NoError(t, resp.Body.Close())
		group.Wait()
		require.Zero(t, time.Since(start))
	})
}

// The library's own limits on time, in fake time.
func TestTimeoutsOfAClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := llmtest.Script(t, llmtest.Text("one two").With(llmtest.Stall(1, 0)))
		client := openai.Config{HTTPClient: m.Client(), Key: "k", StallTimeout: 30 * time.Second, Retry: wrap.Retry{Attempts: 1}}.Model("m")
		start := time.Now()
		_, deltas, err := collect(t.Context(), client, streamed(ask("hi")))
		require.EqualError(t, err, "openai: timeout: Config.StallTimeout of 30s is over")
		require.Equal(t, []llm.Delta{llm.TextDelta{Text: "one "}}, deltas)
		require.Equal(t, 30*time.Second, time.Since(start))
	})
}

func TestResetIsOne(t *testing.T) {
	t.Parallel()
	step := llmtest.Text("one two")
	m := llmtest.Script(t, step.With(llmtest.Reset(-1)), step.With(llmtest.Reset(1)), step.With(llmtest.Reset(-1)), step.With(llmtest.Reset(1)))
	for _, client := range []*http.Client{m.Client(), http.DefaultClient} {
		url := "https://api.example.com/v1/chat/completions"
		if client == http.DefaultClient {
			url = m.Serve().BaseURL + "/chat/completions"
		}
		_, err := client.Do(request(t.Context(), t, http.MethodPost, url, hiStream))
		require.ErrorIs(t, err, syscall.ECONNRESET)
		resp, err := client.Do(request(t.Context(), t, http.MethodPost, url, hiStream))
		require.NoError(t, err)
		text, err := io.ReadAll(resp.Body)
		require.ErrorIs(t, err, syscall.ECONNRESET)
		require.Contains(t, string(text), `"content":"one "`)
		require.NoError(t, resp.Body.Close())
	}
}
