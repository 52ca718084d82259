package openai

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// mostDead bounds how many dead connections of the pool one request meets.
	mostDead = 16
	// deadWithin is how soon a closed connection shows after a request was written
	// to it. A server that breaks off later may have worked on an answer.
	deadWithin = 2 * time.Second
)

// do sends the request. A server may close a connection between two requests
// without a word, and we hear of it only when the next request is on its way:
// that one goes out again at once, on another connection. It is no retry, as no
// byte of an answer came and none can come. net/http does the same with requests
// that it knows to be repeatable, which a POST is not.
func (c *client) do(hreq *http.Request) (*http.Response, error) {
	h := c.http()
	for range mostDead {
		var l line
		resp, err := h.Do(hreq.WithContext(httptrace.WithClientTrace(hreq.Context(), l.trace())))
		if err == nil || hreq.Context().Err() != nil || !l.dead(err) {
			return resp, err
		}
		if hreq.Body, err = hreq.GetBody(); err != nil {
			return nil, err
		}
	}
	return h.Do(hreq)
}

// A line is the connection that a request was given.
type line struct {
	mu       sync.Mutex // the transport reports from its own goroutines
	pooled   bool       // it has served another request before
	wrote    time.Time  // when the request had gone out; zero: it had not
	answered bool       // a byte of an answer came
}

func (l *line) trace() *httptrace.ClientTrace {
	locked := func(f func()) {
		l.mu.Lock()
		defer l.mu.Unlock()
		f()
	}
	return &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) {
			locked(func() { l.pooled, l.wrote, l.answered = i.Reused, time.Time{}, false })
		},
		WroteRequest: func(i httptrace.WroteRequestInfo) {
			locked(func() {
				if i.Err == nil {
					l.wrote = time.Now()
				}
			})
		},
		GotFirstResponseByte: func() { locked(func() { l.answered = true }) },
	}
}

// dead reports whether the connection had been closed when the request was sent.
func (l *line) dead(err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pooled && !l.answered && closed(err) && (l.wrote.IsZero() || time.Since(l.wrote) < deadWithin)
}

// closed reports an error of a connection that the other side has closed.
// net/http has no name for one of them.
func closed(err error) bool {
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE} {
		if errors.Is(err, end) {
			return true
		}
	}
	return strings.Contains(err.Error(), "server closed idle connection")
}
