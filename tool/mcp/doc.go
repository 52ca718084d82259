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
// the server declares the tool idempotent or read-only.
//
// The client restarts a broken server when a listing or a call needs the server. The
// restart comes at once if the server had worked before. If the server breaks again, the
// restart comes after 1, 2, 4 … 30 seconds. Until then, calls fail at once, and the last
// list of tools remains valid. If an HTTP server has forgotten the session, the client
// starts a new session and repeats the call once.
//
// Some responses are not valid answers to the call: an error with another id or without
// an id, a page of HTML, a result that is not an object. The call then fails at once, and
// the failure has the words of the server. If the error may belong to a different
// request, the outcome of the call is unknown. A result whose isError is not a boolean
// counts as a failure.
//
// # Lists
//
// If the server announces that its tools have changed, the client lists the tools again,
// and the next turn has the new list. If the list changes often, up to ten listings run
// without a pause between them. Further listings are limited to one per second, and a
// turn waits for its listing. An announcement that comes after a turn has begun counts
// for the next turn. Until then, calls of a removed or changed tool fail without effect.
//
// # Tasks
//
// A task is a call whose result the client fetches later. In protocol version 2025-11-25,
// a tool may require calls as tasks (execution.taskSupport "required"). The client calls
// such a tool as a task, and waits for the end of the task within the timeout of the tool
// ([tool.Timeout] in [Server].Options, else ToolTimeout of the runner.Runner). The client
// reports messages about the state of the task as progress. [Server].Elicit and
// [Server].Sample handle the questions of a task. If the context of the call ends first,
// the client asks the server to cancel the task. The client does not repeat a call that
// may have become a task. All tools without this requirement are called in the ordinary
// way.
//
// # Trust
//
// The client does not trust a server:
//
//   - Calls of a tool wait for approval unless the server declares the tool read-only;
//     [Server].Ask changes this rule.
//   - The client bounds the definitions of the tools, removes invisible characters, and
//     compares each definition with the earlier definition. Calls of a changed tool wait
//     for approval, or the tool is left out ([Server].Changed). A call that was made for
//     the earlier definition does not run.
//   - The process of a server inherits few variables of the program's environment
//     ([Server].Env).
//   - The log shows output and errors of a server without control characters.
//   - The client sends [Server].Header only to the host of the server's URL.
//   - The hints of a tool, such as readOnlyHint, count under their exact names only. A
//     hint that a definition has twice is ignored.
//
// After a review, a program can pin the tools of a server: store the fingerprints of
// [Client.Status], and set [Server].Known in later clients.
//
//	known := map[string]string{} // as JSON in a file, for instance
//	for _, d := range client.Status(ctx)[0].Definitions {
//		known[d.Name] = d.Fingerprint
//	}
//
// With Known, a new or different tool has [Definition].Changed, and a line of the log
// reports the change. A notice of the run reports the change, too, unless the server is
// [Server].Required. If [Server].Changed is [Drop], the client leaves the tool out: the
// tool is in [Status].LeftOut, with its definition for a new review.
//
// # Serving
//
// [AddTools] and [Serve] offer Go tools to MCP clients. Both refuse a tool that needs
// approval. A [Service] with an Approve function offers such a tool, and Approve decides
// about its calls.
//
// The words of this package: server (an MCP server), definition (the server's
// description of a tool).
package mcp
