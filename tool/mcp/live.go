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
	tap     *tap
	ctx     context.Context
	cancel  context.CancelFunc // ends the requests of HTTP
	gone    chan struct{}      // closed when the session has ended, and the link knows
	noTasks error              // why calls cannot be made as tasks; nil: they can
	// Guarded by the mutex of the link.
	worked bool // its tools were listed
	ended  bool

	mu      sync.Mutex
	conn    sdk.Connection // nil: none yet
	process *process       // nil: none of ours, or none yet
	fault   error          // why we ended it; nil: we did not
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
	// What is made with this context may live as long as the connection.
	own, cancel := context.WithCancelCause(lv.ctx)
	sent := new(sending)
	sent.fail = cancel
	own = context.WithValue(own, sendingKey{}, sent)
	stop := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	opened := make(chan error, 1)
	go func() { opened <- l.join(own, lv, version) }() // waited for as long as it keeps to ctx
	var err error
	select {
	case err = <-opened:
	case <-ctx.Done():
		lv.sever()
		select {
		case <-opened:
		case <-time.After(closing):
		}
	}
	if stop(); ctx.Err() != nil {
		err = context.Cause(ctx) // whatever ended when it was severed for that
	} else if err != nil {
		if cause := context.Cause(own); isNoAnswer(cause) {
			err = cause
		}
		err = lv.explain(sent.explain(err))
	}
	if err != nil {
		lv.sever()
		_ = lv.wait()
		return nil, err
	}
	return lv, nil
}

func (l *link) join(ctx context.Context, lv *live, version string) error {
	transport, err := l.transport(ctx, lv)
	if err != nil {
		return err
	}
	session, err := l.protocol().Connect(ctx, transport, &sdk.ClientSessionOptions{ProtocolVersion: version})
	if err != nil {
		return err
	}
	lv.tap.giveUp(ctx.Value(sendingKey{}).(*sending)) // open has put it there
	hello := session.InitializeResult()
	lv.session, lv.noTasks = session, tasksRefused(hello)
	lv.tap.once.Store(hello.ProtocolVersion <= oldProtocol)   // they are dates
	context.AfterFunc(lv.ctx, func() { _ = session.Close() }) // however it ends: the SDK keeps goroutines for it
	return nil
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

// keep remembers the connection. One that comes too late is closed.
func (lv *live) keep(conn sdk.Connection) {
	lv.mu.Lock()
	lv.conn = conn
	lv.mu.Unlock()
	if lv.ctx.Err() != nil {
		lv.sever()
	}
}

// own remembers the process. One that comes too late is ended.
func (lv *live) own(p *process) {
	lv.mu.Lock()
	lv.process = p
	lv.mu.Unlock()
	if lv.ctx.Err() != nil {
		lv.sever()
	}
}

func (lv *live) held() (sdk.Connection, *process) {
	lv.mu.Lock()
	defer lv.mu.Unlock()
	return lv.conn, lv.process
}

// sever ends the connection at once, and what waits for it.
func (lv *live) sever() {
	lv.cancel()
	conn, process := lv.held()
	if conn != nil {
		go func() { _ = conn.Close() }() // HTTP says goodbye, which lv.cancel bounds
	}
	if process != nil {
		process.stop()
	}
}

// close ends the connection in order, and at last without.
func (lv *live) close() error {
	ended := make(chan struct{})
	go func() { // until the functions that the server asked return
		defer close(ended)
		if conn, _ := lv.held(); conn != nil {
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
	_, process := lv.held()
	if process == nil {
		return nil
	}
	return process.wait()
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
	fault, process := lv.fault, lv.process
	lv.mu.Unlock()
	switch {
	case fault != nil:
		return fault
	case process != nil:
		return process.explain(err)
	}
	return err
}
