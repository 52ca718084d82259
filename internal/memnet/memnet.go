// Package memnet connects an HTTP client with a server of the same process by pipes.
// No network is between them, so they keep exact time in a bubble of testing/synctest.
package memnet

import (
	"context"
	"net"
	"sync"
)

// A Listener accepts the connections that its Dial makes. Any goroutine may use it.
type Listener struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

// Listen returns a listener that is open.
func Listen() *Listener {
	return &Listener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Dial returns a connection to whoever accepts at l, whatever address is dialled. It is
// an [net/http.Transport]'s DialContext.
func (l *Listener) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Accept waits for a connection, until l is closed.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and Dial. Connections that were made stay open.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr is no address that could be dialled elsewhere.
func (l *Listener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }
