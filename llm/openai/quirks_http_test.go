package openai_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
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

// An h2 is one side of a connection that speaks HTTP/2 by hand, for what no
// server of the standard library can be made to say.
type h2 struct {
	*tls.Conn
	r    *bufio.Reader
	body bytes.Buffer
}

// The types of frames, and flags.
const (
	frameData, frameHeaders, frameReset, frameSettings, framePing, frameGoAway = 0, 1, 3, 4, 6, 7

	flagEnd, flagAck, flagEndHeaders = 1, 1, 4
)

func (c *h2) write(kind, flags byte, stream uint32, payload []byte) {
	head := binary.BigEndian.AppendUint32(nil, uint32(len(payload))<<8|uint32(kind))
	head = binary.BigEndian.AppendUint32(append(head, flags), stream)
	_, _ = c.Write(append(head, payload...)) // the client may be gone
}

// goAway says that the streams after last were not looked at.
func (c *h2) goAway(last, code uint32) {
	c.write(frameGoAway, 0, 0, binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, last), code))
}

func (c *h2) reset(stream, code uint32) {
	c.write(frameReset, 0, stream, binary.BigEndian.AppendUint32(nil, code))
}

// head begins a response: 200 and the content type.
func (c *h2) head(stream uint32, contentType string) {
	block := append([]byte{0x88, 0x0f, 0x10, byte(len(contentType))}, contentType...) // :status 200; a literal for name 31
	c.write(frameHeaders, flagEndHeaders, stream, block)
}

// request reads until a request is whole and returns its stream and its body;
// 0 when the connection ends.
func (c *h2) request() (stream uint32, body string) {
	c.body.Reset()
	for {
		var head [9]byte
		if _, err := io.ReadFull(c.r, head[:]); err != nil {
			return 0, ""
		}
		size := int64(binary.BigEndian.Uint32(head[:4]) >> 8)
		payload, err := io.ReadAll(io.LimitReader(c.r, size))
		if err != nil {
			return 0, ""
		}
		kind, flags, on := head[3], head[4], binary.BigEndian.Uint32(head[5:])
		switch {
		case kind == frameSettings && flags&flagAck == 0:
			c.write(frameSettings, flagAck, 0, nil)
		case kind == framePing && flags&flagAck == 0:
			c.write(framePing, flagAck, 0, payload)
		case kind == frameData:
			c.body.Write(payload)
			fallthrough
		case kind == frameHeaders:
			if flags&flagEnd != 0 {
				return on, c.body.String()
			}
		}
	}
}

// An h2Server is an httptest server with TLS whose n-th connection is served by
// serve by hand.
type h2Server struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
}

