package mcp

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/seed-916e8f6a/toolloop/tool"
)

// A Client holds the connections to some servers. They are made when they are
// needed first, and made anew when they broke. Any goroutine may use it.
type Client struct {
	links  []*link
	cancel context.CancelFunc
}

// Open checks what is said of servers. It starts none: that happens when their
// tools are listed first. An error names the bad server.
func Open(servers ...Server) (*Client, error) {
	ctx, cancel := context.WithCancel(context.Background())
	c := &Client{cancel: cancel}
	seen := make(map[string]bool, len(servers))
	for _, s := range servers {
		if err := s.check(); err != nil {
			cancel()
			return nil, fmt.Errorf("mcp server %q: %w", s.Name, err)
		}
		if seen[s.Name] {
			cancel()
			return nil, fmt.Errorf("mcp server %q: there are two of this name", s.Name)
		}
		seen[s.Name] = true
		c.links = append(c.links, newLink(ctx, s))
	}
	return c, nil
}

var serverName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,32}$`)

func (s Server) check() error {
	switch {
	case !serverName.MatchString(s.Name) || strings.Contains(s.Name, "__"):
		return errors.New("Name: has 1 to 32 letters, digits, - and single _")
	}
	return nil
}

// Toolsets returns one set of tools for each server, in their order.
func (c *Client) Toolsets() []tool.Set {
	sets := make([]tool.Set, len(c.links))
	for i, l := range c.links {
		sets[i] = tool.Set{Name: l.server.Name, List: l.tools}
	}
	return sets
}

// A Status is what is known of a server.
type Status struct {
	Server string
	// Definitions are those of the tools that are offered.
	Definitions []Definition
	// Out says of each tool that is left out why.
	Out map[string]string
	// Err is why the tools could not be listed, or only an earlier list of them.
	Err error
}

// Status asks all servers for their tools, as a run does, and reports what they
// offer, in the order of the servers.
func (c *Client) Status(ctx context.Context) []Status {
	all := make([]Status, len(c.links))
	var wg sync.WaitGroup
	for i, l := range c.links {
		wg.Go(func() { all[i] = l.status(ctx) })
	}
	wg.Wait()
	return all
}

// Close ends all connections, and the processes that the client started.
func (c *Client) Close() error {
	c.cancel()
	var wg sync.WaitGroup
	for _, l := range c.links {
		wg.Go(l.close)
	}
	wg.Wait()
	return nil
}
