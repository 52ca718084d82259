package mcp_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/internal/scenario"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest"
	"github.com/seed-916e8f6a/toolloop/tool"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

// TestScenarios runs the scenarios of the loop's own tests with all tools of the desk
// behind an MCP server. Outcomes and transcripts are the same as without a server.
func TestScenarios(t *testing.T) {
	var passed atomic.Int32
	t.Run("all", func(t *testing.T) {
		for _, s := range scenario.All() {
			t.Run(s.Name, func(t *testing.T) {
				t.Parallel()
				for _, seat := range scenario.Seats() {
					for _, stream := range []bool{false, true} {
						t.Run(fmt.Sprintf("%s, stream %v", seat.Name, stream), func(t *testing.T) {
							synctest.Test(t, func(t *testing.T) {
								got := s.Run(t, seat, stream, remoteDesk(t))
								require.Equal(t, s.Expected(stream), got.Outcome)
								require.Equal(t, s.Run(t, scenario.Seats()[0], false, scenario.Desk()).Heard, got.Heard, "what the model heard")
								runnertest.Golden(t, got.Result, s.Golden("../../runner/runnertest/testdata/scenarios"))
							})
							if !t.Failed() {
								passed.Add(1)
							}
						})
					}
				}
			})
		}
	})
	const all = 101 * 6 * 2 // scenarios, seats, with and without a stream
	fmt.Printf("mcp scenarios: %d of %d\n", passed.Load(), all)
	if !strings.Contains(flag.Lookup("test.run").Value.String(), "/") { // unless -run selects some of them
		require.EqualValues(t, all, passed.Load())
	}
}

// TestScenarioDefinitions: the model sees the same definitions, too.
func TestScenarioDefinitions(t *testing.T) {
	t.Parallel()
	tools, err := remoteDesk(t).Toolsets[0].Tools(t.Context())
	require.NoError(t, err)
	require.Equal(t, definitions(scenario.Desk().Tools), definitions(tools))
}

func definitions(tools []tool.Tool) []llm.ToolDef {
	defs := make([]llm.ToolDef, len(tools))
	for i, t := range tools {
		defs[i] = t.Def()
	}
	return defs
}

// remoteDesk is the desk with its tools behind a server.
func remoteDesk(t *testing.T) *agent.Agent {
	t.Helper()
	desk := scenario.Desk()
	told := new(causes)
	server := sdk.NewServer(&sdk.Implementation{Name: "desk"}, nil)
	server.AddReceivingMiddleware(told.middleware)
	require.NoError(t, mcp.AddTools(server, desk.Tools...))
	options := map[string][]tool.Option{}
	for _, local := range desk.Tools {
		if local.Timeout() != 0 {
			options[local.Name()] = []tool.Option{tool.Timeout(local.Timeout())}
		}
	}
	client, err := mcp.Open(mcp.Server{
		Name: "desk", Bare: true,
		Dial: func(context.Context) (sdk.Transport, error) {
			ours, theirs := sdk.NewInMemoryTransports()
			_, err := server.Connect(t.Context(), ours, nil)
			return theirs, err
		},
		Ask:     func(mcp.Definition) bool { return false },
		Options: func(d mcp.Definition) []tool.Option { return options[d.Name] },
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })

	desk.Tools, desk.Toolsets = nil, client.Toolsets()
	desk.Toolsets[0].List = told.list(desk.Toolsets[0].List)
	return desk
}

// causes are the causes of failed calls, by the keys of the calls. A server keeps
// causes to itself: they include the values of panics and errors behind tool.Hide. The
// desk has both ends of the connection, so it can add the causes for the comparison.
// Kind and text of each failure come from the client.
//
// If the cause is an Abort, it ends the run, as it does without a server. Only the desk
// does this: no server can end a run.
type causes struct{ byKey sync.Map }

func (c *causes) middleware(next sdk.MethodHandler) sdk.MethodHandler {
	return func(ctx context.Context, method string, req sdk.Request) (sdk.Result, error) {
		res, err := next(ctx, method, req)
		if res, ok := res.(*sdk.CallToolResult); ok && err == nil && res.IsError {
			if failure, ok := errors.AsType[*tool.Error](res.GetError()); ok {
				c.byKey.Store(req.GetParams().GetMeta()[mcp.KeyMeta], failure.Err)
			}
		}
		return res, err
	}
}

func (c *causes) list(list func(context.Context) ([]tool.Tool, error)) func(context.Context) ([]tool.Tool, error) {
	return func(ctx context.Context) ([]tool.Tool, error) {
		tools, err := list(ctx)
		for i, t := range tools {
			tools[i] = c.explained(t)
		}
		return tools, err
	}
}

// keyMeta returns the value of KeyMeta for a key.
func keyMeta(key string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(key)))[:32] }

func (c *causes) explained(t tool.Tool) tool.Tool {
	var opts []tool.Option
	if t.Timeout() != 0 {
		opts = append(opts, tool.Timeout(t.Timeout()))
	}
	def := t.Def()
	return made(tool.NewRaw(def.Name, def.Description, def.Schema, func(ctx context.Context, args json.RawMessage) (llm.Parts, error) {
		parts, err := t.Call(ctx, args)
		failure, failed := errors.AsType[*tool.Error](err)
		if cause, told := c.byKey.Load(keyMeta(tool.CallFrom(ctx).Key)); failed && told {
			failure.Err, _ = cause.(error)
		}
		return parts, err
	}, opts...))
}

// TestParts: a tool's result arrives unchanged, as far as the protocol can express it.
func TestParts(t *testing.T) {
	t.Parallel()
	tools, err := remoteDesk(t).Toolsets[0].Tools(t.Context())
	require.NoError(t, err)
	require.Equal(t, "show", tools[6].Name())
	parts, err := tools[6].Call(t.Context(), json.RawMessage(`{}`))
	require.NoError(t, err)
	require.Equal(t, llm.Parts{
		llm.Text{Text: "Two."},
		llm.Image{Data: []byte("\x89PNG\r\n\x1a\n and more"), MediaType: "image/png"},
		llm.Image{Data: []byte{0, 0, 0}, MediaType: "image/png"}, llm.Text{Text: "[resource: https://example.com/a.png, image]"},
		llm.Audio{Data: []byte("la"), Format: "wav"}, llm.Text{Text: "La."},
		llm.Text{Text: "\n[resource: attachment:///a%20b.pdf]"},
		llm.File{Name: "a b.pdf", MediaType: "application/pdf", Data: []byte("%PDF")}, llm.Text{Text: "[The file file-1]"},
	}, parts)
}
