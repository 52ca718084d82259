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

// A reply is the response on the wire to one request, for all seats on the wire.
type reply struct {
	status int // 0: the connection is reset in place of an answer
	header http.Header
	frames []frame
	end    ending
	done   func() // called before the frame that completes the answer is sent; may be nil
}

// A frame is a piece of the body, sent at once.
type frame struct {
	wait   time.Duration // before it; forever: until the client goes away
	data   string
	pieces int  // pieces of the answer up to this frame
	whole  bool // a client with this frame has the whole answer
	torn   bool // the frame is cut; its rest has no meaning for a client
}

const forever time.Duration = -1

// An ending is the end of the connection after the last frame.
type ending int

const (
	endsWell ending = iota
	endsCut         // in the middle of the body
	endsReset
)

// next waits for the next frame and removes the frame from the reply. The result is
// false after the last frame.
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

// size returns the length of the body, or -1 for a body of several frames or without
// a regular end.
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
		w.Header()["Content-Type"] = nil // otherwise the server guesses a type
	}
	w.WriteHeader(p.status)
	switch err := p.writeFrames(r.Context(), w); {
	case err != nil: // the client has gone
	case p.end == endsCut:
		panic(http.ErrAbortHandler)
	case p.end == endsReset:
		reset(w)
	}
}

// writeFrames sends the body. A body of unknown length is flushed after each frame.
func (p *reply) writeFrames(ctx context.Context, w http.ResponseWriter) error {
	flush := func() error { return nil }
	if p.size() < 0 {
		flush = http.NewResponseController(w).Flush
	}
	for err := flush(); ; err = flush() {
		if err != nil {
			return err
		}
		f, ok, err := p.next(ctx)
		if err != nil || !ok {
			return err
		}
		if _, err := io.WriteString(w, f.data); err != nil {
			return err
		}
	}
}

// reset resets the connection of w. A connection other than TCP, or shared by several
// requests, is only cut.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // the connection is closed in any case
	}
	_ = conn.Close()
}

// errReset returns the error of a read from a reset connection.
func errReset() error {
	return &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
}

// response returns the reply for a client in this process. Reading the body plays the
// frames.
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

// errClosed is the error of Read after Close.
var errClosed = errors.New("http: read on closed response body")

// A body plays a reply on the goroutine of its reader.
type body struct {
	reply  *reply
	ctx    context.Context // the context of the request
	cancel context.CancelCauseFunc
	rest   string // unread data of the current frame
	err    error  // the error after rest
}

// Read waits for the next frame after the previous frame was read to its end.
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

// Close also ends a waiting Read.
func (b *body) Close() error {
	b.cancel(errClosed)
	return nil
}
