// Package mcp offers the tools of MCP servers to an agent, and Go tools to MCP clients.
// The package uses the official SDK, github.com/modelcontextprotocol/go-sdk, called sdk
// below.
//
//	client, err := mcp.Open(mcp.Server{
//		Name:    "files",
//		Command: []string{"npx", "-y", "@modelcontextprotocol/server-filesystem", dir},
//	})
//	…
//	defer client.Close()
//	a := &agent.Agent{Name: "clerk", Model: model, Toolsets: client.Toolsets()}
//
// The model sees the tools as files__read_file and so on. Calls run like calls of Go
// functions: arguments are validated against the schema, time and results are bounded,
// progress becomes events, and failures become results that help the model.
//
// # Failures
//
// A failure says whether the call may have had an effect. A call that did not reach the
// server had no effect. If the server did not respond, the outcome is unknown, unless
// the server declares the tool idempotent or read-only. A broken server is restarted
// when a listing or a call needs the server: at once if it had worked before, and after
// 1, 2, 4 … 30 seconds if it breaks again. Until then, calls fail at once, and the last
// list of tools remains valid. If an HTTP server has forgotten the session, the client
// starts a new session and repeats the call once.
//
// A call fails at once if the response is not a valid answer to the call: an error with another id
// or without an id, a page of HTML, a result that is not an object. The failure has
// the words of the server. If the error may belong to a different request, the
// outcome of the call is unknown. An isError that is not a boolean is a failure.
//
// # Lists
//
// If the server announces that its tools have changed, the next turn has the new
// list. Up to ten listings follow each other at once. After that, listings come once
// in a second, and a turn waits for the listing. An announcement that comes after a
// turn has begun counts for the next turn. Until then, calls of a removed or changed
// tool fail without effect.
//
// # Tasks
//
// In protocol version 2025-11-25, a tool may require calls as tasks
// (execution.taskSupport "required"). The client calls such a tool as a task, and waits
// for the end of the task within the timeout of the tool ([tool.Timeout] in
// [Server].Options, else the timeout of the run). Messages about the state of the task
// are reported as progress. [Server].Elicit and [Server].Sample handle the questions of a
// task. If the caller gives up, the client asks the server to cancel the task. A call
// that may have become a task is not repeated. All tools without this requirement are
// called in the ordinary way.
//
// # Trust
//
// A server is not trusted. Calls of a tool wait for approval unless the server declares
// the tool read-only; [Server].Ask changes this rule. Definitions are bounded, cleaned
// of invisible characters, and compared with earlier definitions: a changed tool waits
// for approval or is left out ([Server].Changed), and a call that was made for the
// earlier definition does not run. The process of a server inherits few variables of our environment
// ([Server].Env). Output and errors are logged without control characters. Headers are
// sent only to the host of the server's URL.
//
// The hints of a tool, such as readOnlyHint, count under their exact names only. A hint
// that a definition has twice is ignored.
//
// After a review, a program can pin the tools of a server: store the fingerprints of
// [Client.Status], and set [Server].Known in later clients.
//
//	known := map[string]string{} // as JSON in a file, for instance
//	for _, d := range client.Status(ctx)[0].Definitions {
//		known[d.Name] = d.Fingerprint
//	}
//
// From then on, a new or different tool has [Definition].Changed, and a line of the log
// reports the change. A notice of the run reports the change, too, unless the server is
// [Server].Required. With Drop, the tool is in [Status].LeftOut, with its definition for a
// new review.
//
// # Serving
//
// [AddTools] and [Serve] offer Go tools to MCP clients. They refuse a tool that needs
// approval; a [Service] with an Approve function offers the tool and decides about its
// calls.
//
// Terms: a server is an MCP server; a definition is the server's description of a
// tool.
package mcp
