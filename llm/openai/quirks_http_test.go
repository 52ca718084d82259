package openai_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
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

// Quirks that the text of a fixture cannot express, because they lie below HTTP
// or in what the caller does meanwhile. See testdata/wire/quirks/elsewhere.txt.

// A run is what one Generate asked for and got.
type run struct {
	resp    *llm.Response
	err     error
	shown   []string // deltas in short
	notices int
}

func generateOnce(ctx context.Context, c openai.Config, req *llm.Request) (r run) {
	r.resp, r.err = c.Model("m").Generate(ctx, req, func(d llm.Delta) {
		switch d := d.(type) {
		case llm.TextDelta:
			r.shown = append(r.shown, d.Text)
		case llm.Restarted:
			r.shown = append(r.shown, "<again>")
		case llm.Notice:
			r.notices++
		}
	})
	return r
}

func helloStream() *llm.Request {
	req := hello()
	req.Stream = true
	return req
}

// atOnce retries without waiting.
func atOnce(attempts int) wrap.Retry { return wrap.Retry{Attempts: attempts, MinDelay: -1} }

const wholeStream = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"ok\"}}]}\n\n" +
	"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n" +
	"data: [DONE]\n\n"

// partOfStream ends after the first event.
var partOfStream = wholeStream[:strings.Index(wholeStream, "\n\n")+2]

// --- HTTP/2 ---

// hijacked serves one connection by hand: what is written to it goes out as it
// stands, and with a reset it ends in RST instead of FIN.
func hijacked(t *testing.T, client *http.Client, reset bool, text func(n int) string) (openai.Config, func() int) {
	var mu sync.Mutex
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		mu.Lock()
		n++
		body := text(n)
		mu.Unlock()
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, body)
		if reset {
			_ = conn.(*net.TCPConn).SetLinger(0)
		}
		_ = conn.Close()
	}))
	t.Cleanup(server.Close)
	return openai.Config{BaseURL: server.URL, HTTPClient: client, Retry: atOnce(1)}, func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
	}
}

// bothClients runs a test with the default client, which speaks HTTP/1 by itself where there
// is no TLS, and with net/http.
func bothClients(t *testing.T, test func(t *testing.T, client *http.Client)) {
	t.Parallel()
	for name, client := range map[string]*http.Client{"by itself": nil, "with net http": {Transport: &http.Transport{}}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, client)
		})
	}
}

// http1 is a response with chunks, one for each event.
func http1(contentType, body string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n", contentType)
	for piece := range strings.SplitAfterSeq(body, "\n\n") {
		if piece != "" {
			fmt.Fprintf(&b, "%x\r\n%s\r\n", len(piece), piece)
		}
	}
	return b.String() + "0\r\n\r\n"
}

// endsWithConnection is a response of which HTTP itself does not tell the end.
func endsWithConnection(contentType, body string) string {
	return "HTTP/1.1 200 OK\r\nContent-Type: " + contentType + "\r\nConnection: close\r\n\r\n" + body
}

func TestQuirkQ093ConnectionReset(t *testing.T) { bothClients(t, connectionReset) }

func connectionReset(t *testing.T, client *http.Client) {
	for _, tt := range []struct {
		name string
		text string
	}{
		{"before the header", ""},
		{"in the header", "HTTP/1.1 200 OK\r\nContent-T"},
		{"in a document that is shorter than it says", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n" + ok},
		{"in a document that ends with the connection", endsWithConnection("application/json", ok[:40])},
	} {
		for _, reset := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, RST %v", tt.name, reset), func(t *testing.T) {
				t.Parallel()
				c, requests := hijacked(t, client, reset, func(n int) string {
					if n == 1 {
						return tt.text
					}
					return http1("application/json", ok)
				})
				requireBrokenOff(t, generateOnce(t.Context(), c, hello()).err)
				require.Equal(t, 1, requests())

				c, requests = hijacked(t, client, reset, func(n int) string {
					if n == 1 {
						return tt.text
					}
					return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + fmt.Sprint(len(ok)) + "\r\n\r\n" + ok
				})
				c.Retry = atOnce(9)
				r := generateOnce(t.Context(), c, hello())
				if !reset { // a reset may overtake even a whole answer
					require.NoError(t, r.err)
					require.Equal(t, "ok", r.resp.Message.Text())
					require.Equal(t, 2, requests())
				}
			})
		}
	}
}

func TestQuirkQ093EveryByte(t *testing.T) { bothClients(t, everyByte) }

// everyByte loses the connection after every byte of a response. The answer is whole, or
// the error says that it is not.
func everyByte(t *testing.T, client *http.Client) {
	for _, tt := range []struct {
		name, text string
		stream     bool
	}{
		{"a stream", http1("text/event-stream", wholeStream), true},
		{"a document", http1("application/json", ok), false},
		{"a stream that ends with the connection", endsWithConnection("text/event-stream", wholeStream), true},
		{"a document that ends with the connection", endsWithConnection("application/json", ok), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, _ := hijacked(t, client, false, func(n int) string { return tt.text[:n-1] })
			whole := 0
			for cut := range len(tt.text) + 1 {
				req := hello()
				req.Stream = tt.stream
				r := generateOnce(t.Context(), c, req)
				if r.err != nil {
					require.Zero(t, whole, "cut at %d: a longer part of it is an error again", cut)
					requireBrokenOff(t, r.err)
					continue
				}
				whole++
				require.Equal(t, "ok", r.resp.Message.Text(), "cut at %d", cut)
				require.Equal(t, llm.FinishStop, r.resp.Finish.Reason, "cut at %d", cut)
			}
			require.NotZero(t, whole)
			if !tt.stream {
				require.LessOrEqual(t, whole, len("0\r\n\r\n")+1)
			}
		})
	}
}

