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
	// maxClosed limits the dead pooled connections for one request.
	maxClosed = 16
	// closedWithin is the time within which a closed connection shows after
	// writing. If a server breaks off later, the server may have worked on an
	// answer.
	closedWithin = 2 * time.Second
)

// do sends the request. A server may close an idle connection silently, and the
// client notices only while sending the next request. do sends such a request again
// at once on a new connection. This is not a retry: no byte of an answer came, and no
// byte can come. net/http does the same for repeatable requests, but a POST is not
// repeatable.
func (c *client) do(hreq *http.Request) (*http.Response, error) {
	h := c.http()
	for range maxClosed {
		var l connection
		resp, err := h.Do(hreq.WithContext(httptrace.WithClientTrace(hreq.Context(), l.trace())))
		if err == nil || hreq.Context().Err() != nil || !l.wasClosed(err) {
			return resp, err
		}
		if hreq.Body, err = hreq.GetBody(); err != nil {
			return nil, err
		}
	}
	return h.Do(hreq)
}

// A connection is the connection of one request, as the transport reports it.
type connection struct {
	mu        sync.Mutex // the transport reports from its own goroutines
	pooled    bool       // the connection has served an earlier request
	wrote     time.Time  // time when the request was written; zero means not yet
	responded bool       // a byte of an answer came
}

func (l *connection) trace() *httptrace.ClientTrace {
	locked := func(f func()) {
		l.mu.Lock()
		defer l.mu.Unlock()
		f()
	}
	return &httptrace.ClientTrace{
		GotConn: func(i httptrace.GotConnInfo) {
			locked(func() { l.pooled, l.wrote, l.responded = i.Reused, time.Time{}, false })
		},
		WroteRequest: func(i httptrace.WroteRequestInfo) {
			locked(func() {
				if i.Err == nil {
					l.wrote = time.Now()
				}
			})
		},
		GotFirstResponseByte: func() { locked(func() { l.responded = true }) },
	}
}

// wasClosed reports whether the connection had been closed when the request was sent.
func (l *connection) wasClosed(err error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pooled && !l.responded && closed(err) && (l.wrote.IsZero() || time.Since(l.wrote) < closedWithin)
}

// closed reports an error after the peer has closed the connection. net/http exports
// no error for an idle connection that was closed.
func closed(err error) bool {
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE} {
		if errors.Is(err, end) {
			return true
		}
	}
	return strings.Contains(err.Error(), "server closed idle connection")
}
