//go:build unix

package openai

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// This file sends requests without TLS on the goroutine of their model. net/http has two
// goroutines for each connection, and hands each request and each answer over: this was a
// quarter of the time of a short run, and a third of the memory of a run that waits. A
// bareConn has no goroutine. It writes a request, waits and reads in one call of the
// runtime's poller, and has no buffer while it waits.
//
// Servers without TLS are those on the same machine and in the same cluster, and gateways
// there. newBareRoute leaves all else to net/http. FuzzBare compares both.

const hasBareConns = true

// A bareConn is a TCP connection without a goroutine. Either one request or bareConns has it.
type bareConn struct {
	tcp     *net.TCPConn
	raw     syscall.RawConn
	step    func(fd uintptr) (done bool) // is advance; made once
	address string
	next    *bareConn // in the list of idle connections
	since   int64     // when it became idle, in nanoseconds of the wall clock

	stage  bareStage
	buffer []byte       // of out; nil: the request is written
	out    []byte       // what is written next
	body   bodyReader   // what follows out
	some   bool         // of the request is written
	wrote  time.Time    // zero: not all
	writer chan written // gets the result of a goroutine that writes; nil: none

	one    [1]byte
	ahead  []byte // the buffer that has rest; nil: nothing is read ahead
	rest   []byte
	more   bool   // the last read filled ahead, so more bytes wait
	direct []byte // memory of the reader, which gets the next bytes in place of ahead
	n      int    // bytes in direct
	err    error  // of the last step
	limit  int64  // bytes that Read may still return
	ended  bool   // no more bytes come
}

// A bareStage is what a bareConn does next.
type bareStage int

const (
	checking bareStage = iota // whether an idle connection is as it was
	writing
	reading
)

// written is the result of a goroutine that writes, with the time of its last write. The time at
// which somebody asks is later: a server that worked on the request would get it again.
type written struct {
	at  time.Time
	err error
}

// errStale reports an idle connection that has ended, or on which the server has said
// something. Nothing was written.
var errStale = errors.New("the idle connection is stale")

var bareDialer = net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}

func dialBare(ctx context.Context, address string) (*bareConn, error) {
	conn, err := bareDialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	c := &bareConn{tcp: conn.(*net.TCPConn), address: address, stage: writing}
	if c.raw, err = c.tcp.SyscallConn(); err != nil {
		_ = c.tcp.Close()
		return nil, err
	}
	c.step = c.advance
	return c, nil
}

// send writes a request, waits, and reads the first bytes of the answer. Nobody changes the
// body before hasWritten or close.
func (c *bareConn) send(r *bareRoute, segments body, size int64) error {
	c.buffer = bareBuffer(int64(len(r.before)+len(r.after)+maxDigits) + size)
	c.out, c.body, c.some, c.wrote = r.header(c.buffer[:0], size), bodyReader{rest: segments}, false, time.Time{}
	c.more = false
	c.fill()
	err := c.run()
	whole := c.buffer == nil
	switch {
	case whole || err == errStale: //nolint:errorlint // our own
		return err
	case err == nil: // the system takes no more at once, and the server may answer before it has read all
		return c.readBeside()
	case c.stage == reading && closed(err) && c.run() == nil: // the server answered, and ended
		return nil
	}
	return err
}

// readBeside reads the first bytes of the answer while a goroutine writes the rest of the request.
func (c *bareConn) readBeside() error {
	c.writer = make(chan written, 1)
	go c.writeOn()
	err := c.run()
	if err != nil && len(c.writer) > 0 {
		w := <-c.writer
		if w.err != nil && !closed(w.err) {
			err = w.err
		}
		c.writer <- w // for hasWritten and close
	}
	return err
}

// fill moves bytes from body behind out, which begins at the start of buffer.
func (c *bareConn) fill() {
	n, _ := c.body.Read(c.buffer[len(c.out):])
	c.out = c.buffer[:len(c.out)+n]
}

// run takes steps until one is done.
func (c *bareConn) run() error {
	c.err = nil
	if err := c.raw.Read(c.step); err != nil {
		return err
	}
	return c.err
}

// advance takes steps as far as they need no wait. All of them are one read for the runtime's
// poller, so what comes between two steps ends the wait.
func (c *bareConn) advance(fd uintptr) (done bool) {
	switch c.stage {
	case checking:
		if _, err := readOf(int(fd), c.one[:]); err != syscall.EAGAIN { //nolint:errorlint // of a system call
			c.err = errStale
			return true
		}
		return c.write(int(fd))
	case writing:
		return c.write(int(fd))
	}
	return c.read(int(fd))
}

// write is done if it fails, or if the system takes no more at once.
func (c *bareConn) write(fd int) (done bool) {
	c.stage = reading
	for len(c.out) > 0 {
		n, err := syscall.Write(fd, c.out)
		if n > 0 {
			c.out, c.some = c.out[n:], true
		}
		switch err { //nolint:errorlint // of a system call
		case nil:
			if len(c.out) == 0 {
				c.fill()
			}
		case syscall.EINTR:
		case syscall.EAGAIN:
			return true
		default:
			c.err = c.failed("write", err)
			return true
		}
	}
	c.wrote = time.Now()
	c.releaseRequest()
	return false
}

