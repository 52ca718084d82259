package mcp

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// observedTransport hands its connection to onConnect, so that the connection can be
// closed while the SDK is blocked.
type observedTransport struct {
	sdk.Transport
	tap       *tap // sees the messages; nil if the HTTP client sees them already
	onConnect func(sdk.Connection)
}

func (t *observedTransport) Connect(ctx context.Context) (sdk.Connection, error) {
	conn, err := t.Transport.Connect(ctx)
	if err != nil {
		return nil, err
	}
	t.onConnect(conn)
	if t.tap == nil {
		return conn, nil // unwrapped: the SDK looks for further methods on it
	}
	return &tappedConn{Connection: conn, tap: t.tap, writing: make(chan struct{}, 1)}, nil
}

// tappedConn shows the messages of a connection to a tap. The connection is embedded
// because only two methods change.
type tappedConn struct {
	sdk.Connection
	tap     *tap
	answers atomic.Int32  // responses that are being written
	writing chan struct{} // holds a token while a message is being written
}

// maxAnswers is how many responses to a server's requests may be unread by the server.
// Each takes memory; a server that sends requests and reads nothing is broken.
const maxAnswers = 256

var errUnreadResponses = errors.New("the server makes requests and does not read the answers")

func (c *tappedConn) Read(ctx context.Context) (jsonrpc.Message, error) {
	m, err := c.Connection.Read(ctx)
	if err == nil && c.answers.Load() > maxAnswers {
		err = errUnreadResponses
	}
	if err != nil { // the SDK would wait for pending writes
		go func() { _ = c.Connection.Close() }() // Close may block in foreign code
		return nil, notServerError(err)
	}
	c.tap.receive(m)
	return m, nil
}

// notServerError makes sure that an error of reading is not taken for an error that the
// server sent: the SDK fails all calls with it, and has errors of the same type.
func notServerError(err error) error {
	if isServerError(err) {
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
	s := deliveryOf(ctx, m)
	before := s.sent.Swap(true) // assume the worst until errUnwritten says otherwise
	own := s.rewritten(m)
	c.tap.pending.add(own, s)
	err := c.write(ctx, own)
	if errors.Is(err, errUnwritten) {
		s.sent.Store(before)
	}
	return err
}

// write returns when ctx ends, even if the server does not read: a connection may
// ignore ctx while it writes. A message whose write has begun is still written.
func (c *tappedConn) write(ctx context.Context, m jsonrpc.Message) error {
	select {
	case c.writing <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errUnwritten, ctx.Err())
	}
	written := make(chan error, 1)
	go func() { // ends when the server reads or the connection is closed
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

// errUnwritten says that no byte of the message was written.
var errUnwritten = errors.New("the connection is closed")

// A delivery records how far a request came.
type delivery struct {
	rewrite     rewriter                   // changes the message on its way out; nil means no change
	fail        func(error)                // ends the request with an error; nil if that is not possible
	sent        atomic.Bool                // the request may have reached the server
	status      atomic.Int32               // of the last HTTP response; 0 means no response
	sessionLost atomic.Bool                // the server does not know the session, and has done nothing
	isCall      atomic.Bool                // the response is the result of a call
	id          atomic.Pointer[jsonrpc.ID] // of the last request
	// guessed reports that the request failed with an error without a request id.
	guessed atomic.Bool
	// refusal is the last HTTP response, if that response is not a response of the
	// protocol.
	refusal atomic.Pointer[refusal]
}

// rewritten returns the message that goes out in place of m.
func (s *delivery) rewritten(m jsonrpc.Message) *jsonrpc.Request {
	req, ok := m.(*jsonrpc.Request)
	if !ok || s.rewrite == nil {
		return req
	}
	own := *req
	own.Method, own.Params = s.rewrite(req.Params)
	return &own
}

// A refusal is an HTTP response that does not answer the request.
type refusal struct {
	address    string
	status     string // the HTTP status, and what is wrong with the response
	serverText string // the server's message; may be empty
	err        error  // the error of the SDK
}

func (r *refusal) Error() string { return r.address + " answers " + r.answer() }

func (r *refusal) answer() string {
	if r.serverText == "" {
		return r.status
	}
	return r.status + ": " + r.serverText
}

func (r *refusal) Unwrap() error { return r.err }

// explain returns the refusal, if it caused the SDK's error.
func (s *delivery) explain(err error) error {
	r := s.refusal.Load()
	if r == nil || s.sessionLost.Load() || isServerError(err) {
		return err
	}
	own := *r
	own.err = err
	return &own
}

type deliveryKey struct{}

// request makes a request through the SDK. The delivery travels in the context.
func (conn *connection) request(ctx context.Context, s *delivery, do func(context.Context) error) error {
	own, cancel := context.WithCancelCause(ctx) // still cancelled by ctx: a response that is being read is read to its end
	s.fail = cancel
	err := do(context.WithValue(own, deliveryKey{}, s))
	conn.tap.pending.drop(s)
	if cause := context.Cause(own); err != nil && ctx.Err() == nil && cause != nil {
		return cause
	}
	return err
}

// deliveryOf returns the delivery of a message. Notifications and responses get a new
// delivery without effect, because cancelling a call or resuming its stream uses the
// context of the call, too.
func deliveryOf(ctx context.Context, m jsonrpc.Message) *delivery {
	s, ok := ctx.Value(deliveryKey{}).(*delivery)
	if req, isRequest := m.(*jsonrpc.Request); ok && isRequest && req.IsCall() {
		return s
	}
	return new(delivery)
}
