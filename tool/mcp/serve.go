package mcp

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path"
	"runtime/debug"
	"slices"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/seed-916e8f6a/toolloop/tool"
)

// FailureMeta names the member of a result's _meta in which [AddTools] reports the kind
// of a failure, as a [tool.Failure]. Programs read this member; models read the text of
// the result.
const FailureMeta = "toolloop/failure"

// A Service offers Go tools to MCP clients. The zero Service offers tools that need no
// approval. A Service must not be changed during use. Any goroutine may use a Service.
type Service struct {
	// Approve decides about calls that need approval, by [tool.NeedsApproval] or
	// [tool.NeedsApprovalIf]. If Approve returns nil, the call runs. If Approve returns
	// an error, the call does not run, and the client receives the text of the error as
	// the reason. args are the repaired and validated arguments. Approve has as much time
	// as the tool (2 minutes if the tool has no timeout). If Approve panics or exceeds the
	// time, the call does not run. [SessionFrom] returns the session of the caller.
	// Several goroutines may call Approve at once.
	//
	// If Approve is nil, AddTools and Serve refuse a tool that may need approval,
	// because the protocol has no way to ask the server's user. A client's claim of its
	// user's approval is not trusted.
	Approve func(ctx context.Context, t tool.Tool, args json.RawMessage) error
	// Hints describe the effects of tools, by the names of the tools, for clients that
	// trust this server. A tool without hints is sent without annotations, and clients
	// assume that it may be destructive. Hints for a tool that is not offered are an
	// error. The hints are copied.
	Hints map[string]*sdk.ToolAnnotations

	log *slog.Logger // logs panics; nil means no log
}

// AddTools is [Service.AddTools] of the zero Service. A tool that needs approval is an
// error.
func AddTools(server *sdk.Server, tools ...tool.Tool) error {
	return Service{}.AddTools(server, tools...)
}

// AddAnnotated is [Service.AddTools] of a Service with these Hints. A tool that needs
// approval is an error.
func AddAnnotated(server *sdk.Server, hints map[string]*sdk.ToolAnnotations, tools ...tool.Tool) error {
	return Service{Hints: hints}.AddTools(server, tools...)
}

// AddTools adds tools to a server of the SDK. New tools replace tools with the same names.
// On an error, no tool is added.
//
// Clients see the name and the description of [tool.Tool.Def], and the tools in their
// order. The schema is the schema of Def. For a tool of [tool.NewRaw] without schema
// repairs, clients see the author's schema, because clients accept more of JSON Schema
// than model providers do. Results are content: the text for a model, and the parts beside
// the text. There is no outputSchema and no structuredContent. [tool.Idempotent] is not
// sent as idempotentHint: the hint promises that a repeated call with the same arguments
// has no further effect, but an idempotent tool of package tool needs the Key of the call
// for this, and other clients do not send the Key.
//
// A call runs as in an agent's run:
//
//   - The arguments are repaired and validated.
//   - [tool.Concurrency] and the tool's timeout apply (2 minutes if the tool has no
//     timeout). A function that ignores its context is abandoned 5 seconds after the
//     context has ended. A panic is a failure.
//   - A call of a tool with [tool.Alone] runs alone among all calls of the tools that were
//     added together, whichever client makes the calls, since the protocol has no turns.
//   - At most 256 calls of these tools run at a time. Further calls wait; waiting does not
//     count against their timeouts.
//   - A result that would exceed the message size of common clients (16 MiB) is cut, with
//     a note.
//
// A failure is a result with isError, the text that a model would read, and the kind as
// [FailureMeta]. [tool.Abort] is a failure, too: the client decides about its run. The
// text leaves out details such as the value and the stack of a panic. In a middleware
// of the server, [sdk.CallToolResult.GetError] returns these details as a
// *[tool.Error].
//
// Inside a tool's function, [tool.CallFrom] returns the tool and the deadline. Progress
// is sent as the function reports the progress. The protocol requires growing numbers,
// and this package does not check the numbers. The Key is the [KeyMeta] of the client, if
// the client's value has at most 256 bytes, else a new key for each call. The client
// chooses the key, so a server for several users must not take one user's key for
// another user's key.
func (s Service) AddTools(server *sdk.Server, tools ...tool.Tool) error {
	if server == nil {
		return errors.New("mcp: the server is nil")
	}
	seen := make(map[string]bool, len(tools))
	for i, t := range tools {
		if err := s.servable(t, seen); err != nil {
			return fmt.Errorf("mcp: tool %d (%q): %w", i, t.Name(), err)
		}
		seen[t.Name()] = true
	}
	for _, name := range slices.Sorted(maps.Keys(s.Hints)) {
		if !seen[name] {
			return fmt.Errorf("mcp: there are hints for %q, and no such tool", name)
		}
	}
	together := newGate(maxCalls)
	for _, t := range tools {
		described := describe(t)
		described.Annotations = copyHints(s.Hints[t.Name()])
		server.AddTool(described, (&servedTool{t, together, s.Approve, s.log}).handle)
	}
	byName := func(a, b tool.Tool) int { return cmp.Compare(a.Name(), b.Name()) }
	if !slices.IsSortedFunc(tools, byName) {
		server.AddReceivingMiddleware(inOrder(tools))
	}
	return nil
}