func newH2Server(t *testing.T, serve func(c *h2, stream uint32, n int)) *h2Server {
	s := &h2Server{Server: httptest.NewUnstartedServer(nil)}
	s.EnableHTTP2 = true
	s.Config.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){
		"h2": func(_ *http.Server, conn *tls.Conn, _ http.Handler) {
			c := &h2{Conn: conn, r: bufio.NewReader(conn)}
			_, _ = io.CopyN(io.Discard, c.r, int64(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")))
			c.write(frameSettings, 0, 0, nil)
			for {
				stream, body := c.request()
				if stream == 0 {
					return
				}
				s.mu.Lock()
				s.bodies = append(s.bodies, body)
				n := len(s.bodies)
				s.mu.Unlock()
				serve(c, stream, n)
			}
		},
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *h2Server) config(attempts int) openai.Config {
	return openai.Config{BaseURL: s.URL, HTTPClient: s.Client(), Retry: atOnce(attempts)}
}

// requests returns how many came, all of them equal.
func (s *h2Server) requests(t *testing.T) int {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, body := range s.bodies {
		require.NotEmpty(t, body)
		require.Equal(t, s.bodies[0], body)
	}
	return len(s.bodies)
}

// answer sends a whole stream.
func (c *h2) answer(stream uint32) {
	c.head(stream, "text/event-stream")
	c.write(frameData, flagEnd, stream, []byte(wholeStream))
}

// The codes of errors of HTTP/2.
const (
	codeNone, codeInternal, codeRefused, codeCancel, codeCalm = 0, 2, 7, 8, 11
)

func TestQuirkQ093GoAway(t *testing.T) {
	t.Parallel()
	t.Run("before the request was looked at", func(t *testing.T) {
		t.Parallel()
		s := newH2Server(t, func(c *h2, stream uint32, n int) {
			if n == 1 {
				c.goAway(0, codeNone)
				return
			}
			c.answer(stream)
		})
		r := generateOnce(t.Context(), s.config(1), helloStream())
		require.NoError(t, r.err) // the transport sends it anew: the body can be read again
		require.Equal(t, "ok", r.resp.Message.Text())
		require.Equal(t, 2, s.requests(t))
	})
	for _, tt := range []struct {
		name string
		code uint32
		text string
	}{
		{"after it, as the server shuts down", codeNone, "LastStreamID=1, ErrCode=NO_ERROR"},
		{"after it, as it is asked too much", codeCalm, "LastStreamID=1, ErrCode=ENHANCE_YOUR_CALM"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			serve := func(c *h2, stream uint32, n int) {
				if n == 1 {
					c.goAway(stream, tt.code)
					_ = c.Close()
					return
				}
				c.answer(stream)
			}
			s := newH2Server(t, serve)
			r := generateOnce(t.Context(), s.config(1), helloStream())
			api := requireKind(t, llm.KindNetwork, r.err)
			require.True(t, api.Retryable())
			require.ErrorContains(t, r.err, "http2: server sent GOAWAY and closed the connection; "+tt.text)
			require.Equal(t, 1, s.requests(t))

			s = newH2Server(t, serve)
			r = generateOnce(t.Context(), s.config(2), helloStream())
			require.NoError(t, r.err)
			require.Equal(t, []string{"ok"}, r.shown)
			require.Equal(t, 1, r.notices)
			require.Equal(t, 2, s.requests(t))
		})
	}
	t.Run("in the middle of the answer", func(t *testing.T) {
		t.Parallel()
		s := newH2Server(t, func(c *h2, stream uint32, _ int) {
			c.head(stream, "text/event-stream")
			c.write(frameData, 0, stream, []byte(partOfStream))
			c.goAway(stream, codeCalm)
			_ = c.Close()
		})
		r := generateOnce(t.Context(), s.config(3), helloStream())
		requireBrokenOff(t, r.err)
		require.Equal(t, []string{"ok"}, r.shown)
		require.Equal(t, 1, s.requests(t)) // not again unasked: something was shown
	})
	t.Run("and the answer is still given", func(t *testing.T) {
		t.Parallel()
		s := newH2Server(t, func(c *h2, stream uint32, _ int) {
			c.goAway(stream, codeNone)
			c.answer(stream)
		})
		r := generateOnce(t.Context(), s.config(1), helloStream())
		require.NoError(t, r.err)
		require.Equal(t, "ok", r.resp.Message.Text())
	})
}

// requireBrokenOff wants an error that says that the answer, or the way to it,
// broke off, and that trying again may help.
func requireBrokenOff(t *testing.T, err error) {
	t.Helper()
	var api *llm.APIError
	require.ErrorAs(t, err, &api)
	require.Contains(t, []llm.ErrorKind{llm.KindNetwork, llm.KindTruncated}, api.Kind)
	require.True(t, api.Retryable())
}

func TestQuirkQ093Reset(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, before string
		code         uint32
		text         string
	}{
		{"before the header", "", codeInternal, "stream error: stream ID 1; INTERNAL_ERROR; received from peer"},
		{"cancelled before the header", "", codeCancel, "stream error: stream ID 1; CANCEL; received from peer"},
		{"in the stream", partOfStream, codeInternal, "stream error: stream ID 1; INTERNAL_ERROR; received from peer"},
		{"in the middle of an event", partOfStream[:30], codeInternal, "stream error: stream ID 1; INTERNAL_ERROR; received from peer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newH2Server(t, func(c *h2, stream uint32, _ int) {
				if tt.before != "" {
					c.head(stream, "text/event-stream")
					c.write(frameData, 0, stream, []byte(tt.before))
				}
				c.reset(stream, tt.code)
			})
			r := generateOnce(t.Context(), s.config(1), helloStream())
			requireBrokenOff(t, r.err)
			require.ErrorContains(t, r.err, tt.text)
			require.NotContains(t, r.err.Error(), "http2: stream error") // which others look for, and nobody prints
			require.Equal(t, 1, s.requests(t))
		})
	}
	t.Run("before anything was shown it is sent again", func(t *testing.T) {
		t.Parallel()
		s := newH2Server(t, func(c *h2, stream uint32, n int) {
			if n < 3 {
				c.head(stream, "text/event-stream")
				c.write(frameData, 0, stream, []byte(": ping\n\n"))
				c.reset(stream, codeInternal)
				return
			}
			c.answer(stream)
		})
		r := generateOnce(t.Context(), s.config(3), helloStream())
		require.NoError(t, r.err)
		require.Equal(t, []string{"ok"}, r.shown)
		require.Equal(t, 2, r.notices)
		require.Equal(t, 3, s.requests(t))
	})
	t.Run("refused, which the transport knows to be harmless", func(t *testing.T) {
		t.Parallel()
		s := newH2Server(t, func(c *h2, stream uint32, n int) {
			if n == 1 {
				c.reset(stream, codeRefused)
				return
			}
			c.answer(stream)
		})
		r := generateOnce(t.Context(), s.config(2), helloStream())
		require.NoError(t, r.err)
		require.Equal(t, 2, s.requests(t))
	})
	t.Run("behind the end, where it does no harm", func(t *testing.T) {
		t.Parallel()
		s := newH2Server(t, func(c *h2, stream uint32, _ int) {
			c.head(stream, "text/event-stream")
			c.write(frameData, 0, stream, []byte(wholeStream))
			c.reset(stream, codeInternal)
		})
		r := generateOnce(t.Context(), s.config(1), helloStream())
		require.NoError(t, r.err)
		require.Equal(t, "ok", r.resp.Message.Text())
	})
	t.Run("behind the finish reason, where it does no harm", func(t *testing.T) {
		t.Parallel()
		s := newH2Server(t, func(c *h2, stream uint32, _ int) {
			c.head(stream, "text/event-stream")
			c.write(frameData, 0, stream, []byte(strings.TrimSuffix(wholeStream, "data: [DONE]\n\n")))
			c.reset(stream, codeInternal)
		})
		r := generateOnce(t.Context(), s.config(1), helloStream())
		require.NoError(t, r.err)
		require.Equal(t, "ok", r.resp.Message.Text())
	})
	t.Run("of a document", func(t *testing.T) {
		t.Parallel()
		s := newH2Server(t, func(c *h2, stream uint32, _ int) {
			c.head(stream, "application/json")
			c.write(frameData, 0, stream, []byte(ok[:20]))
			c.reset(stream, codeInternal)
		})
		requireBrokenOff(t, generateOnce(t.Context(), s.config(1), hello()).err)
	})
	t.Run("by a handler of the standard library that panics", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.ProtoMajor != 2 {
				http.Error(w, "no HTTP/2", http.StatusTeapot)
				return
			}
			w.Header().Set("Content-Type", "text/event-stream")
			say(w, partOfStream)
			panic(http.ErrAbortHandler)
		}))
		server.EnableHTTP2 = true
		server.StartTLS()
		defer server.Close()
		r := generateOnce(t.Context(), openai.Config{BaseURL: server.URL, HTTPClient: server.Client(), Retry: atOnce(1)}, helloStream())
		requireBrokenOff(t, r.err)
		require.ErrorContains(t, r.err, "stream error: stream ID 1; INTERNAL_ERROR; received from peer")
	})
}

