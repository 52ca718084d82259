package mcp

import (
	"context"
	"errors"
	"fmt"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// transport returns the transport of a new connection.
func (l *link) transport(ctx context.Context, conn *connection) (sdk.Transport, error) {
	tap := &tap{progress: l.progress.deliver, changed: l.listChanged}
	conn.tap = tap
	h := &observedTransport{tap: tap, onConnect: conn.setConn}
	switch {
	case len(l.server.Command) > 0:
		p, err := startProcess(l.server, l.log)
		if err != nil {
			return nil, err
		}
		conn.setProcess(p)
		h.Transport = p
	case l.server.URL != "":
		h.Transport = l.streamable(conn, tap, &sdk.StreamableClientTransport{
			Endpoint: l.server.URL, HTTPClient: l.server.HTTPClient, OAuthHandler: l.server.OAuth,
		})
		h.tap = nil
	default:
		dialed, err := l.dial(ctx)
		if err != nil {
			return nil, err
		}
		h.Transport = dialed
		switch t := dialed.(type) {
		case *sdk.StreamableClientTransport: // the SDK needs the connection unwrapped
			l.secrets.add(addressSecrets(t.Endpoint)...)
			h.Transport, h.tap = l.streamable(conn, tap, t), nil
		case *sdk.IOTransport:
			own := *t
			own.Reader = &normalizer{lines: lines{from: t.Reader, limit: l.server.MaxMessage}, Closer: t.Reader}
			h.Transport = &own
		case *sdk.SSEClientTransport:
			l.secrets.add(addressSecrets(t.Endpoint)...)
		}
	}
	return h, nil
}

func (l *link) dial(ctx context.Context) (t sdk.Transport, err error) {
	defer func() { // the caller's code runs on a goroutine of ours
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	t, err = l.server.Dial(ctx)
	if t == nil && err == nil {
		return nil, errors.New("the function Dial returned no transport")
	}
	return t, err
}

// streamable returns a copy of a transport whose messages the tap sees.
func (l *link) streamable(conn *connection, tap *tap, t *sdk.StreamableClientTransport) *sdk.StreamableClientTransport {
	own := *t
	own.MaxEventSize = -1 // we enforce MaxMessage, and our rewritten messages may be longer
	own.HTTPClient = l.httpClient(conn, tap, t)
	return &own
}
