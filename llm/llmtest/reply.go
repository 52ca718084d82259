package llmtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"
)

// A reply is what goes back over the wire to one request, whatever carries it.
type reply struct {
	status int // 0: the connection is reset in place of an answer
	header http.Header
	frames []frame
	end    ending
	done   func() // is called before the frame goes out with which the answer is whole; may be nil
}

// A frame is sent at once.
type frame struct {
	wait   time.Duration // before it; forever: until the client goes away
	data   string
	pieces int  // of the answer that were sent with it
	whole  bool // a client that has it has the whole answer
	torn   bool // there is only a part of it that says nothing
}

const forever time.Duration = -1

// An ending says what becomes of the connection behind the last frame.
type ending int

const (
	endsWell ending = iota
	endsCut         // in the middle of the body
	endsReset
)

// next waits for the next frame and takes it off; false if there is none.
func (p *reply) next(ctx context.Context) (frame, bool, error) {
	if len(p.frames) == 0 {
		return frame{}, false, nil
	}
	f := p.frames[0]
	p.frames = p.frames[1:]
	if err := wait(ctx, f.wait); err != nil {
		return f, false, err
	}
	if f.whole && p.done != nil {
		p.done()
	}
	return f, true, nil
}

// size is the length of the body, or -1 where only its end tells.
func (p *reply) size() int64 {
	if p.end != endsWell || len(p.frames) > 1 {
		return -1
	}
	n := 0
	for _, f := range p.frames {
		n += len(f.data)
	}
	return int64(n)
}

// write sends the reply from a server.
func (p *reply) write(w http.ResponseWriter, r *http.Request) {
	if p.status == 0 {
		reset(w)
		return
	}
	maps.Copy(w.Header(), p.header)
	if p.header["Content-Type"] == nil {
		w.Header()["Content-Type"] = nil // or the server would guess one
	}
	w.WriteHeader(p.status)
	flush := func() error { return nil }
	if p.size() < 0 {
		flush = http.NewResponseController(w).Flush
	}
	err := flush()
	for err == nil {
		f, ok, waited := p.next(r.Context())
		if waited != nil {
			return // the client has gone
		}
		if !ok {
			break
		}
		if _, err = io.WriteString(w, f.data); err == nil {
			err = flush()
		}
	}
	switch {
	case err != nil: // the client has gone
	case p.end == endsCut:
		panic(http.ErrAbortHandler)
	case p.end == endsReset:
		reset(w)
	}
}

// reset breaks the connection of w. One that is no TCP connection, or is shared
// by several requests, is only cut.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // closing is all that is left to do
	}
	_ = conn.Close()
}

// errReset is what a client reads from a connection that was reset.
func errReset() error {
	return &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
}

// response returns the reply to a client in this process, whose reading of the
// body plays it.
func (p *reply) response(r *http.Request) (*http.Response, error) {
	if p.status == 0 {
		return nil, errReset()
	}
	h := p.header.Clone()
	if h == nil {
		h = http.Header{}
	}
	resp := &http.Response{
		Status: fmt.Sprintf("%d %s", p.status, http.StatusText(p.status)), StatusCode: p.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, ContentLength: p.size(), Request: r,
	}
	if resp.ContentLength < 0 {
		resp.TransferEncoding = []string{"chunked"}
	}
	ctx, cancel := context.WithCancelCause(r.Context())
	resp.Body = &body{reply: p, ctx: ctx, cancel: cancel}
	return resp, nil
}

// errClosed is what a body that was closed reads as.
var errClosed = errors.New("http: read on closed response body")

// A body plays a reply while it is read, on the goroutine that reads.
type body struct {
	reply  *reply
	ctx    context.Context // of the request, whose body this is
	cancel context.CancelCauseFunc
	rest   string // of a frame
	err    error  // what comes behind rest
}

// Read waits for the next frame where the last one was read to its end.
func (b *body) Read(p []byte) (int, error) {
	for b.rest == "" {
		if b.err == nil {
			b.advance()
		}
		if b.err != nil {
			return 0, b.err
		}
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

func (b *body) advance() {
	f, ok, err := b.reply.next(b.ctx)
	switch {
	case err != nil:
		b.err = err
	case ok:
		b.rest = f.data
	case b.reply.end == endsCut:
		b.err = io.ErrUnexpectedEOF
	case b.reply.end == endsReset:
		b.err = errReset()
	default:
		b.err = io.EOF
	}
}

// Close may be called while a Read waits, which it ends.
func (b *body) Close() error {
	b.cancel(errClosed)
	return nil
}
