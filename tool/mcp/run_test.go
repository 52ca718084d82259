package mcp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/agent"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/runner"
	"github.com/seed-916e8f6a/toolloop/runner/event"
	"github.com/seed-916e8f6a/toolloop/runner/journal"
	"github.com/seed-916e8f6a/toolloop/tool"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

func never(mcp.Definition) bool { return false }

// TestCrashInARun: the pending call gets a result at once, and the next turn reaches
// the restarted server.
func TestCrashInARun(t *testing.T) {
	t.Parallel()
	server, _ := stdio(t, "")
	server.Ask = never
	client := open(t, server)
	script := llmtest.Script(t, llmtest.Calls("crash", `{}`), llmtest.Calls("echo", `{}`), llmtest.Text("Done."))
	start := time.Now()
	result, err := runner.Run(t.Context(), &agent.Agent{Model: script, Toolsets: client.Toolsets()}, llm.User("Go."))
	require.NoError(t, err)
	require.Less(t, time.Since(start), 10*time.Second)
	require.Equal(t, "Done.", result.Text)
	require.Equal(t, "The server of the tool disconnected before it answered. It is not known whether the call took effect: check before you call it again.",
		result.Messages[2].Results()[0].Text())
	require.Contains(t, result.Messages[4].Results()[0].Text(), `"name":"echo"`)
}

// TestProgressInARun: progress becomes an event.
func TestProgressInARun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := offering(func(c *peerConn, _ string, params json.RawMessage) (string, error) {
			var p struct {
				Meta struct{ ProgressToken string } `json:"_meta"`
			}
			_ = json.Unmarshal(params, &p)
			c.notify("notifications/progress", fmt.Sprintf(`{"progressToken":%q,"progress":1,"total":2,"message":"half\u0007"}`, p.Meta.ProgressToken))
			time.Sleep(time.Second) // synctest: exact in a bubble
			return `{"content":[{"type":"text","text":"whole"}]}`, nil
		}, plainTool)
		client := open(t, mcp.Server{Name: "s", Ask: never, Dial: server.dial})
		script := llmtest.Script(t, llmtest.Calls("s__run", `{}`), llmtest.Text("Done."))
		var got []event.ToolProgress
		for e, err := range runner.Stream(t.Context(), &agent.Agent{Model: script, Toolsets: client.Toolsets()}, llm.User("Go.")) {
			require.NoError(t, err)
			if p, ok := e.Body.(event.ToolProgress); ok {
				got = append(got, p)
			}
		}
		require.Equal(t, []event.ToolProgress{{Call: "r1.t1.c0", Name: "s__run", Done: 1, Total: 2, Message: "half"}}, got)
	})
}

// TestCancelledInARun: the server is notified when a call times out.
func TestCancelledInARun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := offering(func(*peerConn, string, json.RawMessage) (string, error) { return "", errHang }, plainTool)
		client := open(t, mcp.Server{Name: "s", Ask: never, Dial: server.dial})
		script := llmtest.Script(t, llmtest.Calls("s__run", `{}`), llmtest.Text("Done."))
		r := runner.Runner{ToolTimeout: 30 * time.Second}
		start := time.Now()
		result, err := r.Run(t.Context(), &agent.Agent{Model: script, Toolsets: client.Toolsets()}, llm.User("Go."))
		require.NoError(t, err)
		require.Equal(t, 30*time.Second, time.Since(start))
		require.Contains(t, result.Messages[2].Results()[0].Text(), "did not finish within 30s")
		synctest.Wait()
		require.Equal(t, []string{"tools/list", "tools/call run", "notifications/cancelled"}, server.requests())
	})
}

// TestOneBadServerInARun: a bad server causes one notice in all turns, and the run goes
// on with the other server.
func TestOneBadServerInARun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bad := &peer{answer: func(*peerConn, string, json.RawMessage) (string, error) { return "", errDrop }}
		client := open(t,
			mcp.Server{Name: "bad", Dial: bad.dial},
			mcp.Server{Name: "good", Ask: never, Dial: offering(answering(`{"content":[{"type":"text","text":"fine"}]}`), plainTool).dial})
		again := llmtest.Calls("good__run", `{}`)
		script := llmtest.Script(t, again, again, slowly(again), again, slowly(again), slowly(llmtest.Text("Done.")))
		require.Equal(t, []string{`toolset "bad": the connection to the server has ended`}, noticesOf(t, script, client))
		require.Len(t, bad.requests(), 3, "it is tried again")
	})
}

// noticesOf returns the notices of a run.
func noticesOf(t *testing.T, model llm.Model, client *mcp.Client) (notices []string) {
	t.Helper()
	for e, err := range runner.Stream(t.Context(), &agent.Agent{Model: model, Toolsets: client.Toolsets()}, llm.User("Go.")) {
		require.NoError(t, err)
		if n, ok := e.Body.(event.Notice); ok {
			notices = append(notices, n.Text)
		}
	}
	return notices
}

