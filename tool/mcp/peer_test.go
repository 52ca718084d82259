package mcp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

// A peer is a server in this process whose every message the test writes.
type peer struct {
	// answer answers a request; hang and drop are errors of their own.
	answer func(c *peerConn, method string, params json.RawMessage) (result string, err error)

	mu    sync.Mutex
	conns []*peerConn
	asked []string // methods, with the names of tools
}

var (
	errHang = errors.New("no answer comes")
	errDrop = errors.New("the connection ends")
)

// offering is a peer that lists these tools, in one page, and answers calls.
func offering(call func(c *peerConn, name string, params json.RawMessage) (string, error), tools ...string) *peer {
	return &peer{answer: func(c *peerConn, method string, params json.RawMessage) (string, error) {
		switch method {
		case "tools/list":
			return `{"tools":[` + strings.Join(tools, ",") + `]}`, nil
		case "tools/call":
			return call(c, nameOf(params), params)
		}
		return "", fmt.Errorf("unexpected %s", method)
	}}
}

func nameOf(params json.RawMessage) string {
	var p struct{ Name string }
	_ = json.Unmarshal(params, &p)
	return p.Name
}

// answering answers every call so.
func answering(result string) func(*peerConn, string, json.RawMessage) (string, error) {
	return func(*peerConn, string, json.RawMessage) (string, error) { return result, nil }
}

const plainTool = `{"name":"run","inputSchema":{"type":"object"}}`

func (p *peer) dial(context.Context) (sdk.Transport, error) { return p, nil }

func (p *peer) Connect(context.Context) (sdk.Connection, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &peerConn{peer: p, out: make(chan jsonrpc.Message, 10_000), closed: make(chan struct{})}
	p.conns = append(p.conns, c)
	return c, nil
}

// requests returns what was asked so far, but how connections begin.
func (p *peer) requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string{}, p.asked...)
}

func (p *peer) last() *peerConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conns[len(p.conns)-1]
}

type peerConn struct {
	peer   *peer
	out    chan jsonrpc.Message
	once   sync.Once
	closed chan struct{}
}

func (c *peerConn) SessionID() string { return "" }

func (c *peerConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

func (c *peerConn) Read(ctx context.Context) (jsonrpc.Message, error) {
	select {
	case m := <-c.out:
		return m, nil
	default:
	}
	select {
	case m := <-c.out:
		return m, nil
	case <-c.closed:
		return nil, io.EOF
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *peerConn) Write(_ context.Context, m jsonrpc.Message) error {
	req, ok := m.(*jsonrpc.Request)
	if !ok {
		return nil
	}
	go c.handle(req)
	return nil
}

func (c *peerConn) handle(req *jsonrpc.Request) {
	var result string
	var err error
	switch req.Method {
	case "server/discover":
		err = &jsonrpc.Error{Code: jsonrpc.CodeMethodNotFound, Message: "method not found"}
	case "initialize":
		result = `{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true}},"serverInfo":{"name":"peer","version":"1"}}`
	case "notifications/initialized":
		return
	default:
		asked := req.Method
		if name := nameOf(req.Params); name != "" {
			asked += " " + name
		}
		c.peer.mu.Lock()
		c.peer.asked = append(c.peer.asked, asked)
		c.peer.mu.Unlock()
		if !req.IsCall() {
			return
		}
		result, err = c.peer.answer(c, req.Method, req.Params)
	}
	switch {
	case errors.Is(err, errHang):
		return
	case errors.Is(err, errDrop):
		_ = c.Close()
		return
	}
	c.out <- &jsonrpc.Response{ID: req.ID, Result: json.RawMessage(result), Error: err}
}

// notify sends a notification.
func (c *peerConn) notify(method, params string) {
	c.out <- &jsonrpc.Request{Method: method, Params: json.RawMessage(params)}
}

// open opens a client for servers, and closes it at the end.
func open(t *testing.T, servers ...mcp.Server) *mcp.Client {
	t.Helper()
	client, err := mcp.Open(servers...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	return client
}

// toolsOf lists the tools of the first server.
func toolsOf(t *testing.T, client *mcp.Client) []tool.Tool {
	t.Helper()
	tools, err := client.Toolsets()[0].Tools(t.Context())
	require.NoError(t, err)
	return tools
}

func namesOf(tools []tool.Tool) []string {
	names := []string{}
	for _, one := range tools {
		names = append(names, one.Name())
	}
	return names
}
