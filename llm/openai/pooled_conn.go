package openai

import (
	"io"
	"net"
	"sync"
)

// This file spares system calls. net/http reads 4 KB at a time, writes the header of a request
// apart from a body of more than 4 KB, and allocates 32 KB for the copy of such a body. These
// calls were a quarter of the time of a long stream, and an eighth of that of a long
// conversation. A larger buffer for each connection would be memory for each run that waits.
// The buffers here are shared: a connection has one only while bytes go through it.
// There is an exception: bytes that end exactly where a full buffer ends.

// A pooledConn is a connection of net/http. As net/http does, one goroutine reads at a time,
// and one writes.
type pooledConn struct {
	net.Conn // embedded: the rest is the connection's

	// Of the reader: what was read ahead.
	ahead *[aheadSize]byte // nil: nothing
	rest  []byte           // of ahead
	err   error            // behind rest
	more  bool             // the last read filled the buffer of net/http or TLS, so more bytes wait

	// Of the writer.
	joins bool              // the next write is a header that waits for its body
	head  *[bodyBuffer]byte // has the header that waits; nil: none
	held  int               // bytes of head
}

const (
	aheadSize  = 32 << 10
	bodyBuffer = 64 << 10

	ofNetHTTP = 4 << 10 // the buffer of net/http for reads
)

var (
	aheadBuffers = sync.Pool{New: func() any { return new([aheadSize]byte) }}
	bodyBuffers  = sync.Pool{New: func() any { return new([bodyBuffer]byte) }}
)

// Read implements [io.Reader]. A read that fills the caller's buffer makes the next one read
// ahead: a stream that a person follows brings less at a time, and needs no buffer. Longer
// memory is the rest of a body of known length: it is always filled, and nothing follows.
func (c *pooledConn) Read(p []byte) (n int, err error) {
	if c.ahead == nil {
		if !c.more || len(p) >= aheadSize {
			n, err = c.Conn.Read(p)
			c.more = n > 0 && n == len(p) && n <= ofNetHTTP
			return n, err
		}
		c.ahead = aheadBuffers.Get().(*[aheadSize]byte)
		n, c.err = c.Conn.Read(c.ahead[:])
		c.rest, c.more = c.ahead[:n], n == aheadSize
	}
	n = copy(p, c.rest)
	if c.rest = c.rest[n:]; len(c.rest) == 0 {
		aheadBuffers.Put(c.ahead)
		err, c.ahead, c.err = c.err, nil, nil
	}
	return n, err
}

// join makes the header of the next request wait for the body if joins, so that one write has
// both. joins says that a body follows at once. join comes before each request is written.
func (c *pooledConn) join(joins bool) { c.joins = joins }

// Write implements [io.Writer].
func (c *pooledConn) Write(p []byte) (int, error) {
	joins := c.joins
	c.joins = false
	switch {
	case joins && len(p) < bodyBuffer:
		c.head = bodyBuffers.Get().(*[bodyBuffer]byte)
		c.held = copy(c.head[:], p)
		return len(p), nil
	case c.head != nil: // a header that net/http writes in parts
		defer c.release()
		if _, err := c.Conn.Write(c.head[:c.held]); err != nil {
			return 0, err
		}
	}
	return c.Conn.Write(p)
}

// ReadFrom implements [io.ReaderFrom]. net/http calls it for bodies.
func (c *pooledConn) ReadFrom(r io.Reader) (n int64, err error) {
	if c.head == nil {
		c.head = bodyBuffers.Get().(*[bodyBuffer]byte)
	}
	defer c.release()
	for err == nil {
		var read int
		read, err = r.Read(c.head[c.held:])
		if c.held+read == 0 {
			continue
		}
		wrote, failed := c.Conn.Write(c.head[:c.held+read])
		n += int64(max(0, wrote-c.held))
		c.held = 0
		if failed != nil {
			return n, failed
		}
	}
	if err == io.EOF { //nolint:errorlint // as io.Copy does
		err = nil
	}
	return n, err
}

// release gives the writer's buffer back.
func (c *pooledConn) release() {
	bodyBuffers.Put(c.head)
	c.head, c.held = nil, 0
}