// --- HTTP/1 ---

// hijacked serves one connection by hand: what is written to it goes out as it
// stands, and with a reset it ends in RST instead of FIN.
func hijacked(t *testing.T, reset bool, text func(n int) string) (openai.Config, func() int) {
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
	return openai.Config{BaseURL: server.URL, HTTPClient: server.Client(), Retry: atOnce(1)}, func() int {
		mu.Lock()
		defer mu.Unlock()
		return n
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

func TestQuirkQ093ConnectionReset(t *testing.T) {
	t.Parallel()
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
				c, requests := hijacked(t, reset, func(n int) string {
					if n == 1 {
						return tt.text
					}
					return http1("application/json", ok)
				})
				requireBrokenOff(t, generateOnce(t.Context(), c, hello()).err)
				require.Equal(t, 1, requests())

				c, requests = hijacked(t, reset, func(n int) string {
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

// TestQuirkQ093EveryByte loses the connection after every byte of a response.
// The answer is whole, or the error says that it is not.
func TestQuirkQ093EveryByte(t *testing.T) {
	t.Parallel()
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
			c, _ := hijacked(t, false, func(n int) string { return tt.text[:n-1] })
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

// TestQuirkQ095Cancel: the end of the caller's context is what is reported, it
// is no failure of the provider, and nothing is sent again.
func TestQuirkQ095Cancel(t *testing.T) {
	t.Parallel()
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
		c := openai.Config{BaseURL: server.URL, HTTPClient: server.Client(), Retry: patient}
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
		c := openai.Config{BaseURL: server.URL, HTTPClient: server.Client(), Retry: patient}
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
		c := openai.Config{BaseURL: server.URL, HTTPClient: server.Client(), Retry: atOnce(1), FirstByteTimeout: time.Millisecond}
		_, err := c.Model("m").Generate(t.Context(), helloStream(), nil)
		requireKind(t, llm.KindTimeout, err)
	})
}

func TestQuirkQ092Redirects(t *testing.T) {
	t.Parallel()
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
			_, err := openai.Config{BaseURL: server.URL, Key: "sk-0123456789", HTTPClient: server.Client(), Retry: atOnce(3)}.Model("m").Generate(t.Context(), hello(), nil)
			requireKind(t, llm.KindInvalidRequest, err)
			require.ErrorContains(t, err, elsewhere.URL)
			require.NotContains(t, err.Error(), "sekret")
			require.Equal(t, 1, here)
		})
	}
}

// --- what is remembered, and what needs a Config ---

// sequence answers with one body after the other, the last for ever, and keeps
// what was sent.
type sequence struct {
	replies []reply

	mu   sync.Mutex
	sent []map[string]any
}

func (s *sequence) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return nil, err
	}
	s.sent = append(s.sent, body)
	one := s.replies[min(len(s.sent), len(s.replies))-1]
	return &http.Response{
		StatusCode: one.status, Request: r, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader(one.body)),
	}, nil
}

