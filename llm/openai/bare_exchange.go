//go:build unix

package openai

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/netguard"
)

// A bareExchange is one request with its answer on a bareConn, and the body of the answer.
type bareExchange struct {
	limits    *timeLimits // of the request
	interrupt func()      // ends the waits of conn; made once by prepare
	stop      func() bool // of the context's AfterFunc
	conn      *bareConn
	usual     usualHeader
	left      int64         // bytes of the body of a usual answer
	reader    *bufio.Reader // of conn, for an unusual answer
	body      io.Reader     // of net/http, for an unusual answer
	closes    bool          // the connection ends with the answer
	ended     bool          // conn is given back
	late      bool          // interrupt may still run
	err       error         // of the last Read
}

// maxHeader is the largest header of an answer.
const maxHeader = 1 << 20

// bareReaders have the buffer of net/http, whose size bounds trailers.
var bareReaders = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, ofNetHTTP) }}

func (b *bareExchange) prepare() {
	b.interrupt = func() { _ = b.conn.tcp.SetDeadline(time.Unix(1, 0)) }
}

// clean makes b as it was when prepared.
func (b *bareExchange) clean() {
	b.usual.clean()
	*b = bareExchange{interrupt: b.interrupt, usual: b.usual}
}

// doBare sends the request as do does.
func (x *exchange) doBare(r *bareRoute) (*http.Response, error) {
	if err := netguard.Check(x.hreq.URL); err != nil {
		return nil, err
	}
	b, l := &x.bare, &x.conn
	b.limits = &x.limits
	for range maxClosed {
		resp, err := b.send(r, x.body, l, &x.hreq)
		if err == nil || b.limits.ended() != nil || !l.wasClosed(err) {
			return resp, err
		}
	}
	return b.send(r, x.body, l, &x.hreq)
}

// send sends the request on a connection and reads the header of the answer.
func (b *bareExchange) send(r *bareRoute, segments body, l *connection, req *http.Request) (*http.Response, error) {
	for {
		if err := b.limits.ended(); err != nil {
			return nil, err
		}
		c := bareConns.get(r.address)
		l.got, l.pooled, l.wrote, l.responded = l.got+1, c != nil, time.Time{}, false
		if c == nil {
			var err error
			if c, err = dialBare(b.limits.context(), r.address); err != nil {
				return nil, b.cause(err)
			}
		}
		b.conn, b.closes, b.ended = c, false, false
		b.limits.onEnd(b.interrupt)
		b.stop = context.AfterFunc(b.limits.caller, b.interrupt)
		err := c.send(r, segments, req.ContentLength)
		if err == errStale { //nolint:errorlint // our own
			b.end(false)
			l.got--
			continue
		}
		return b.answered(l, req, err)
	}
}

// answered reads the header of the answer. err is the error of the first read.
func (b *bareExchange) answered(l *connection, req *http.Request, err error) (*http.Response, error) {
	c := b.conn
	l.wrote, l.responded = c.wrote, err == nil
	if err != nil {
		if c.some && c.buffer != nil && c.writer == nil {
			err = connectionBroken(err)
		}
		if err = b.cause(err); c.hasWritten() {
			l.wrote = c.wrote
		}
		b.end(false)
		return nil, err
	}
	if resp, n := b.usual.read(c.rest, req); resp != nil {
		c.skip(n)
		c.limit, b.left, b.body, resp.Body = math.MaxInt64, resp.ContentLength, nil, b
		return resp, nil
	}
	b.reader = bareReaders.Get().(*bufio.Reader)
	b.reader.Reset(c)
	resp, err := b.header(req)
	if err != nil {
		err = b.cause(connectionBroken(err))
		b.end(false)
		return nil, err
	}
	if resp.Close || resp.StatusCode <= 199 {
		b.closes = true
	}
	c.limit = math.MaxInt64
	switch {
	case isSwitch(resp):
		b.body, resp.Body = b.reader, b
	case resp.ContentLength == 0:
		b.end(true)
	default:
		b.body, resp.Body = resp.Body, b
	}
	return resp, nil
}

// header reads the header of the answer, and skips the headers before it.
func (b *bareExchange) header(req *http.Request) (*http.Response, error) {
	b.conn.limit = maxHeader
	for {
		resp, err := http.ReadResponse(b.reader, req)
		if err != nil && b.conn.limit <= 0 {
			err = fmt.Errorf("net/http: server response headers exceeded %d bytes; aborted", maxHeader)
		}
		if err != nil || resp.StatusCode < 100 || resp.StatusCode > 199 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, err
		}
	}
}

// isSwitch reports whether the server speaks another protocol from now on.
func isSwitch(resp *http.Response) bool {
	if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Upgrade") == "" {
		return false
	}
	for _, value := range resp.Header["Connection"] {
		for token := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(token), "Upgrade") {
				return true
			}
		}
	}
	return false
}

// Read implements [io.Reader].
func (b *bareExchange) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.read(p)
	if err != nil {
		if b.err = err; err != io.EOF { //nolint:errorlint // as net/http does
			b.err = b.cause(err)
		}
		b.end(err == io.EOF) //nolint:errorlint // as net/http does
	}
	return n, b.err
}

func (b *bareExchange) read(p []byte) (int, error) {
	if b.body != nil {
		return b.body.Read(p)
	}
	n, err := b.conn.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	switch {
	case err == io.EOF: //nolint:errorlint // as net/http does
		err = io.ErrUnexpectedEOF
	case err == nil && b.left == 0:
		err = io.EOF
	}
	return n, err
}

// Close implements [io.Closer].
func (b *bareExchange) Close() error {
	if b.err == nil {
		b.err = http.ErrBodyReadAfterClose
	}
	b.end(false)
	return nil
}

// cause returns why the request has ended, or err.
func (b *bareExchange) cause(err error) error {
	if ended := b.limits.ended(); ended != nil {
		return ended
	}
	return err
}

// end gives the connection back, if the answer is whole and the connection can serve another
// request.
func (b *bareExchange) end(whole bool) {
	c := b.conn
	if c == nil || b.ended {
		return
	}
	b.ended = true
	whole = whole && !b.closes && !c.ended && c.hasWritten() && len(c.rest) == 0
	if b.reader != nil {
		whole = whole && b.reader.Buffered() == 0
		b.reader.Reset(nil)
		bareReaders.Put(b.reader)
		b.reader = nil
	}
	b.limits.onEnd(nil)
	if !b.stop() {
		whole, b.late = false, true // interrupt runs, or has run
	}
	whole = whole && b.limits.ended() == nil // otherwise the connection was interrupted
	if whole {
		bareConns.put(c)
	} else {
		c.close()
	}
}
