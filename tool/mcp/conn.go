package mcp

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// held is a transport that gives away its connection, so that it can be closed
// while the SDK waits for something.
type held struct {
	sdk.Transport
	tap *tap // sees the messages; nil: they are seen elsewhere
	got func(sdk.Connection)
}

func (t *held) Connect(ctx context.Context) (sdk.Connection, error) {
	conn, err := t.Transport.Connect(ctx)
	if err != nil {
		return nil, err
	}
	t.got(conn)
	if t.tap == nil {
		return conn, nil // as it is: the SDK looks for more in it than the interface
	}
	return &tappedConn{Connection: conn, tap: t.tap, writing: make(chan struct{}, 1)}, nil
}

// tappedConn is a connection whose messages a tap sees.
type tappedConn struct {
	sdk.Connection
	tap     *tap
	answers atomic.Int32  // that are being written
	writing chan struct{} // holds a token while a message is being written
}

// maxAnswers is how many answers to requests of a server may wait to be read by it.
// Each takes memory: a server that asks and does not listen is broken.
const maxAnswers = 256

var errDeaf = errors.New("the server makes requests and does not read the answers")

func (c *tappedConn) Read(ctx context.Context) (jsonrpc.Message, error) {
	m, err := c.Connection.Read(ctx)
	if err == nil && c.answers.Load() > maxAnswers {
		err = errDeaf
	}
	if err != nil { // the SDK would wait for what is being written
		go func() { _ = c.Connection.Close() }() // it is others' code
		return nil, unanswered(err)
	}
	c.tap.see(m)
	return m, nil
}

// unanswered is an error of reading that nobody takes for what the server answered:
// the SDK fails all calls with it, and it has some of its own that look alike.
func unanswered(err error) error {
	if isAnswer(err) {
		return fmt.Errorf("a message of the server cannot be read: %v", err) //nolint:errorlint // on purpose
	}
	return err
}

func (c *tappedConn) Write(ctx context.Context, m jsonrpc.Message) error {
	if _, answer := m.(*jsonrpc.Response); answer {
		c.answers.Add(1)
		defer c.answers.Add(-1)
		return c.write(ctx, m)
	}
	s := sendingOf(ctx, m)
	before := s.sent.Swap(true) // unless it says that it did not
	own := s.own(m)
	c.tap.asked(own, s)
	err := c.write(ctx, own)
	if errors.Is(err, errUnwritten) {
		s.sent.Store(before)
	}
	return err
}

// write returns when ctx ends, also if the server does not read: a connection need not
// look at ctx while it writes. What was begun is written nevertheless.
func (c *tappedConn) write(ctx context.Context, m jsonrpc.Message) error {
	select {
	case c.writing <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errUnwritten, ctx.Err())
	}
	written := make(chan error, 1)
	go func() { // until the server reads, or the connection is closed
		err := c.Connection.Write(ctx, m)
		<-c.writing
		written <- err
	}()
	select {
	case err := <-written:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// errUnwritten is of a message of which no byte was written.
var errUnwritten = errors.New("the connection is closed")

// A sending is what is known of how far a request came.
type sending struct {
	as     disguise                   // nil: it goes out as the SDK made it
	fail   func(error)                // ends it; nil: nobody may
	sent   atomic.Bool                // it may have reached the server
	status atomic.Int32               // of the last HTTP response; 0: none
	lost   atomic.Bool                // the server does not know the session, and has done nothing
	calls  atomic.Bool                // it asks for the result of a call
	id     atomic.Pointer[jsonrpc.ID] // of the last request
	// guessed says that the error which answered it named no request.
	guessed atomic.Bool
	// refusal is the last HTTP response, if that is one which no server of the
	// protocol gives to whom it serves.
	refusal atomic.Pointer[refusal]
}

// own is what goes out in the place of a message.
func (s *sending) own(m jsonrpc.Message) *jsonrpc.Request {
	req, ok := m.(*jsonrpc.Request)
	if !ok || s.as == nil {
		return req
	}
	own := *req
	own.Method, own.Params = s.as(req.Params)
	return &own
}

// A refusal is an HTTP response that is no answer to a request.
type refusal struct {
	address string
	what    string // its status, and what is odd about it
	said    string // the words of the server; "": none
	err     error  // what the SDK made of it
}

func (r *refusal) Error() string { return r.address + " answers " + r.answer() }

func (r *refusal) answer() string {
	if r.said == "" {
		return r.what
	}
	return r.what + ": " + r.said
}

func (r *refusal) Unwrap() error { return r.err }

// explain says what was answered, if the SDK's error is about that.
func (s *sending) explain(err error) error {
	r := s.refusal.Load()
	if r == nil || s.lost.Load() || isAnswer(err) {
		return err
	}
	own := *r
	own.err = err
	return &own
}

type sendingKey struct{}

// request makes a request of the SDK's, with a context by which it is known again.
func (lv *live) request(ctx context.Context, s *sending, do func(context.Context) error) error {
	own, cancel := context.WithCancelCause(ctx) // it ends with ctx: an answer may be read to its end
	s.fail = cancel
	err := do(context.WithValue(own, sendingKey{}, s))
	lv.tap.giveUp(s)
	if cause := context.Cause(own); err != nil && ctx.Err() == nil && cause != nil {
		return cause
	}
	return err
}

// sendingOf returns the sending of a message, or one that nobody reads: what ends a
// call, or takes its answer up again, has the context of the call too.
func sendingOf(ctx context.Context, m jsonrpc.Message) *sending {
	s, ok := ctx.Value(sendingKey{}).(*sending)
	if req, isRequest := m.(*jsonrpc.Request); ok && isRequest && req.IsCall() {
		return s
	}
	return new(sending)
}
