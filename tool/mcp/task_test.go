package mcp_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

// overTasks runs a test for each transport.
func overTasks(t *testing.T, test func(t *testing.T, serve func(*testing.T, *taskFoe) mcp.Server)) {
	t.Helper()
	for name, serve := range taskTransports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { test(t, serve) })
		})
	}
}

// TestTask: a tool that requires tasks is called as a task, and its result is complete.
func TestTask(t *testing.T) {
	t.Parallel()
	overTasks(t, func(t *testing.T, serve func(*testing.T, *taskFoe) mcp.Server) {
		const result = `{"content":[],"structuredContent":{"z":9007199254740993,"a":1},"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t1"}}}`
		f := &taskFoe{
			do:     answersAt("tasks/result", result),
			states: []string{inState("working", `"ttl":null`), inState("working"), inState("completed")},
		}
		client := open(t, serve(t, f))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		ctx = tool.WithCall(ctx, tool.Call{Key: "k"}, nil)
		one := toolsOf(t, client)[0]
		start := time.Now()
		parts, err := one.Call(ctx, json.RawMessage(`{"n":9007199254740993}`))
		require.NoError(t, err)
		require.Equal(t, llm.Parts{llm.Text{Text: `{"z":9007199254740993,"a":1}`}}, parts)
		require.Equal(t, 2*time.Second, time.Since(start))
		require.Equal(t, "tools/call get get result", f.methods())

		created := f.params("tools/call")
		require.NotEmpty(t, metaOf(created, "progressToken"))
		require.Len(t, metaOf(created, mcp.KeyMeta), 32)
		_, after, _ := strings.Cut(created, `},"`) // _meta comes first
		require.Equal(t, `name":"work","arguments":{"n":9007199254740993},"task":{"ttl":120000}}`, after)
		require.Equal(t, `{"taskId":"t1"}`, f.params("tasks/get"))
		require.Equal(t, `{"taskId":"t1"}`, f.params("tasks/result"))
	})
}

// TestTaskPace: the client polls a task at the server's interval, within bounds.
func TestTaskPace(t *testing.T) {
	t.Parallel()
	for interval, want := range map[string]time.Duration{
		`null`: time.Second, `0`: time.Second, `-5`: time.Second, `-1e999`: time.Second, `"5"`: time.Second, `{}`: time.Second,
		`0.001`: 100 * time.Millisecond, `1`: 100 * time.Millisecond, `250`: 250 * time.Millisecond, `5000.5`: 5 * time.Second,
		`3600000`: 30 * time.Second, `1e300`: 30 * time.Second, `1e999`: 30 * time.Second,
	} {
		t.Run(interval, func(t *testing.T) {
			t.Parallel()
			overTasks(t, func(t *testing.T, serve func(*testing.T, *taskFoe) mcp.Server) {
				f := &taskFoe{states: []string{inState("working", `"pollInterval":`+interval), inState("completed")}}
				one := toolsOf(t, open(t, serve(t, f)))[0]
				start := time.Now()
				_, err := one.Call(t.Context(), json.RawMessage(`{}`))
				require.NoError(t, err)
				require.Equal(t, want, time.Since(start))
			})
		})
	}
}

