package mcp

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/seed-916e8f6a/toolloop/tool"
)

// A Client holds the connections to some servers. They are made when their tools
// are listed first, all at once, and made anew when they broke. Any goroutine may
// use it.
type Client struct {
	links  []*link
	cancel context.CancelFunc
	first  sync.Once
}

// Open checks what is said of servers. It starts none. An error names the server
// and its bad field.
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

// Toolsets returns one set of tools for each server, in their order. The first of
// them that is listed starts all servers. A set is tool.Set.Optional unless its
// server is Required: what a server cannot offer is told as a notice, and if it
// broke, the list that it gave before holds.
func (c *Client) Toolsets() []tool.Set {
	sets := make([]tool.Set, len(c.links))
	for i, l := range c.links {
		sets[i] = tool.Set{
			Name: l.server.Name, Optional: !l.server.Required,
			Timeout: -1, // that of the server holds
			List: func(ctx context.Context) ([]tool.Tool, error) {
				c.start()
				return l.tools(ctx)
			},
		}
	}
	return sets
}

// start begins to connect to all servers, so that a slow one is ready when it is
// asked.
func (c *Client) start() {
	c.first.Do(func() {
		for _, l := range c.links {
			l.begin()
		}
	})
}

// A Status is what is known of a server.
type Status struct {
	Server      string
	Definitions []Definition // of the tools that are offered
	LeftOut     []LeftOut    // the tools that are not, at most 100 of them
	// Err says why there is no list, or only an earlier one or a part of one.
	Err error
}

// A LeftOut is a tool that is not offered.
type LeftOut struct {
	Name   string // as the server says it, without what nobody sees
	Reason string
	// Definition is that of a tool that is left out since it is not the known one;
	// nil if there is another reason. Somebody may look at it, and enter its
	// fingerprint into [Server].Known.
	Definition *Definition
}

// Status asks all servers for their tools as a run does, and reports what they
// offer, in the order of the servers. It returns when ctx ends, with what there is.
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

// Close ends all connections, and the processes that the client started: their
// standard input is closed, 2 seconds later they get a signal to end, and after 2
// more they are killed, with what they started. Calls that run fail. An error is
// of a process that did not end.
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
