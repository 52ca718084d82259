package mcp

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"sync"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/seed-916e8f6a/toolloop/tool"
)

// A link is the connection to one server, as long as there is one.
type link struct {
	server Server
	base   context.Context // ends with the client
	lock   chan struct{}   // held while connecting and listing

	mu      sync.Mutex
	session *sdk.ClientSession
	conn    *tapped
	list    []tool.Tool
	found   Status
	listed  bool
	tokens  map[string]func(done, total float64, message string)
	last    int
}

func newLink(base context.Context, s Server) *link {
	return &link{server: s, base: base, lock: make(chan struct{}, 1), tokens: map[string]func(float64, float64, string){}}
}

func (l *link) tools(ctx context.Context) ([]tool.Tool, error) {
	select {
	case l.lock <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-l.lock }()
	session, err := l.connected(ctx)
	if err != nil {
		return nil, err
	}
	if !l.listed {
		if err := l.fetch(ctx, session); err != nil {
			return nil, err
		}
	}
	return l.list, nil
}

func (l *link) status(ctx context.Context) Status {
	_, err := l.tools(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.found
	s.Server, s.Err = l.server.Name, err
	return s
}

func (l *link) connected(ctx context.Context) (*sdk.ClientSession, error) {
	l.mu.Lock()
	session := l.session
	l.mu.Unlock()
	if session != nil {
		return session, nil
	}
	transport, err := l.transport(ctx)
	if err != nil {
		return nil, err
	}
	t := &tapped{Transport: transport, tap: &tap{progress: l.progressed, changed: func() {}}}
	client := sdk.NewClient(&sdk.Implementation{Name: "toolloop", Version: "0"}, &sdk.ClientOptions{
		Capabilities: &sdk.ClientCapabilities{},
	})
	session, err = client.Connect(ctx, t, nil)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.session, l.conn = session, t
	return session, nil
}

func (l *link) transport(ctx context.Context) (sdk.Transport, error) {
	if l.server.Dial != nil {
		return l.server.Dial(ctx)
	}
	if len(l.server.Command) == 0 {
		return nil, fmt.Errorf("no Command and no Dial")
	}
	return &sdk.CommandTransport{Command: exec.Command(l.server.Command[0], l.server.Command[1:]...)}, nil
}

func (l *link) fetch(ctx context.Context, session *sdk.ClientSession) error {
	found := Status{Out: map[string]string{}}
	var tools []tool.Tool
	params := &sdk.ListToolsParams{}
	for {
		page, err := session.ListTools(ctx, params)
		if err != nil {
			return err
		}
		var raw struct{ Tools []json.RawMessage }
		if err := json.Unmarshal(carried(page.Meta), &raw); err != nil {
			return err
		}
		for _, text := range raw.Tools {
			def, err := l.server.define(text)
			if err != nil {
				found.Out[def.Name] = err.Error()
				continue
			}
			t, err := l.tool(def)
			if err != nil {
				found.Out[def.Name] = err.Error()
				continue
			}
			tools = append(tools, t)
			found.Definitions = append(found.Definitions, def)
		}
		if page.NextCursor == "" {
			break
		}
		params.Cursor = page.NextCursor
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list, l.found, l.listed = tools, found, true
	return nil
}

func (l *link) close() {
	l.mu.Lock()
	session, conn := l.session, l.conn
	l.session = nil
	l.mu.Unlock()
	if session != nil {
		_ = conn.conn.Close()
		_ = session.Close()
	}
}

func (l *link) progressed(params json.RawMessage) {
	var p struct {
		ProgressToken   any
		Progress, Total float64
		Message         string
	}
	if json.Unmarshal(params, &p) != nil {
		return
	}
	l.mu.Lock()
	tell := l.tokens[fmt.Sprint(p.ProgressToken)]
	l.mu.Unlock()
	if tell != nil {
		tell(p.Progress, p.Total, p.Message)
	}
}