// --- what the caller does ---

func TestQuirkQ094Restart(t *testing.T) {
	t.Parallel()
	serve := func(c *h2, stream uint32, n int) {
		if n < 3 {
			c.head(stream, "text/event-stream")
			c.write(frameData, 0, stream, []byte(strings.Replace(partOfStream, "ok", fmt.Sprint("part ", n), 1)))
			c.reset(stream, codeInternal)
			return
		}
		c.answer(stream)
	}
	t.Run("unasked", func(t *testing.T) {
		t.Parallel()
		s := newH2Server(t, serve)
		r := generateOnce(t.Context(), s.config(5), helloStream())
		requireBrokenOff(t, r.err)
		require.Equal(t, []string{"part 1"}, r.shown)
		require.Equal(t, 1, s.requests(t))
	})
	t.Run("allowed", func(t *testing.T) {
		t.Parallel()
		s := newH2Server(t, serve)
		c := s.config(5)
		c.Retry.Restart = true
		r := generateOnce(t.Context(), c, helloStream())
		require.NoError(t, r.err)
		require.Equal(t, []string{"part 1", "<again>", "part 2", "<again>", "ok"}, r.shown)
		require.Equal(t, "ok", r.resp.Message.Text())
		require.Equal(t, 2, r.notices)
		require.Equal(t, 3, s.requests(t))
	})
	t.Run("bounded", func(t *testing.T) {
		t.Parallel()
		s := newH2Server(t, serve)
		c := s.config(2)
		c.Retry.Restart = true
		r := generateOnce(t.Context(), c, helloStream())
		requireBrokenOff(t, r.err)
		require.Equal(t, []string{"part 1", "<again>", "part 2"}, r.shown)
		require.Equal(t, 2, s.requests(t))
	})
}

func TestQuirkQ095Cancel(t *testing.T) { bothClients(t, cancels) }

// cancels: the end of the caller's context is what is reported, it is no failure of the
// provider, and nothing is sent again.
func cancels(t *testing.T, client *http.Client) {
	reason := errors.New("the user pressed a key")
	patient := wrap.Retry{Attempts: 9, MinDelay: time.Hour, MaxDelay: -1, MaxWait: -1}
	check := func(t *testing.T, cancelAt string, handler http.HandlerFunc) {
		t.Helper()
		var mu sync.Mutex
		requests := 0
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // so that the server notices the end of the connection
			mu.Lock()
			requests++
			mu.Unlock()
			if cancelAt == "request" {
				cancel(reason)
			}
			handler(w, r)
		}))
		defer server.Close()
		c := openai.Config{BaseURL: server.URL, HTTPClient: client, Retry: patient}
		_, err := c.Model("m").Generate(ctx, helloStream(), func(d llm.Delta) {
			_, text := d.(llm.TextDelta)
			_, notice := d.(llm.Notice)
			if text && cancelAt == "text" || notice && cancelAt == "wait" {
				cancel(reason)
			}
		})
		require.ErrorIs(t, err, reason)
		var api *llm.APIError
		require.NotErrorAs(t, err, &api)
		mu.Lock()
		defer mu.Unlock()
		require.Equal(t, 1, requests)
	}
	silent := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	t.Run("before the header", func(t *testing.T) {
		t.Parallel()
		check(t, "request", silent)
	})
	t.Run("in the stream", func(t *testing.T) {
		t.Parallel()
		check(t, "text", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			say(w, partOfStream)
			silent(w, r)
		})
	})
	t.Run("while the connection breaks", func(t *testing.T) {
		t.Parallel()
		check(t, "request", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	})
	t.Run("in the wait before a retry", func(t *testing.T) {
		t.Parallel()
		check(t, "wait", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "busy", http.StatusServiceUnavailable) })
	})
	t.Run("in the wait that the provider asks for", func(t *testing.T) {
		t.Parallel()
		check(t, "wait", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "86400")
			http.Error(w, "busy", http.StatusTooManyRequests)
		})
	})
	t.Run("a deadline is the caller's, too", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}))
		defer server.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		c := openai.Config{BaseURL: server.URL, HTTPClient: client, Retry: patient}
		_, err := c.Model("m").Generate(ctx, helloStream(), nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		var api *llm.APIError
		require.NotErrorAs(t, err, &api)
	})
	t.Run("a bound of ours is an error of its own", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}))
		defer server.Close()
		c := openai.Config{BaseURL: server.URL, HTTPClient: client, Retry: atOnce(1), FirstByteTimeout: time.Millisecond}
		_, err := c.Model("m").Generate(t.Context(), helloStream(), nil)
		requireKind(t, llm.KindTimeout, err)
	})
}

func TestQuirkQ092Redirects(t *testing.T) { bothClients(t, redirects) }

func redirects(t *testing.T, client *http.Client) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				t.Error("the other host was asked")
				say(w, ok)
			}))
			defer elsewhere.Close()
			here := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				here++
				http.Redirect(w, r, strings.Replace(elsewhere.URL, "://", "://u:sekret@", 1)+"/v1?key=sekret", status)
			}))
			defer server.Close()
			_, err := openai.Config{BaseURL: server.URL, Key: "sk-0123456789", HTTPClient: client, Retry: atOnce(3)}.Model("m").Generate(t.Context(), hello(), nil)
			requireKind(t, llm.KindInvalidRequest, err)
			require.ErrorContains(t, err, elsewhere.URL)
			require.NotContains(t, err.Error(), "sekret")
			require.Equal(t, 1, here)
		})
	}
}

// --- what is remembered, and what needs a Config ---
