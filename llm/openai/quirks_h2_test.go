package openai_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

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
