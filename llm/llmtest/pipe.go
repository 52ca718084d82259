package llmtest

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// Pipe serves the script in memory, and returns an HTTP client for it, at any
// host and over any scheme, as of [Model.RoundTrip]. On both sides is what is
// there in earnest, an [http.Transport] and an [http.Server]; between them are
// pipes and no network. So it keeps exact time in a bubble of testing/synctest,
// which a loopback port does not. The end of t closes it: in a bubble, that is
// the t of the bubble.
func (m *Model) Pipe(t testing.TB) *http.Client {
	t.Helper()
	l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	seat := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := (&Server{Model: m}).reply(r, isChat(r)); p != nil {
			p.write(w, r)
		}
	})
	server := &http.Server{Handler: seat, ReadHeaderTimeout: time.Minute}
	transport := &http.Transport{DialContext: l.dial, DialTLSContext: l.dial}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(l) }) // ends when l is closed
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = server.Close() // of a listener that nobody reads from any more
		serving.Wait()
	})
	return &http.Client{Transport: transport}
}

// pipes is a listener: dial makes the connections that it accepts.
type pipes struct {
	conns  chan net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
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

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }
