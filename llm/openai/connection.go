package openai

import (
	"errors"
	"io"
	"net"
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

// A connection is the connection of one request, as the transport reports it.
type connection struct {
	trace httptrace.ClientTrace

	mu        sync.Mutex // the transport reports from its own goroutines
	pooled    bool       // the connection has served an earlier request
	wrote     time.Time  // time when the request was written; zero means not yet
	responded bool       // a byte of an answer came
}

// traced returns the trace that reports to l.
func (l *connection) traced() *httptrace.ClientTrace {
	l.trace = httptrace.ClientTrace{GotConn: l.gotConn, WroteRequest: l.wroteRequest, GotFirstResponseByte: l.gotFirstByte}
	return &l.trace
}

func (l *connection) gotConn(i httptrace.GotConnInfo) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pooled, l.wrote, l.responded = i.Reused, time.Time{}, false
}

func (l *connection) wroteRequest(i httptrace.WroteRequestInfo) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i.Err == nil {
		l.wrote = time.Now()
	}
}

func (l *connection) gotFirstByte() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.responded = true
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
