package mcp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// A connection is a connection of a link to the server. It lasts from the start of
// the process or the first HTTP request until its end.
type connection struct {
	session *sdk.ClientSession
	tap     *tap
	ctx     context.Context
	cancel  context.CancelFunc // ends the HTTP requests
	gone    chan struct{}      // closed when the session has ended and the link has noticed the end
	noTasks error              // why tasks cannot be used; nil means that they can
	// The mutex of the link guards these fields.
	listed bool // the tools were listed at least once
	ended  bool

	mu      sync.Mutex
	sdkConn sdk.Connection // nil before the SDK has connected
	process *process       // nil unless we have started a process
	fault   error          // why we ended the connection; nil if we did not
}

// oldProtocol is the newest protocol version without server/discover. Some servers hang
// on an unknown method instead of refusing it.
const oldProtocol = "2025-11-25"

// closing is the time that a connection has for an orderly end.
const closing = 2 * time.Second

// open connects to the server. It returns when ctx ends, even if the server never
// responds.
func (l *link) open(ctx context.Context, version string) (*connection, error) {
	c := &connection{gone: make(chan struct{})}
	c.ctx, c.cancel = context.WithCancel(context.WithoutCancel(ctx))
	// This context may be kept for as long as the connection lives, so it ends with the
	// connection and not with ctx.
	own, cancel := context.WithCancelCause(c.ctx)
	sent := new(delivery)
	sent.fail = cancel
	own = context.WithValue(own, deliveryKey{}, sent)
	stop := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	opened := make(chan error, 1)
	go func() { opened <- l.connectSession(own, c, version) }() // returns soon after its context ends, as a rule
	var err error
	select {
	case err = <-opened:
	case <-ctx.Done():
		c.abort()
		select {
		case <-opened:
		case <-time.After(closing):
		}
	}
	if stop(); ctx.Err() != nil {
		err = context.Cause(ctx) // other errors are consequences of the abort
	} else if err != nil {
		if cause := context.Cause(own); isInvalidResponse(cause) {
			err = cause
		}
		err = c.explain(sent.explain(err))
	}
	if err != nil {
		c.abort()
		_ = c.wait()
		return nil, err
	}
	return c, nil
}

func (l *link) connectSession(ctx context.Context, c *connection, version string) error {
	transport, err := l.transport(ctx, c)
	if err != nil {
		return err
	}
	session, err := l.protocol().Connect(ctx, transport, &sdk.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		return err
	}
	c.tap.pending.drop(ctx.Value(deliveryKey{}).(*delivery)) // open has set it
	hello := session.InitializeResult()
	c.session, c.noTasks = session, tasksRefused(hello)
	c.tap.noRetry.Store(hello.ProtocolVersion <= oldProtocol) // versions are dates, so they can be compared
	context.AfterFunc(c.ctx, func() { _ = session.Close() })  // the SDK keeps goroutines until Close, however the session ended
	return nil
}

// protocol returns the SDK's client, which handles the server's requests.
func (l *link) protocol() *sdk.Client {
	opts := &sdk.ClientOptions{
		Capabilities:           &sdk.ClientCapabilities{},                             // no roots
		ToolListChangedHandler: func(context.Context, *sdk.ToolListChangedRequest) {}, // makes the SDK subscribe; the tap handles the notification
		MultiRoundTrip:         &sdk.MultiRoundTripOptions{Disabled: l.server.Sample == nil && l.server.Elicit == nil},
	}
	if f := l.server.Sample; f != nil {
		//lint:ignore SA1019 the protocol's newest version lacks it, and servers of the older ones ask
		opts.CreateMessageHandler = limited(l, f)
	}
	if f := l.server.Elicit; f != nil {
		opts.ElicitationHandler = limited(l, f)
		opts.Capabilities.Elicitation = &sdk.ElicitationCapabilities{Form: &sdk.FormElicitationCapabilities{}, URL: &sdk.URLElicitationCapabilities{}}
	}
	return sdk.NewClient(program(), opts)
}

// maxServerRequests is how many requests of a server the caller's functions handle
// concurrently.
const maxServerRequests = 8

// limited wraps a function of the caller for the SDK: it bounds concurrent calls and
// recovers panics.
func limited[In, Out any](l *link, f func(context.Context, In) (Out, error)) func(context.Context, In) (Out, error) {
	return func(ctx context.Context, in In) (out Out, err error) {
		select {
		case l.serverRequests <- struct{}{}:
			defer func() { <-l.serverRequests }()
		default:
			return out, fmt.Errorf("more than %d requests at a time", maxServerRequests)
		}
		defer func() {
			if v := recover(); v != nil {
				err = errors.New("the client's function failed")
			}
		}()
		return f(ctx, in)
	}
}

// setConn records the connection of the SDK, and closes it if the context has ended
// meanwhile.
func (c *connection) setConn(conn sdk.Connection) {
	c.mu.Lock()
	c.sdkConn = conn
	c.mu.Unlock()
	if c.ctx.Err() != nil {
		c.abort()
	}
}

// setProcess records the process, and stops it if the context has ended meanwhile.
func (c *connection) setProcess(p *process) {
	c.mu.Lock()
	c.process = p
	c.mu.Unlock()
	if c.ctx.Err() != nil {
		c.abort()
	}
}

func (c *connection) parts() (sdk.Connection, *process) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sdkConn, c.process
}

// abort ends the connection at once, without an orderly end.
func (c *connection) abort() {
	c.cancel()
	conn, process := c.parts()
	if conn != nil {
		go func() { _ = conn.Close() }() // over HTTP it sends DELETE; c.cancel bounds that request
	}
	if process != nil {
		process.stop()
	}
}

// close ends the connection in order, and aborts it after a time.
func (c *connection) close() error {
	ended := make(chan struct{})
	go func() { // ends when the functions that the server called have returned
		defer close(ended)
		if conn, _ := c.parts(); conn != nil {
			_ = conn.Close()
		}
		_ = c.session.Close()
	}()
	select {
	case <-ended:
	case <-time.After(closing):
	}
	c.cancel()
	return c.wait()
}

// wait waits until the process has ended. The process must have been asked to stop.
func (c *connection) wait() error {
	_, process := c.parts()
	if process == nil {
		return nil
	}
	return process.wait()
}

// fail aborts the connection and records our reason.
func (c *connection) fail(why error) {
	c.mu.Lock()
	c.fault = cmp.Or(c.fault, why)
	c.mu.Unlock()
	c.abort()
}

// explain returns the reason why the connection failed, if we or the process know more
// than the SDK.
func (c *connection) explain(err error) error {
	c.mu.Lock()
	fault, process := c.fault, c.process
	c.mu.Unlock()
	switch {
	case fault != nil:
		return fault
	case process != nil:
		return process.explain(err)
	}
	return err
}
