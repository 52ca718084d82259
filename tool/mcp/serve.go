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

// FailureMeta names the member of a result's _meta in which [AddTools] says what
// kind of failure it is, as a [tool.Failure]. The text of the result says the same
// to a model; this is for programs.
const FailureMeta = "toolloop/failure"

// A Service offers Go tools to clients of the protocol. The zero Service offers those
// that need no approval. It is not changed while it is used; any goroutine may use it.
type Service struct {
	// Approve decides about the calls that need approval, of a [tool.NeedsApproval] or
	// [tool.NeedsApprovalIf]: nil lets a call run, and the text of an error is the reason
	// that the client reads; such a call does not run. The arguments are those that the
	// function would get. Approve has the time that the tool has (2 minutes if that has
	// none). If it panics, or does not return in time, the call does not run.
	// [SessionFrom] tells it whose call it is. Several goroutines may call it at once.
	//
	// Nil: a tool that may need approval is an error of AddTools and Serve, since the
	// protocol has nobody to ask. What a client says about approval is its own word.
	Approve func(ctx context.Context, t tool.Tool, args json.RawMessage) error
	// Hints say by the names of the tools what a tool does, for clients that trust this
	// server. A tool without them is told without any, and is taken for one that may
	// destroy something. Hints for a tool that is not offered are an error. They are
	// copied.
	Hints map[string]*sdk.ToolAnnotations

	log *slog.Logger // of panics; nil: nowhere
}

// AddTools is the method AddTools of the zero [Service]: a tool that needs approval is
// an error.
func AddTools(server *sdk.Server, tools ...tool.Tool) error {
	return Service{}.AddTools(server, tools...)
}

// AddAnnotated is the method AddTools of a [Service] with these Hints.
func AddAnnotated(server *sdk.Server, hints map[string]*sdk.ToolAnnotations, tools ...tool.Tool) error {
	return Service{Hints: hints}.AddTools(server, tools...)
}

// AddTools offers tools on a server of the SDK, in place of those of the same
// names. All are added, or with an error none.
//
// Name and description are told as [tool.Tool.Def] has them, the tools in their
// order. The schema is that of Def, or as its author gave it to [tool.NewRaw] if
// nothing of it was repaired: clients take more of JSON Schema than model providers
// do. Results are text, as a
// model reads them, and other parts: there is no outputSchema and no
// structuredContent. That a tool is [tool.Idempotent] is not told as idempotentHint: it
// is so by the Key of its calls, which clients of others do not send, while the hint
// says that a call with the same arguments has no more effect whoever makes it.
//
// A call is run as an agent's run does it: the arguments are repaired and
// held to the schema, [tool.Concurrency] and the tool's timeout hold (2 minutes
// without one), a panic is a failure, and a function that ignores its context is
// left behind 5 seconds after that ended. A call of a tool that is
// [tool.Alone] runs alone among all calls of the tools that were added together
// with it, whoever makes them, since the protocol knows no turns. At most 256 of
// those run at a time; others wait, which is not part of their timeouts. A result
// that would make a message too large for common clients (16 MiB) is cut, and
// says so.
//
// A failure is a result with isError, the text that a model reads of it verbatim,
// and its kind as [FailureMeta]. That of [tool.Abort] is one, too: what becomes
// of the run is the client's affair. What the client is not told, such as the
// value and stack of a panic, is the *[tool.Error] that
// [sdk.CallToolResult.GetError] returns in a middleware of the server.
//
// Within a tool's function [tool.CallFrom] tells the tool and its deadline, passes
// progress on as it is told (the protocol wants it to grow), and has as Key what the
// client sent as [KeyMeta]. That is the client's word, at most 256 bytes of it: a
// server for several users does not take one's key for another's. Without it the key
// is a new one for each call.
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
		described.Annotations = copied(s.Hints[t.Name()])
		server.AddTool(described, (&served{t, together, s.Approve, s.log}).handle)
	}
	byName := func(a, b tool.Tool) int { return cmp.Compare(a.Name(), b.Name()) }
	if !slices.IsSortedFunc(tools, byName) {
		server.AddReceivingMiddleware(inOrder(tools))
	}
	return nil
}

// copied shares nothing with the hints: the server keeps it.
func copied(hints *sdk.ToolAnnotations) *sdk.ToolAnnotations {
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

// servable says why a tool cannot be offered.
func (s Service) servable(t tool.Tool, seen map[string]bool) (err error) {
	switch {
	case t.IsZero():
		return errors.New("is the zero Tool")
	case seen[t.Name()]:
		return errors.New("there are two of this name")
	case t.AsksApproval() && s.Approve == nil:
		return errors.New("needs approval, which a client of the protocol cannot be asked for")
	}
	defer func() { // the SDK refuses by a panic what it cannot offer
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

// ofObject reports whether a schema says that it is one of an object, as the
// protocol wants it.
func ofObject(schema json.RawMessage) bool {
	var kind any
	return fields{"type": &kind}.decode(schema) == nil && kind == "object"
}

// inOrder lists tools in their order, at the places that they have among those of
// a page. The SDK lists them by name, and models take the first for the foremost.
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

// Serve is the method Serve of the zero [Service]: a tool that needs approval is an
// error.
func Serve(ctx context.Context, transport sdk.Transport, tools ...tool.Tool) error {
	return Service{}.Serve(ctx, transport, tools...)
}

// Serve offers tools to the one client at the other end of a transport, such as
// &[sdk.StdioTransport]{}, until it leaves or ctx ends, and then returns the error
// of the connection or that of ctx. Calls that still run are cancelled and waited
// for, as [Service.AddTools] says; panics go to [slog.Default], which writes to the
// standard error. A server with more than tools, or of many clients, is made with the
// SDK, and AddTools.
func (s Service) Serve(ctx context.Context, transport sdk.Transport, tools ...tool.Tool) error {
	server := sdk.NewServer(program(), nil)
	s.log = slog.Default()
	if err := s.AddTools(server, tools...); err != nil {
		return err
	}
	server.AddReceivingMiddleware(endingWith(ctx))
	return server.Run(ctx, transport)
}

// program names this program.
func program() *sdk.Implementation {
	build, ok := debug.ReadBuildInfo()
	if !ok || build.Main.Path == "" {
		return &sdk.Implementation{Name: "toolloop", Version: "unknown"}
	}
	return &sdk.Implementation{Name: path.Base(build.Main.Path), Version: build.Main.Version}
}

// endingWith cancels what a server is doing when ctx ends: the SDK would wait for it.
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

// SessionFrom returns the session of the client that a tool's function runs for,
// for logging, sampling and elicitation; nil outside of a call by [AddTools]. In the
// revision of 2026-07-28 a server makes no requests, so sampling and elicitation are
// errors there; a tool that must ask puts its questions into a result
// ([sdk.CallToolResult].InputRequests), by the SDK's own AddTool.
func SessionFrom(ctx context.Context) *sdk.ServerSession {
	session, _ := ctx.Value(sessionKey{}).(*sdk.ServerSession)
	return session
}
