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
	trace httptrace.ClientTrace // made once by prepare

	body  *smallBody // of the request; nil: none. Belongs to the goroutine that writes the request
	joins bool       // the header waits for the body; see pooledConn.join

	mu        sync.Mutex // the transport reports from its own goroutines
	got       int        // connections that the request had: net/http may send it again
	pooled    bool       // the connection has served an earlier request
	wrote     time.Time  // time when the request was written; zero means not yet
	responded bool       // a byte of an answer came
}

// prepare makes the trace, which reports to l.
func (l *connection) prepare() {
	l.trace = httptrace.ClientTrace{GotConn: l.gotConn, WroteRequest: l.wroteRequest, GotFirstResponseByte: l.gotFirstByte}
}

func (l *connection) gotConn(i httptrace.GotConnInfo) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.got++
	l.pooled, l.wrote, l.responded = i.Reused, time.Time{}, false
	if c, ok := i.Conn.(*pooledConn); ok {
		c.join(l.joins)
	}
}

func (l *connection) wroteRequest(i httptrace.WroteRequestInfo) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i.Err != nil {
		return
	}
	l.wrote = time.Now()
	if l.got == 1 && l.body != nil { // the writer of an earlier connection may still read the body
		l.body.release()
	}
}

func (l *connection) gotFirstByte() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.responded = true
}

// isOver reports whether every report about the request has come: the transport has sent it
// once, has written it, and has read a byte of the answer.
func (l *connection) isOver() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.got == 1 && !l.wrote.IsZero() && l.responded
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
