package mcp

import (
	"context"
	"errors"
	"fmt"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// transport returns that of a new connection to the server.
func (l *link) transport(ctx context.Context, lv *live) (sdk.Transport, error) {
	tap := &tap{progress: l.reports.report, changed: l.changed}
	lv.tap = tap
	h := &held{tap: tap, got: lv.keep}
	switch {
	case len(l.server.Command) > 0:
		p, err := startProcess(l.server, l.diary)
		if err != nil {
			return nil, err
		}
		lv.own(p)
		h.Transport = p
	case l.server.URL != "":
		h.Transport = l.streamable(lv, tap, &sdk.StreamableClientTransport{
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
		case *sdk.StreamableClientTransport: // it wants its connection untouched
			l.secrets.add(addressSecrets(t.Endpoint)...)
			h.Transport, h.tap = l.streamable(lv, tap, t), nil
		case *sdk.IOTransport:
			own := *t
			own.Reader = &answers{lines: lines{from: t.Reader, limit: l.server.MaxMessage}, Closer: t.Reader}
			h.Transport = &own
		case *sdk.SSEClientTransport:
			l.secrets.add(addressSecrets(t.Endpoint)...)
		}
	}
	return h, nil
}

func (l *link) dial(ctx context.Context) (t sdk.Transport, err error) {
	defer func() { // it is the caller's code, on a goroutine of ours
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	t, err = l.server.Dial(ctx)
	if t == nil && err == nil {
		return nil, errors.New("no transport came of Dial")
	}
	return t, err
}

// streamable is a copy of a transport whose messages the tap sees.
func (l *link) streamable(lv *live, tap *tap, t *sdk.StreamableClientTransport) *sdk.StreamableClientTransport {
	own := *t
	own.MaxEventSize = -1 // we hold it to MaxMessage, and what we make of it is longer
	own.HTTPClient = l.httpClient(lv, tap, t)
	return &own
}