// TestTaskProgress: the messages of a task's states are progress, beside the call's
// progress reports, which continue after the task was created.
func TestTaskProgress(t *testing.T) {
	t.Parallel()
	overTasks(t, func(t *testing.T, serve func(*testing.T, *taskFoe) mcp.Server) {
		token, gets := "", 0
		f := &taskFoe{
			do: func(f *foe, h heard) bool {
				if h.Method == "tools/call" {
					token = h.token()
				}
				if h.Method == "tasks/result" || h.Method == "tasks/get" && gets == 0 {
					f.say(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%q,"progress":%d,"total":3}}`, token, gets+1)
				}
				if h.Method == "tasks/get" {
					gets++
					f.say(`{"jsonrpc":"2.0","method":"notifications/tasks/status","params":%s}`, inState("completed"))
				}
				return false
			},
			states: []string{
				inState("working", `"statusMessage":"Reads\u001b[2J\u202e"`), inState("working", `"statusMessage":"Reads[2J"`),
				inState("working", `"statusMessage":7`), inState("input_required", `"statusMessage":"Writes"`),
			},
		}
		one := toolsOf(t, open(t, serve(t, f)))[0]
		var mu sync.Mutex
		var told []string
		ctx := tool.WithCall(t.Context(), tool.Call{}, func(done, total float64, message string) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, fmt.Sprint(done, total, " ", message))
		})
		_, err := one.Call(ctx, json.RawMessage(`{}`))
		require.NoError(t, err)
		require.Equal(t, []string{"0 0 Reads[2J", "1 3 ", "1 3 Writes", "4 3 "}, told)
	})
}

// TestTaskAsks: a task that asks for input gets it, and then returns its result.
func TestTaskAsks(t *testing.T) {
	t.Parallel()
	overTasks(t, func(t *testing.T, serve func(*testing.T, *taskFoe) mcp.Server) {
		answer := make(chan struct{})
		f := &taskFoe{
			do: func(f *foe, h heard) bool {
				switch {
				case h.Method == "" && string(h.ID) == `"e1"`:
					close(answer)
				case h.Method == "tasks/result":
					f.say(`{"jsonrpc":"2.0","id":"e1","method":"elicitation/create","params":{"message":"Who?","requestedSchema":{"type":"object","properties":{}},"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t1"}}}}`)
					go func() { // the answer comes in another request
						<-answer
						f.answer(h, worked)
					}()
				default:
					return false
				}
				return true
			},
			states: []string{inState("input_required")},
		}
		s := serve(t, f)
		var asked string
		s.Elicit = func(_ context.Context, req *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
			asked = req.Params.Message
			return &sdk.ElicitResult{Action: "decline"}, nil
		}
		parts, err := toolsOf(t, open(t, s))[0].Call(t.Context(), json.RawMessage(`{}`))
		require.NoError(t, err)
		require.Equal(t, "Worked.", textOf(parts))
		require.Equal(t, "Who?", asked)
		require.Equal(t, "tools/call result", f.methods())
	})
}

// TestTaskGivenUp: a task that the caller has given up is cancelled, and the outcome of
// the call is unknown.
func TestTaskGivenUp(t *testing.T) {
	t.Parallel()
	errEnough := errors.New("enough")
	overTasks(t, func(t *testing.T, serve func(*testing.T, *taskFoe) mcp.Server) {
		f := &taskFoe{states: []string{inState("working")}}
		one := toolsOf(t, open(t, serve(t, f)))[0]
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(1500*time.Millisecond, func() { cancel(errEnough) })
		start := time.Now()
		_, err := one.Call(ctx, json.RawMessage(`{}`))
		requireFailure(t, tool.Fail(tool.OutcomeUnknown, "", nil), err)
		require.ErrorIs(t, err, errEnough)
		require.Equal(t, 1500*time.Millisecond, time.Since(start))
		require.Equal(t, "tools/call get cancel", f.methods())
		require.Equal(t, `{"taskId":"t1"}`, f.params("tasks/cancel"))
	})
}

// TestTaskOfClosedClient: closing the client does not wait for a task.
func TestTaskOfClosedClient(t *testing.T) {
	t.Parallel()
	overTasks(t, func(t *testing.T, serve func(*testing.T, *taskFoe) mcp.Server) {
		f := &taskFoe{states: []string{inState("working", `"pollInterval":30000`)}}
		client := open(t, serve(t, f))
		one := toolsOf(t, client)[0]
		time.AfterFunc(time.Second, func() { _ = client.Close() })
		start := time.Now()
		_, err := one.Call(t.Context(), json.RawMessage(`{}`))
		requireFailure(t, &tool.Error{Failure: tool.OutcomeUnknown, Message: inDoubt}, err)
		require.LessOrEqual(t, time.Since(start), 2*time.Second)
		require.Equal(t, "tools/call", f.methods())
	})
}

// TestTaskOverHTTP: a failed request about a task is repeated up to three times. No
// other request is repeated, and each has its own method and parameters.
func TestTaskOverHTTP(t *testing.T) {
	t.Parallel()
	lapse := status(http.StatusServiceUnavailable)
	move := func(w http.ResponseWriter, r *http.Request, _ heard) {
		http.Redirect(w, r, "http://evil.example/moved", http.StatusTemporaryRedirect)
	}
	for name, tt := range map[string]struct {
		method string
		do     []func(http.ResponseWriter, *http.Request, heard) // nil: polite
		want   string                                            // "": it works
		counts string                                            // of tools/call, tasks/get, tasks/result and tasks/cancel
	}{
		"polite":                      {"", nil, "", "1 1 1 0"},
		"the state, after a pause":    {"tasks/get", []func(http.ResponseWriter, *http.Request, heard){lapse, lapse, lapse}, "", "1 4 1 0"},
		"the state, never":            {"tasks/get", []func(http.ResponseWriter, *http.Request, heard){lapse, lapse, lapse, lapse}, strings.Replace(inDoubt, "disconnected before it answered", "answered 503 Service Unavailable: no [2Jhunter2-hunter2", 1), "1 4 0 1"},
		"the state, now and then":     {"tasks/get", []func(http.ResponseWriter, *http.Request, heard){lapse, lapse, nil, lapse, lapse, nil, lapse, lapse}, "", "1 9 1 0"},
		"the result, after a pause":   {"tasks/result", []func(http.ResponseWriter, *http.Request, heard){lapse, breaks, lapse}, "", "1 1 4 0"},
		"the result, never":           {"tasks/result", []func(http.ResponseWriter, *http.Request, heard){lapse, lapse, lapse, breaks}, inDoubt, "1 1 4 0"},
		"the session is gone":         {"tasks/get", []func(http.ResponseWriter, *http.Request, heard){status(404)}, inDoubt, "1 1 0 0"},
		"no access any more":          {"tasks/get", []func(http.ResponseWriter, *http.Request, heard){status(403)}, strings.Replace(inDoubt, "disconnected before it answered", "answered 403 Forbidden: no [2Jhunter2-hunter2", 1), "1 1 0 0"},
		"the state is elsewhere":      {"tasks/get", []func(http.ResponseWriter, *http.Request, heard){move}, "", "1 2 1 0"},
		"the call is elsewhere":       {"tools/call", []func(http.ResponseWriter, *http.Request, heard){move}, "", "2 1 1 0"},
		"the call is not taken":       {"tools/call", []func(http.ResponseWriter, *http.Request, heard){status(403)}, "The call was not made, so it had no effect: the server refused it (403 Forbidden: no [2Jhunter2-hunter2).|failed", "1 0 0 0"},
		"the call breaks":             {"tools/call", []func(http.ResponseWriter, *http.Request, heard){breaks}, inDoubt, "1 0 0 0"},
		"the session was gone before": {"tools/call", []func(http.ResponseWriter, *http.Request, heard){status(404)}, "", "2 1 1 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				states := []string{inState("working"), inState("completed")}
				if strings.Contains(name, "now and then") {
					states = []string{states[0], states[0], states[0], states[1]}
				}
				tasks := &taskFoe{states: states}
				polite, n := onWeb(tasks.serve), 0
				f := &webFoe{do: func(w http.ResponseWriter, r *http.Request, h heard) bool {
					if h.Method == tt.method && n < len(tt.do) {
						n++
						if do := tt.do[n-1]; do != nil {
							do(w, r, h)
							return true
						}
					}
					return polite(w, r, h)
				}}
				web := f.client(t)
				web.Transport = secondBody{web.Transport}
				client := open(t, mcp.Server{Name: "s", URL: "http://evil.example/mcp", HTTPClient: web})
				parts, err := toolsOf(t, client)[0].Call(t.Context(), json.RawMessage(`{}`))
				if want, kind, _ := strings.Cut(tt.want, "|"); want != "" {
					requireFailure(t, &tool.Error{Failure: cmp.Or(tool.Failure(kind), tool.OutcomeUnknown), Message: want}, err)
				} else {
					require.NoError(t, err)
					require.Equal(t, "Worked.", textOf(parts))
				}
				f.mu.Lock()
				defer f.mu.Unlock()
				require.Equal(t, tt.counts, fmt.Sprint(f.counts["tools/call"], f.counts["tasks/get"], f.counts["tasks/result"], f.counts["tasks/cancel"]))
			})
		})
	}
}

// secondBody uses GetBody, as a repeated request does.
type secondBody struct{ http.RoundTripper }

func (s secondBody) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.GetBody != nil {
		_ = req.Body.Close()
		req.Body, _ = req.GetBody() // it is in memory
	}
	return s.RoundTripper.RoundTrip(req)
}

// TestTaskSecrets: the messages of a task contain no secrets of ours, during the task
// and after a failure.
func TestTaskSecrets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &taskFoe{
			do:     at("tasks/result", func(f *foe, h heard) { f.refuse(h, -32000, "no "+foeSecret) }),
			states: []string{inState("failed", `"statusMessage":"no tea, `+foeSecret+`"`)},
		}
		s := taskTransports["HTTP"](t, f)
		s.Header = map[string]string{"Authorization": "Bearer " + foeSecret}
		var told []string
		ctx := tool.WithCall(t.Context(), tool.Call{}, func(_, _ float64, message string) { told = append(told, message) })
		_, err := toolsOf(t, open(t, s))[0].Call(ctx, json.RawMessage(`{}`))
		requireFailure(t, &tool.Error{Failure: tool.Failed, Message: "no tea, [redacted] (no [redacted])"}, err)
		require.Equal(t, []string{"no tea, [redacted]"}, told)
		require.NotContains(t, err.Error(), foeSecret)
	})
}

// TestTaskSupport: a tool is called as a task if it requires tasks and the server
// supports them, in the ordinary way if tasks are optional, and is left out otherwise.
func TestTaskSupport(t *testing.T) {
	t.Parallel()
	const only = "it requires calls as tasks, "
	const unannounced = only + "and the server does not support tasks for its tools"
	hello := func(capabilities string) string {
		return `{"protocolVersion":"2025-11-25","capabilities":{"tools":{}` + capabilities + `},"serverInfo":{"name":"foe","version":"1"}}`
	}
	const all = `,"tasks":{"requests":{"tools":{"call":{}}}}`
	for name, tt := range map[string]struct {
		hello, support string
		left           string // the reason
		task           bool
	}{
		"required":               {hello(all), `"required"`, "", true},
		"required, announced so": {hello(`,"tasks":{"requests":{"tools":{"call":true}}}`), `"required"`, "", true},
		"optional":               {hello(all), `"optional"`, "", false},
		"forbidden":              {hello(all), `"forbidden"`, "", false},
		"null":                   {hello(all), `null`, "", false},
		"not announced":          {hello(``), `"required"`, unannounced, false},
		"of other requests":      {hello(`,"tasks":{"list":{},"cancel":{},"requests":{"tools":{"call":null}}}`), `"required"`, unannounced, false},
		"announced as nonsense":  {hello(`,"tasks":[7]`), `"required"`, unannounced, false},
		"denied":                 {hello(`,"tasks":{"requests":{"tools":{"call":false}}}`), `"required"`, unannounced, false},
		"forged":                 {strings.Replace(hello(``), `{`, `{"_meta":{"toolloop.internal/raw":"{\"capabilities\":{`+strings.ReplaceAll(all[1:], `"`, `\"`)+`}}"},`, 1), `"required"`, unannounced, false},
		"of an older protocol":   {strings.Replace(hello(all), "2025-11-25", "2025-06-18", 1), `"required"`, only + "as in protocol 2025-11-25, and the server speaks 2025-06-18", false},
		"of the newest protocol": {"", `"required"`, only + "as in protocol 2025-11-25, and the server speaks 2026-07-28", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overTasks(t, func(t *testing.T, serve func(*testing.T, *taskFoe) mcp.Server) {
				f := &taskFoe{states: []string{inState("completed")}}
				f.do = func(f *foe, h heard) bool {
					switch {
					case h.Method == "server/discover" && tt.hello == "":
						f.answer(h, `{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}`+all+`}}`)
					case h.Method == "initialize":
						f.answer(h, tt.hello)
					case h.Method == "tools/list":
						f.answer(h, `{"resultType":"complete","tools":[`+plainTool+`,{"name":"work","inputSchema":{"type":"object"},"execution":{"taskSupport":`+tt.support+`}}]}`)
					case h.Method == "tools/call" && !tt.task:
						f.answer(h, worked)
					default:
						return false
					}
					return true
				}
				client := open(t, serve(t, f))
				tools := toolsOf(t, client)
				if tt.left != "" {
					require.Equal(t, []string{"evil__run"}, namesOf(tools))
					require.Equal(t, []mcp.LeftOut{{Name: "work", Reason: tt.left}}, client.Status(t.Context())[0].LeftOut)
					return
				}
				require.Equal(t, []string{"evil__run", "evil__work"}, namesOf(tools))
				_, err := tools[1].Call(t.Context(), json.RawMessage(`{}`))
				require.NoError(t, err)
				require.Equal(t, tt.task, strings.Contains(f.params("tools/call"), `"task"`))
			})
		})
	}
}