// copyHints returns a copy, since the server keeps the hints.
func copyHints(hints *sdk.ToolAnnotations) *sdk.ToolAnnotations {
	if hints == nil {
		return nil
	}
	own := *hints
	for _, flag := range []**bool{&own.DestructiveHint, &own.OpenWorldHint} {
		if *flag != nil {
			*flag = new(**flag)
		}
	}
	return &own
}

// servable returns the reason why a tool cannot be offered, or nil.
func (s Service) servable(t tool.Tool, seen map[string]bool) (err error) {
	switch {
	case t.IsZero():
		return errors.New("is the zero Tool")
	case seen[t.Name()]:
		return errors.New("another tool has the same name")
	case t.AsksApproval() && s.Approve == nil:
		return errors.New("needs approval, which a client of the protocol cannot be asked for")
	}
	defer func() { // the SDK panics on an invalid tool
		if v := recover(); v != nil {
			err = fmt.Errorf("%v", v)
		}
	}()
	sdk.NewServer(&sdk.Implementation{Name: "trial"}, nil).AddTool(describe(t), nil)
	return nil
}

func describe(t tool.Tool) *sdk.Tool {
	def := t.Def()
	schema := def.Schema
	if raw := t.RawSchema(); ofObject(raw) && len(t.SchemaRepairs()) == 0 && t.Unchecked() == nil {
		schema = raw
	}
	return &sdk.Tool{Name: def.Name, Description: def.Description, InputSchema: schema}
}

// ofObject reports whether a schema has the type object, as the protocol requires.
func ofObject(schema json.RawMessage) bool {
	var kind any
	return fields{"type": &kind}.decode(schema) == nil && kind == "object"
}

// inOrder sorts our tools on each page of the list. The SDK sorts by name, and models
// prefer the first tools.
func inOrder(tools []tool.Tool) sdk.Middleware {
	rank := make(map[string]int, len(tools))
	for i, t := range tools {
		rank[t.Name()] = i
	}
	ours := func(t *sdk.Tool) bool { _, ok := rank[t.Name]; return ok }
	return func(next sdk.MethodHandler) sdk.MethodHandler {
		return func(ctx context.Context, method string, req sdk.Request) (sdk.Result, error) {
			res, err := next(ctx, method, req)
			page, ok := res.(*sdk.ListToolsResult)
			if !ok || err != nil {
				return res, err
			}
			sorted := slices.DeleteFunc(slices.Clone(page.Tools), func(t *sdk.Tool) bool { return !ours(t) })
			slices.SortFunc(sorted, func(a, b *sdk.Tool) int { return cmp.Compare(rank[a.Name], rank[b.Name]) })
			for i, t := range page.Tools {
				if ours(t) {
					page.Tools[i], sorted = sorted[0], sorted[1:]
				}
			}
			return page, nil
		}
	}
}

// Serve is [Service.Serve] of the zero Service. A tool that needs approval is an error.
func Serve(ctx context.Context, transport sdk.Transport, tools ...tool.Tool) error {
	return Service{}.Serve(ctx, transport, tools...)
}

// Serve offers tools to the client at the other end of a transport, such as
// &[sdk.StdioTransport]{}. When the client disconnects or ctx ends, Serve cancels the
// running calls, waits for them at most 5 seconds (see [Service.AddTools]), and returns
// the error of the connection or of ctx. Panics are logged to [slog.Default], which
// writes to standard error. For a server with prompts or resources, or with several
// clients, use the SDK and AddTools.
func (s Service) Serve(ctx context.Context, transport sdk.Transport, tools ...tool.Tool) error {
	server := sdk.NewServer(program(), nil)
	s.log = slog.Default()
	if err := s.AddTools(server, tools...); err != nil {
		return err
	}
	server.AddReceivingMiddleware(endingWith(ctx))
	return server.Run(ctx, transport)
}

// program returns the name and version of the running program.
func program() *sdk.Implementation {
	build, ok := debug.ReadBuildInfo()
	if !ok || build.Main.Path == "" {
		return &sdk.Implementation{Name: "toolloop", Version: "unknown"}
	}
	return &sdk.Implementation{Name: path.Base(build.Main.Path), Version: build.Main.Version}
}

// endingWith cancels the running requests when ctx ends, because the SDK would wait for
// them.
func endingWith(ctx context.Context) sdk.Middleware {
	return func(next sdk.MethodHandler) sdk.MethodHandler {
		return func(call context.Context, method string, req sdk.Request) (sdk.Result, error) {
			call, cancel := context.WithCancelCause(call)
			defer cancel(nil)
			defer context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })()
			return next(call, method, req)
		}
	}
}

type sessionKey struct{}

// SessionFrom returns the session of the client, for logging, sampling and elicitation.
// Call SessionFrom inside the function of a tool that [AddTools] has added; elsewhere
// SessionFrom returns nil.
//
// In protocol revision 2026-07-28, sampling and elicitation fail, because a server makes
// no requests there. A tool that must ask in this revision has to be added with the SDK's
// own AddTool, and returns its questions in a result ([sdk.CallToolResult].InputRequests).
func SessionFrom(ctx context.Context) *sdk.ServerSession {
	session, _ := ctx.Value(sessionKey{}).(*sdk.ServerSession)
	return session
}
