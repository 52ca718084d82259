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
// # Failures
//
// What goes wrong is told as what it is. A call that did not reach the server had no
// effect, and its failure says so; of one that was not answered it is not known, unless
// the server calls the tool idempotent or read-only. A server that broke is started
// anew when it is needed next: at once if it had been of use, and after 1, 2, 4 … 30
// seconds if it breaks again. Until then calls fail at once, and the tools of before
// are listed. A session that an HTTP server has forgotten is begun anew, and the call
// is made once more.
//
// # Tasks
//
// A tool that can only be called as a task (execution.taskSupport "required", in the
// protocol 2025-11-25) is called as one. The call lasts until the task has ended, within
// the timeout of the tool ([tool.Timeout] in [Server].Options, else that of the run).
// What the server says of the task's state is progress; a task that asks for something
// gets it from [Server].Elicit or [Server].Sample; one that is given up is cancelled, as
// far as the server listens. A call that may have become a task is not made again. Other
// tools, also those that may be called as tasks, are called in the ordinary way.
//
// # Trust
//
// A server is not trusted. Its tools wait for approval unless it calls them
// read-only, and [Server].Ask says otherwise. What it says of a tool is bounded,
// rid of characters that nobody sees, and compared with what it said before: a tool
// that has changed asks again or is dropped ([Server].Changed), and a call of the
// one that it was is not made. A server's process finds little of our environment
// ([Server].Env), its output and its errors are logged without controls, and no
// address but that of its URL gets its headers.
//
// Somebody who has looked at the tools of a server can pin them: what [Client.Status]
// says of them is kept, and is the [Server].Known of the clients to come.
//
//	known := map[string]string{} // as JSON in a file, for instance
//	for _, d := range client.Status(ctx)[0].Definitions {
//		known[d.Name] = d.Fingerprint
//	}
//
// A tool that differs from then on, or is new, has [Definition].Changed; a notice of
// the run and a line of the log tell of it. With Drop it is in [Status].LeftOut, with
// the definition to look at and to pin anew.
//
// Words owned here: server (of MCP), definition (what a server says of a tool).
package mcp
