package openai

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/seed-916e8f6a/toolloop/internal/netguard"
)

// This file sends requests. A *http.Transport gets them directly, because an http.Client
// copies the header and the URL of each request for the case of a redirect, and no redirect
// is followed. A caller's client with a Jar, a Timeout, a CheckRedirect or another
// RoundTripper is used whole. TestDirectIsTheSame compares both.

// A sender sends the requests of one exchange: directly, or with a client.
type sender struct {
	direct *http.Transport
	ours   bool // direct is the shared transport, which tests can forbid
	client *http.Client
}

func (c *client) sender(hreq *http.Request) sender {
	if hreq.URL.User != nil { // which the client makes a header of
		return sender{client: c.http()}
	}
	h := c.HTTPClient
	if h == nil {
		if t, ok := sharedTransport().(*http.Transport); ok {
			return sender{direct: t, ours: true}
		}
		return sender{client: c.http()}
	}
	if t, ok := h.Transport.(*http.Transport); ok && h.Jar == nil && h.Timeout == 0 && h.CheckRedirect == nil {
		return sender{direct: t}
	}
	return sender{client: c.http()}
}

func (s sender) send(hreq *http.Request) (*http.Response, error) {
	if s.client != nil {
		return s.client.Do(hreq)
	}
	if s.ours {
		if err := netguard.Check(hreq.URL); err != nil {
			_ = hreq.Body.Close()
			return nil, err
		}
	}
	resp, err := s.direct.RoundTrip(hreq)
	if record, ok := err.(tls.RecordHeaderError); ok && string(record.RecordHeader[:]) == "HTTP/" { //nolint:errorlint // as an http.Client does
		return nil, http.ErrSchemeMismatch
	}
	return resp, err
}

// keepsRequests reports whether nothing that sends the requests writes into them.
func (c *client) keepsRequests() bool {
	_, ours := sharedTransport().(*http.Transport)
	return c.HTTPClient == nil && ours
}

// http returns the HTTP client to send with. The client reports redirects and
// does not follow them: a redirect would send the conversation, or half of it,
// to another host.
func (c *client) http() *http.Client {
	var h http.Client
	if c.HTTPClient != nil {
		h = *c.HTTPClient // a copy: the caller's stays as it is
		if h.Transport == nil {
			h.Transport = guarded{http.DefaultTransport}
		}
	} else {
		h.Transport = guarded{sharedTransport()}
	}
	if h.CheckRedirect == nil {
		h.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	return &h
}

// connectTimeout limits the wait for a connection. A connection comes soon or
// not at all.
const connectTimeout = 10 * time.Second

// maxIdle is the number of idle connections that are kept, to one host and to all hosts. A
// lower number would close connections between the turns of many concurrent runs. An idle
// connection costs some ten kilobytes for at most 90 seconds.
const maxIdle = 4096

// sharedTransport is http.DefaultTransport with a shorter wait for connections,
// room for many calls to one host, and pings that notice a dead peer. A
// RoundTripper of another type in http.DefaultTransport is used unchanged.
var sharedTransport = sync.OnceValue(func() http.RoundTripper {
	def, ok := http.DefaultTransport.(*http.Transport)
	if !ok {
		return http.DefaultTransport
	}
	t := def.Clone()
	dialer := &net.Dialer{Timeout: connectTimeout, KeepAlive: 30 * time.Second}
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &pooledConn{Conn: conn}, nil
	}
	t.MaxIdleConns, t.MaxIdleConnsPerHost = maxIdle, maxIdle
	t.MaxResponseHeaderBytes = 1 << 20
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second}
	return t
})

// guarded checks each request with the network guard of tests. A check at each
// dial would miss open connections and connections to a proxy.
type guarded struct{ http.RoundTripper }

func (g guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, ours := g.RoundTripper.(*http.Transport); !ours {
		return g.RoundTripper.RoundTrip(r) // a replacement of the network, such as a fake
	}
	if err := netguard.Check(r.URL); err != nil {
		_ = r.Body.Close() // as a RoundTripper does
		return nil, err
	}
	return g.RoundTripper.RoundTrip(r)
}