func (s *sequence) config() openai.Config {
	return openai.Config{BaseURL: "http://provider.test/v1", HTTPClient: &http.Client{Transport: s}, Retry: atOnce(1)}
}

const noTemperature = `{"error":{"message":"Unsupported value: 'temperature' does not support 0.0 with this model. Only the default (1) value is supported.","type":"invalid_request_error","param":"temperature","code":"unsupported_value"}}`

// TestQuirkQ108Remembered: what one request has taught holds for the next ones
// to the same model, and for that model alone.
func TestQuirkQ108Remembered(t *testing.T) {
	t.Parallel()
	s := &sequence{replies: []reply{{status: 400, body: []byte(noTemperature)}, {status: 200, body: []byte(ok)}}}
	m := s.config().Model("m")
	ask := func(model string) (notices int) {
		req := hello()
		req.Model, req.Temperature = model, new(float64)
		_, err := m.Generate(t.Context(), req, func(d llm.Delta) {
			if _, ok := d.(llm.Notice); ok {
				notices++
			}
		})
		require.NoError(t, err)
		return notices
	}
	require.Equal(t, 1, ask(""))
	require.Equal(t, 0, ask(""))
	require.Len(t, s.sent, 3)
	require.Contains(t, s.sent[0], "temperature")
	require.NotContains(t, s.sent[1], "temperature")
	require.NotContains(t, s.sent[2], "temperature")
	ask("another")
	require.Contains(t, s.sent[3], "temperature")
}

func TestQuirkQ111LongResult(t *testing.T) {
	t.Parallel()
	s := &sequence{replies: []reply{{status: 200, body: []byte(ok)}}}
	req := &llm.Request{Messages: []llm.Message{
		llm.User("hi"),
		llm.Assistant("", llm.ToolCall{ID: "c", Name: "f", Arguments: "{}"}),
		{Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: "c", Name: "f", Parts: llm.Parts{llm.Text{Text: "begin " + strings.Repeat("é", 6<<20) + " end"}}}}},
	}}
	r := generateOnce(t.Context(), s.config(), req)
	require.NoError(t, r.err)
	content := s.sent[0]["messages"].([]any)[2].(map[string]any)["content"].(string)
	require.Less(t, len(content), 10485760, "OpenAI takes no more in one message")
	require.LessOrEqual(t, len(content), 1<<20)
	require.True(t, strings.HasPrefix(content, "begin é"))
	require.NotContains(t, content, "\uFFFD", "cut in the middle of a character")
	require.NotRegexp(t, `é$`, content, "nothing says that it was cut")
	require.Equal(t, 1, r.notices)
}

// TestQuirkQ113Strict and Q114: the strict form of a tool is refused, and the
// plain one is sent.
func TestQuirkQ113Strict(t *testing.T) {
	t.Parallel()
	strictIsRefused(t, `{"error":{"message":"Invalid schema for function 'f': In context=('properties', 'fields'), 'additionalProperties' is required to be supplied and to be false.","type":"invalid_request_error","param":"tools[0].function.parameters","code":"invalid_function_parameters"}}`)
}

func TestQuirkQ114Strict(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","tools",0,"function","strict"],"msg":"Extra inputs are not permitted","input":true}]},"type":"invalid_request_message_error","param":null,"code":null}`,
		`{"error":{"message":"property 'tools.0.function.strict' is unsupported","type":"invalid_request_error"}}`,
		`{"error":{"message":"tools.0.custom.input_schema: For 'integer' type, properties maximum, minimum are not supported","type":"invalid_request_error"}}`,
	} {
		strictIsRefused(t, body)
	}
}

func strictIsRefused(t *testing.T, body string) {
	t.Helper()
	s := &sequence{replies: []reply{{status: 400, body: []byte(body)}, {status: 200, body: []byte(ok)}}}
	c := s.config()
	c.Profile = &openai.Profile{Strict: openai.StrictTools}
	req := hello()
	req.Tools = []llm.ToolDef{{
		Name:   "f",
		Schema: json.RawMessage(`{"type":"object","properties":{"fields":{"type":"object"}}}`),
		Strict: json.RawMessage(`{"type":"object","properties":{"fields":{"type":["object","null"]}},"required":["fields"],"additionalProperties":false}`),
	}}
	r := generateOnce(t.Context(), c, req)
	require.NoError(t, r.err)
	require.Equal(t, 1, r.notices)
	require.Len(t, s.sent, 2)
	function := func(i int) map[string]any {
		return s.sent[i]["tools"].([]any)[0].(map[string]any)["function"].(map[string]any)
	}
	require.Equal(t, true, function(0)["strict"])
	require.NotContains(t, function(1), "strict")
	require.NotContains(t, function(1)["parameters"], "additionalProperties")
}
