// Command server is the server under test of the MCP conformance suite. It offers the
// suite's tools by mcp.AddTools, and prompts, resources and tools about the protocol
// itself by the SDK. The server listens on a free port of this machine and prints the
// address. /mcp has sessions, as revisions until 2025-11-25 do; /stateless has no
// sessions.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

func main() {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, endpoints()))
}

func endpoints() http.Handler {
	server := newServer()
	get := func(*http.Request) *sdk.Server { return server }
	mux := http.NewServeMux()
	mux.Handle("/mcp", sdk.NewStreamableHTTPHandler(get, nil))
	mux.Handle("/stateless", sdk.NewStreamableHTTPHandler(get, &sdk.StreamableHTTPOptions{Stateless: true}))
	return mux
}

func newServer() *sdk.Server {
	server := sdk.NewServer(&sdk.Implementation{Name: "toolloop-conformance", Version: "1"}, &sdk.ServerOptions{
		SubscribeHandler:   func(context.Context, *sdk.SubscribeRequest) error { return nil },
		UnsubscribeHandler: func(context.Context, *sdk.UnsubscribeRequest) error { return nil },
		CompletionHandler: func(context.Context, *sdk.CompleteRequest) (*sdk.CompleteResult, error) {
			return &sdk.CompleteResult{Completion: sdk.CompletionResultDetails{Values: []string{}}}, nil
		},
	})
	if err := mcp.AddTools(server, tools(server)...); err != nil {
		log.Fatal(err)
	}
	addProtocolTools(server)
	addResources(server)
	addPrompts(server)
	return server
}
