package mcp

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/seed-916e8f6a/toolloop/tool"
)

// A Client manages connections to MCP servers. The client makes all connections when the
// tools are first listed, and remakes a broken connection. Any goroutine may use a Client.
type Client struct {
	links  []*link
	cancel context.CancelFunc
	first  sync.Once
}

// Open validates the servers and returns their client. Open starts no server. An error
// names the server and the invalid field.
func Open(servers ...Server) (*Client, error) {
	seen := make(map[string]bool, len(servers))
	for _, s := range servers {
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("mcp server %q: %w", s.Name, err)
		}
		if seen[s.Name] {
			return nil, fmt.Errorf("mcp server %q: another has the same Name", s.Name)
		}
		seen[s.Name] = true
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &Client{cancel: cancel}
	for _, s := range servers {
		c.links = append(c.links, newLink(ctx, s))
	}
	return c, nil
}

// Toolsets returns one set of tools for each server, in order. The first listing of any
// set starts all servers. A set is tool.Set.Optional unless its server is Required. A
// failure of an Optional set is reported as a notice, and the last list of a broken
// server remains valid.
func (c *Client) Toolsets() []tool.Set {
	sets := make([]tool.Set, len(c.links))
	for i, l := range c.links {
		sets[i] = tool.Set{
			Name: l.server.Name, Optional: !l.server.Required,
			Timeout: -1, // StartTimeout applies
			List: func(ctx context.Context) ([]tool.Tool, error) {
				c.start()
				return l.tools(ctx)
			},
		}
	}
	return sets
}

// start begins to connect to all servers, so that a slow server is ready sooner.
func (c *Client) start() {
	c.first.Do(func() {
		for _, l := range c.links {
			l.start()
		}
	})
}

// A Status describes the tools of a server.
type Status struct {
	Server      string
	Definitions []Definition // the tools that are offered
	LeftOut     []LeftOut    // the tools that are left out, at most 100
	// Err says why the list is missing, old or incomplete. Nil means a complete,
	// current list.
	Err error
}

// A LeftOut is a tool that is not offered.
type LeftOut struct {
	Name   string // the server's name of the tool, without invisible characters
	Reason string
	// Definition is set if the tool is left out because the definition differs from the
	// known definition. After a review, add the fingerprint to [Server].Known.
	Definition *Definition
}

// Status lists the tools of all servers as a run does, and reports the offers in the
// order of the servers. When ctx ends, Status returns what is known by then.
func (c *Client) Status(ctx context.Context) []Status {
	c.start()
	all := make([]Status, len(c.links))
	var wg sync.WaitGroup
	for i, l := range c.links {
		wg.Go(func() { all[i] = l.status(ctx) })
	}
	wg.Wait()
	return all
}

// Close ends all connections and the processes that the client started. For a process,
// Close first closes standard input. After 2 seconds, Close sends a signal to terminate.
// After 2 more seconds, Close kills the process with its children. Running calls fail. An
// error reports a process that did not end.
func (c *Client) Close() error {
	c.cancel()
	errs := make([]error, len(c.links))
	var wg sync.WaitGroup
	for i, l := range c.links {
		wg.Go(func() { errs[i] = l.close() })
	}
	wg.Wait()
	return errors.Join(errs...)
}