// writeOn writes the rest of the request while the answer is awaited.
func (c *bareConn) writeOn() {
	var err error
	for err == nil && len(c.out) > 0 {
		_, err = c.tcp.Write(c.out)
		c.out = nil
		c.fill()
	}
	c.writer <- written{time.Now(), err}
	if err != nil && !closed(err) { // the server is there, and would wait for the rest
		_ = c.tcp.SetReadDeadline(time.Unix(1, 0))
	}
}

func (c *bareConn) releaseRequest() {
	releaseBare(c.buffer)
	c.buffer, c.out, c.body = nil, nil, bodyReader{}
}

func (c *bareConn) read(fd int) (done bool) {
	p := c.direct
	if p == nil {
		size := int64(ofNetHTTP)
		if c.more {
			size = aheadSize
		}
		c.ahead = bareBuffer(size)
		p = c.ahead
	}
	n, err := readOf(fd, p)
	switch {
	case err == syscall.EAGAIN: //nolint:errorlint // of a system call
		c.releaseAhead()
		return false
	case err != nil:
		c.err, n = c.failed("read", err), 0
	case n == 0:
		c.err, c.ended = io.EOF, true
	}
	if c.direct != nil {
		c.n = n
	} else if c.rest, c.more = c.ahead[:n], n == len(p); n == 0 {
		c.releaseAhead()
	}
	return true
}

// readOf reads from a file descriptor, and goes on after a signal.
func readOf(fd int, p []byte) (n int, err error) {
	for {
		if n, err = syscall.Read(fd, p); err != syscall.EINTR { //nolint:errorlint // of a system call
			return n, err
		}
	}
}

func (c *bareConn) releaseAhead() {
	if c.ahead != nil {
		releaseBare(c.ahead)
		c.ahead, c.rest = nil, nil
	}
}

// bareBuffer returns a buffer of the size or more, or of the largest size. A thousand runs may
// need theirs at the same moment. maxSmall is ofNetHTTP, the first size for an answer.
func bareBuffer(size int64) []byte {
	switch {
	case size <= maxSmall:
		return longBodies.Get().(*[maxSmall]byte)[:]
	case size <= aheadSize:
		return aheadBuffers.Get().(*[aheadSize]byte)[:]
	}
	return bodyBuffers.Get().(*[bodyBuffer]byte)[:]
}

func releaseBare(b []byte) {
	switch len(b) {
	case maxSmall:
		longBodies.Put((*[maxSmall]byte)(b))
	case aheadSize:
		aheadBuffers.Put((*[aheadSize]byte)(b))
	case bodyBuffer:
		bodyBuffers.Put((*[bodyBuffer]byte)(b))
	}
}

// failed makes the error that the connection would have returned.
func (c *bareConn) failed(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.tcp.LocalAddr(), Addr: c.tcp.RemoteAddr(), Err: os.NewSyscallError(op, err)}
}

// Read implements [io.Reader].
func (c *bareConn) Read(p []byte) (n int, err error) {
	if c.limit <= 0 {
		return 0, errors.New("the header has no end")
	}
	p = p[:min(int64(len(p)), c.limit)]
	if len(p) == 0 {
		return 0, nil
	}
	if len(c.rest) == 0 {
		if len(p) > ofNetHTTP {
			c.direct = p
		}
		err := c.run()
		c.direct = nil
		if err != nil {
			return 0, err
		}
	}
	if len(c.rest) == 0 {
		n = c.n
	} else {
		n = copy(p, c.rest)
		c.skip(n)
	}
	c.limit -= int64(n)
	return n, nil
}

// skip drops bytes that were read ahead.
func (c *bareConn) skip(n int) {
	if c.rest = c.rest[n:]; len(c.rest) == 0 {
		c.releaseAhead()
	}
}

// hasWritten reports whether the request is written as a whole.
func (c *bareConn) hasWritten() bool {
	if c.writer == nil {
		return c.buffer == nil
	}
	select {
	case w := <-c.writer:
		if c.writer = nil; w.err == nil {
			c.wrote = w.at
			c.releaseRequest()
		}
		return w.err == nil
	default:
		return false
	}
}

// close ends the connection.
func (c *bareConn) close() {
	_ = c.tcp.Close()
	if c.writer != nil {
		<-c.writer
		c.writer = nil
	}
	if c.buffer != nil {
		c.releaseRequest()
	}
	c.releaseAhead()
}

// isAlive reports whether an idle connection is as it was.
func (c *bareConn) isAlive() bool {
	alive := false
	err := c.raw.Read(func(fd uintptr) bool {
		_, err := readOf(int(fd), c.one[:])
		alive = err == syscall.EAGAIN //nolint:errorlint // of a system call
		return true
	})
	return err == nil && alive
}

// connectionBroken is the error of a connection that broke while a request was written or the
// header of its answer was read, with the text of net/http.
func connectionBroken(err error) error {
	return fmt.Errorf("net/http: HTTP/1.x transport connection broken: %w", err)
}