// TestDoubtInASession: a call that was in flight when our process died waits for a
// person's decision, unless the server allows repetition and its hints are trusted.
func TestDoubtInASession(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, tool string
		ignore     bool
		doubt      bool
	}{
		{"plain", plainTool, false, true},
		{"read-only", `{"name":"run","annotations":{"readOnlyHint":true}}`, false, false},
		{"idempotent", `{"name":"run","annotations":{"idempotentHint":true}}`, false, false},
		{"hints do not count", `{"name":"run","annotations":{"idempotentHint":true}}`, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := new(journal.Memory)
				var dead []byte // the journal at the time of the call
				var keys []string
				server := offering(func(_ *peerConn, _ string, params json.RawMessage) (string, error) {
					var p struct {
						Meta map[string]any `json:"_meta"`
					}
					_ = json.Unmarshal(params, &p)
					keys = append(keys, fmt.Sprint(p.Meta[mcp.KeyMeta]))
					if dead == nil {
						dead, _ = json.Marshal(store)
					}
					return `{"content":[{"type":"text","text":"done"}]}`, nil
				}, tt.tool)
				client := open(t, mcp.Server{Name: "s", Ask: never, IgnoreHints: tt.ignore, Dial: server.dial})
				run := func(j journal.Journal, in ...runner.Input) (*runner.Result, error) {
					model := llmtest.NewScript(llmtest.Reply(func(_ context.Context, req *llm.Request) (*llm.Response, error) {
						if len(req.Messages) == 1 {
							return llmtest.Calls("s__run", `{}`).Response()
						}
						return llmtest.Text("Done.").Response()
					}).Forever())
					return runner.Runner{Model: model, Journal: j}.Session("a").Run(t.Context(), &agent.Agent{Toolsets: client.Toolsets()}, in...)
				}
				_, err := run(store, runner.Say(llm.User("Go.")))
				require.NoError(t, err)
				again := new(journal.Memory)
				require.NoError(t, json.Unmarshal(dead, again))
				result, err := run(again)
				if !tt.doubt {
					require.NoError(t, err)
					require.Equal(t, "Done.", result.Text)
					require.Len(t, keys, 2)
					require.Equal(t, keys[0], keys[1]) // by which the server may know it
					return
				}
				require.True(t, errors.Is(err, runner.ErrPaused), "%v", err)
				require.Len(t, result.Pending, 1)
				require.True(t, result.Pending[0].InDoubt)
				require.Len(t, keys, 1)
			})
		})
	}
}

// TestEachRunIsWarned: a changed definition is reported once in each run that offers
// the tool.
func TestEachRunIsWarned(t *testing.T) {
	t.Parallel()
	client := open(t, mcp.Server{Name: "s", Ask: never, Dial: offering(answering(`{"content":[]}`), plainTool).dial, Known: map[string]string{}})
	for range 2 {
		var notices []string
		model := llmtest.NewScript(llmtest.Calls("no_such_tool", `{}`), llmtest.Text("Done."))
		a := &agent.Agent{Model: model, Toolsets: client.Toolsets()}
		for e, err := range runner.Stream(t.Context(), a, llm.User("Go.")) {
			require.NoError(t, err)
			if n, ok := e.Body.(event.Notice); ok {
				notices = append(notices, n.Text)
			}
		}
		require.Equal(t, []string{`toolset "s": changed tools, whose calls wait for approval: "run" (it is not a known tool)`}, notices)
	}
}

// TestMeta: the members of the program go out with each call, with the context of the
// call, and replace none of ours.
func TestMeta(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var got map[string]any
		server := offering(func(_ *peerConn, _ string, params json.RawMessage) (string, error) {
			var p struct {
				Meta map[string]any `json:"_meta"`
			}
			_ = json.Unmarshal(params, &p)
			got = p.Meta
			return `{"content":[{"type":"text","text":"done"}]}`, nil
		}, plainTool)
		client := open(t, mcp.Server{Name: "s", Ask: never, Dial: server.dial, Meta: func(ctx context.Context) map[string]any {
			return map[string]any{"traceparent": "00-1-2-01 of " + tool.CallFrom(ctx).Tool, mcp.KeyMeta: "forged", "progressToken": "forged"}
		}})
		model := llmtest.Script(t, llmtest.Calls("s__run", `{}`), llmtest.Text("Done."))
		_, err := runner.Runner{Model: model}.Run(t.Context(), &agent.Agent{Toolsets: client.Toolsets()}, llm.User("Go."))
		require.NoError(t, err)
		require.Equal(t, "00-1-2-01 of s__run", got["traceparent"])
		require.Len(t, got[mcp.KeyMeta], 32)
		require.NotEqual(t, "forged", got["progressToken"])
	})
}
