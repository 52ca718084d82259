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

// A live is one connection of a link, from the start of the process or of HTTP to
// its end.
type live struct {
	session *sdk.ClientSession
	process *process // nil: none of ours
	ctx     context.Context
	cancel  context.CancelFunc // ends the requests of HTTP
	gone    chan struct{}      // closed when the session has ended, and the link knows
	// Guarded by the mutex of the link.
	worked bool // its tools were listed
	ended  bool

	mu    sync.Mutex
	conn  sdk.Connection
	fault error // why we ended it; nil: we did not
}

// oldProtocol is the newest version without server/discover, which some servers
// neither know nor refuse.
const oldProtocol = "2025-11-25"

// closing is how long a connection has to end in order.
const closing = 2 * time.Second

// open connects to the server. It returns when ctx ends, whatever the server does.
func (l *link) open(ctx context.Context, version string) (*live, error) {
	lv := &live{gone: make(chan struct{})}
	lv.ctx, lv.cancel = context.WithCancel(context.WithoutCancel(ctx))
	transport, err := l.transport(ctx, lv)
	if err != nil {
		lv.cancel()
		return nil, err
	}
	opened := make(chan error, 1)
	go func() { // waited for as long as it keeps to ctx
		session, err := l.protocol().Connect(ctx, transport, &sdk.ClientSessionOptions{ProtocolVersion: version})
		lv.session = session
		opened <- err
	}()
	select {
	case err = <-opened:
	case <-ctx.Done():
		lv.sever()
		select {
		case <-opened:
		case <-time.After(closing):
		}
		err = context.Cause(ctx)
	}
	if err != nil {
		err = lv.explain(err)
		lv.sever()
		lv.wait()
		return nil, err
	}
	return lv, nil
}

// protocol is what answers the server.
func (l *link) protocol() *sdk.Client {
	opts := &sdk.ClientOptions{
		Capabilities:           &sdk.ClientCapabilities{},                             // no roots
		ToolListChangedHandler: func(context.Context, *sdk.ToolListChangedRequest) {}, // makes the SDK subscribe; the tap sees it
		MultiRoundTrip:         &sdk.MultiRoundTripOptions{Disabled: l.server.Sample == nil && l.server.Elicit == nil},
	}
	if f := l.server.Sample; f != nil {
		//lint:ignore SA1019 the protocol's newest version lacks it, and servers of the older ones ask
		opts.CreateMessageHandler = asked(l, f)
	}
	if f := l.server.Elicit; f != nil {
		opts.ElicitationHandler = asked(l, f)
		opts.Capabilities.Elicitation = &sdk.ElicitationCapabilities{Form: &sdk.FormElicitationCapabilities{}, URL: &sdk.URLElicitationCapabilities{}}
	}
	return sdk.NewClient(program(), opts)
}

// maxAsked is how many of a server's requests the caller's functions answer at a
// time.
const maxAsked = 8

// asked is a function of the caller that a server may call, not too often at once.
func asked[In, Out any](l *link, f func(context.Context, In) (Out, error)) func(context.Context, In) (Out, error) {
	return func(ctx context.Context, in In) (out Out, err error) {
		select {
		case l.asked <- struct{}{}:
			defer func() { <-l.asked }()
		default:
			return out, fmt.Errorf("more than %d requests at a time", maxAsked)
		}
		defer func() {
			if v := recover(); v != nil {
				err = errors.New("the client's function broke down")
			}
		}()
		return f(ctx, in)
	}
}

// keep remembers the connection.
func (lv *live) keep(conn sdk.Connection) {
	lv.mu.Lock()
	defer lv.mu.Unlock()
	lv.conn = conn
}

func (lv *live) held() sdk.Connection {
	lv.mu.Lock()
	defer lv.mu.Unlock()
	return lv.conn
}

// sever ends the connection at once, and what waits for it.
func (lv *live) sever() {
	lv.cancel()
	if conn := lv.held(); conn != nil {
		go func() { _ = conn.Close() }() // HTTP says goodbye, which lv.cancel bounds
	}
	if lv.process != nil {
		lv.process.stop()
	}
}

// close ends the connection in order, and at last without.
func (lv *live) close() error {
	ended := make(chan struct{})
	go func() { // until the functions that the server asked return
		defer close(ended)
		if conn := lv.held(); conn != nil {
			_ = conn.Close()
		}
		_ = lv.session.Close()
	}()
	select {
	case <-ended:
	case <-time.After(closing):
	}
	lv.cancel()
	return lv.wait()
}

// wait waits for the end of the process, which has been told to end.
func (lv *live) wait() error {
	if lv.process == nil {
		return nil
	}
	return lv.process.wait()
}

// fail ends the connection for a reason of ours.
func (lv *live) fail(why error) {
	lv.mu.Lock()
	lv.fault = cmp.Or(lv.fault, why)
	lv.mu.Unlock()
	lv.sever()
}

// explain says why the connection failed, if we or its process know more than the
// SDK.
func (lv *live) explain(err error) error {
	lv.mu.Lock()
	fault := lv.fault
	lv.mu.Unlock()
	switch {
	case fault != nil:
		return fault
	case lv.process != nil:
		return lv.process.explain(err)
	}
	return err
}
