package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/seed-916e8f6a/toolloop/examples/internal/cli"
)

// serve runs the program as a server.
func serve() error {
	address := flag.String("http", "", "serve streamable HTTP on this `host:port` of this machine, instead of stdin and stdout; port 0 selects a free port")
	cli.Parse("mcp serve [flags]")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	server, err := newServer()
	switch {
	case err != nil:
		return err
	case *address != "":
		return serveHTTP(ctx, server, *address)
	case cli.IsTerminal(os.Stdin):
		fmt.Fprintln(os.Stderr, "Serving MCP over stdin and stdout, for a client that starts this program. ^C ends it.")
	}
	err = server.Run(ctx, &sdk.StdioTransport{}) // until stdin ends
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func serveHTTP(ctx context.Context, server *sdk.Server, address string) error {
	l, err := listen(ctx, address)
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", l.Addr())
	h := &http.Server{
		Handler:           sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return server }, nil),
		ReadHeaderTimeout: 10 * time.Second,
	}
	defer context.AfterFunc(ctx, func() { _ = h.Close() })() // ends the open streams, which would delay Shutdown
	if err := h.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// listen listens on the loopback interface only, because every client of the server
// may call its tools.
func listen(ctx context.Context, address string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if tcp, ok := l.Addr().(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
		_ = l.Close()
		return nil, fmt.Errorf("-http %s: other machines can reach this address; use 127.0.0.1 or localhost", address)
	}
	return l, nil
}
