// Package mcp joins the tools of MCP servers to an agent, and offers Go tools to
// any MCP client. It stands on the official SDK,
// github.com/modelcontextprotocol/go-sdk, which is called sdk below.
//
//	client, err := mcp.Open(mcp.Server{
//		Name:    "files",
//		Command: []string{"npx", "-y", "@modelcontextprotocol/server-filesystem", dir},
//	})
//	…
//	defer client.Close()
//	a := &agent.Agent{Name: "clerk", Model: model, Toolsets: client.Toolsets()}
//
// The model sees the tools as files__read_file and so on. Their calls run as those
// of Go functions do: the arguments are held to the schema, time and results are
// bounded, progress becomes an event, and what goes wrong becomes a result that
// helps the model.
//
// # Trust
//
// A server is not trusted. Its tools wait for approval unless it calls them
// read-only, and [Server].Ask says otherwise. What it says of a tool is bounded,
// rid of characters that nobody sees, and compared with what it said before.
//
// Words owned here: server (of MCP), definition (what a server says of a tool).
package mcp
