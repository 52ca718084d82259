package mcp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

const unsure = ". It is not known whether the call took effect: check before you call it again.|outcome_unknown"

// oddAnswers are responses to a call that the SDK does not understand, or that name
// another request. $id is the id of the call.
var oddAnswers = []struct {
	name, answer string
	// What the model reads, "|", and the kind of the failure. Over HTTP a response
	// belongs to its request. On a shared stream it may belong to another request; ""
	// means the same as over HTTP.
	web, lines string
}{
	{"an error with another id", `{"jsonrpc":"2.0","error":{"code":-32603,"message":"it broke inside"},"id":"xxx"}`, "it broke inside|failed", nameless},
	{"an error with another number", `{"jsonrpc":"2.0","error":{"code":-32603,"message":"it broke inside"},"id":7777}`, "it broke inside|failed", nameless},
	{"an error with a number of before", `{"jsonrpc":"2.0","error":{"code":-32603,"message":"it broke inside"},"id":1}`, "it broke inside|failed", nameless},
	{"an error with no number", `{"jsonrpc":"2.0","error":{"code":-32603,"message":"it broke inside"},"id":$id.5}`, "it broke inside|failed", nameless},
	{"an error with an id that is an object", `{"jsonrpc":"2.0","error":{"code":-32603,"message":"it broke inside"},"id":{}}`, "it broke inside|failed", nameless},
	{"an error with the id null", `{"jsonrpc":"2.0","error":{"code":-32603,"message":"it broke inside"},"id":null}`, "it broke inside|failed", nameless},
	{"an error without an id", `{"jsonrpc":"2.0","error":{"code":-32603,"message":"it broke inside"}}`, "it broke inside|failed", nameless},
	{"an error without a version", `{"error":{"code":-32603,"message":"it broke inside"},"id":"xxx"}`, "it broke inside|failed", nameless},
	{"an error alone", `{"error":"it broke inside"}`, "it broke inside|failed", nameless},
	{"an error in a batch", `[{"jsonrpc":"2.0","error":{"code":-32603,"message":"it broke inside"},"id":null}]`, "it broke inside|failed", nameless},
	{"an error of a parser", `{"jsonrpc":"2.0","error":{"code":-32700,"message":"it broke inside"},"id":null}`, "it broke inside|failed", nameless},

	{"a code that is a text", `{"jsonrpc":"2.0","error":{"code":"ENOENT","message":"no such file"},"id":$id}`, "no such file (ENOENT)|failed", ""},
	{"a code that is in the message", `{"jsonrpc":"2.0","error":{"code":"ENOENT","message":"ENOENT: no such file"},"id":$id}`, "ENOENT: no such file|failed", ""},
	{"a code that is the text of a number", `{"jsonrpc":"2.0","error":{"code":"-32602","message":"path is missing"},"id":$id}`, "path is missing\nSend the call again with corrected arguments.|invalid_arguments", ""},
	{"a code that is a float", `{"jsonrpc":"2.0","error":{"code":-3.2602e4,"message":"path is missing"},"id":$id}`, "path is missing\nSend the call again with corrected arguments.|invalid_arguments", ""},
	{"a code that is no integer", `{"jsonrpc":"2.0","error":{"code":1.5,"message":"no"},"id":$id}`, "no|failed", ""},
	{"a code beyond all", `{"jsonrpc":"2.0","error":{"code":1e999,"message":"no"},"id":$id}`, "no (1e999)|failed", ""},
	{"a code that is null", `{"jsonrpc":"2.0","error":{"code":null,"message":"no"},"id":$id}`, "no|failed", ""},
	{"no code", `{"jsonrpc":"2.0","error":{"message":"no"},"id":$id}`, "no|failed", ""},
	{"a code of ours", `{"jsonrpc":"2.0","error":{"code":-32006,"message":"no"},"id":$id}`, "no|failed", ""},
	{"a code in capitals", `{"jsonrpc":"2.0","error":{"Code":-32602,"Message":"x","code":-32000,"message":"no"},"id":$id}`, "no|failed", ""},
	{"a message that is an object", `{"jsonrpc":"2.0","error":{"code":-32000,"message":{"text":"no"}},"id":$id}`, `{"text":"no"}|failed`, ""},
	{"a message that is null", `{"jsonrpc":"2.0","error":{"code":-32000,"message":null,"data":"no"},"id":$id}`, "no|failed", ""},
	{"no message, and data", `{"jsonrpc":"2.0","error":{"code":-32000,"data":{"why":"no"}},"id":$id}`, `{"why":"no"}|failed`, ""},
	{"an error of another form", `{"jsonrpc":"2.0","error":{"detail":"no"},"id":$id}`, `{"detail":"no"}|failed`, ""},
	{"an error that is a text", `{"jsonrpc":"2.0","error":"no","id":$id}`, "no|failed", ""},
	{"an error that is a list", `{"jsonrpc":"2.0","error":["no"],"id":$id}`, `["no"]|failed`, ""},
	{"an error and its id as text", `{"jsonrpc":"2.0","error":{"code":-32000,"message":"no"},"id":"$id"}`, "no|failed", ""},
	{"an error of another version", `{"jsonrpc":2,"error":{"code":-32000,"message":"no"},"id":$id}`, "no|failed", ""},

	{"no error", `{"jsonrpc":"1.0","result":` + worked + `,"error":null,"id":$id}`, isWorked, ""},
	{"an error that is false", `{"jsonrpc":"2.0","result":` + worked + `,"error":false,"id":$id}`, isWorked, ""},
	{"no version", `{"result":` + worked + `,"id":$id}`, isWorked, ""},
	{"the id as text", `{"jsonrpc":"2.0","result":` + worked + `,"id":"$id"}`, isWorked, ""},
	{"the id as a float", `{"jsonrpc":"2.0","result":` + worked + `,"id":$id.0}`, isWorked, ""},
	{"a batch", `[{"jsonrpc":"2.0","method":"notifications/x"},{"jsonrpc":"2.0","result":` + worked + `,"id":$id}]`, isWorked, ""},
	{"a result with another id", `{"jsonrpc":"2.0","result":` + worked + `,"id":7777}`, "The server of the tool answered with the id 7777, which no request has" + unsure, ""},
	{"a result with the id null", `{"jsonrpc":"2.0","result":` + worked + `,"id":null}`, "The server of the tool answered without the id of a request" + unsure, ""},
	{"a result without an id", `{"jsonrpc":"2.0","result":` + worked + `}`, "The server of the tool answered without the id of a request" + unsure, ""},
	{"neither", `{"jsonrpc":"2.0","id":$id}`, "The server of the tool answered with neither a result nor an error" + unsure, ""},
	{"a result that is null", `{"jsonrpc":"2.0","result":null,"id":$id}`, "(no output)", ""},

	{"isError is a text", `{"jsonrpc":"2.0","result":{"content":[{"type":"text","text":"disk full"}],"isError":"false"},"id":$id}`, "disk full\n[isError is \"false\", which is neither true nor false: it is not known whether the tool failed]|failed", ""},
	{"isError is another text", `{"jsonrpc":"2.0","result":{"content":[{"type":"text","text":"disk full"}],"isError":"true"},"id":$id}`, "disk full\n[isError is \"true\", which is neither true nor false: it is not known whether the tool failed]|failed", ""},
	{"isError is a number", `{"jsonrpc":"2.0","result":{"content":[{"type":"text","text":"disk full"}],"isError":0},"id":$id}`, "disk full\n[isError is 0, which is neither true nor false: it is not known whether the tool failed]|failed", ""},
	{"isError is null", `{"jsonrpc":"2.0","result":{"content":[{"type":"text","text":"Worked."}],"isError":null},"id":$id}`, isWorked, ""},
	{"content is a text", `{"jsonrpc":"2.0","result":{"content":"disk full"},"id":$id}`, "The tool ran, but the server's answer cannot be read: {\"content\":\"disk full\"}|failed", ""},
	{"a result that is a text", `{"jsonrpc":"2.0","result":"disk full","id":$id}`, "The tool ran, but the server's answer cannot be read: \"disk full\"|failed", ""},
	{"members that the SDK decodes", `{"jsonrpc":"2.0","result":{"content":[{"type":"text","text":"Worked."}],"_meta":7,"resultType":"complete","ttlMs":"x","taskId":7},"id":$id}`, isWorked, ""},
}

const nameless = "The server of the tool answered with an error that names no request: it broke inside" + unsure

// called returns the outcome of a call of the tool work, and its duration.
func called(t *testing.T, s mcp.Server) (string, time.Duration) {
	t.Helper()
	s.Name = "s"
	client := open(t, s)
	work := toolNamed(t, toolsOf(t, client), "s__work")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	start := time.Now()
	parts, err := work.Call(ctx, json.RawMessage(`{}`))
	took := time.Since(start)
	if failure, ok := errors.AsType[*tool.Error](err); ok {
		return failure.Message + "|" + string(failure.Failure), took
	}
	require.NoError(t, err)
	return textOf(parts), took
}

// answersOverWeb are HTTP servers that answer a call with the given response.
func answersOverWeb(answer string) map[string]func(http.ResponseWriter, *http.Request, heard) {
	line := strings.ReplaceAll(answer, "\n", " ")
	return map[string]func(http.ResponseWriter, *http.Request, heard){
		"JSON":   bodyOf("application/json", answer),
		"events": bodyOf("text/event-stream", "data: "+line+"\n\n"),
		"events that go on": func(w http.ResponseWriter, r *http.Request, h heard) {
			bodyOf("text/event-stream", "data: "+line+"\n\n")(w, r, h)
			_ = http.NewResponseController(w).Flush()
			hangs(w, r, h)
		},
	}
}

// TestOddAnswersOverHTTP: a call does not wait for an impossible response, and the
// failure quotes the server.
func TestOddAnswersOverHTTP(t *testing.T) {
	t.Parallel()
	for _, tt := range oddAnswers {
		for way, do := range answersOverWeb(tt.answer) {
			t.Run(tt.name+"/"+way, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					f := &webFoe{do: webAt("tools/call", do)}
					said, took := called(t, mcp.Server{URL: "http://evil.example/mcp", HTTPClient: f.client(t)})
					require.Equal(t, tt.web, said)
					require.LessOrEqual(t, took, time.Second)
				})
			})
		}
	}
}

// TestOddAnswersInLines: the same with all responses on one stream.
func TestOddAnswersInLines(t *testing.T) {
	t.Parallel()
	for _, tt := range oddAnswers {
		want := tt.lines
		if want == "" {
			want = tt.web
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				said, took := called(t, mcp.Server{Dial: inMemoryFoe(t, saidAt(tt.answer))})
				require.Equal(t, want, said)
				require.LessOrEqual(t, took, time.Second)
			})
		})
	}
}

// TestOddAnswersOfAProcess: the same for a process that also writes other lines.
func TestOddAnswersOfAProcess(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	require.NoError(t, err)
	noise := `{"level":"error","id":7,"error":"no","msg":"x"}` + "\n" + `{"no":"rpc"}` + "\n"
	for name, tt := range map[string]struct{ answer, want string }{
		"another id":     {noise + `{"error":{"code":-32603,"message":"it broke inside"},"id":"xxx"}`, nameless},
		"the id null":    {noise + `{"jsonrpc":"2.0","error":{"code":-32603,"message":"it broke inside"},"id":null}`, nameless},
		"no number":      {noise + `{"jsonrpc":"2.0","error":{"code":"ENOENT","message":"no such file"},"id":$id}`, "no such file (ENOENT)|failed"},
		"a batch":        {noise + `[{"jsonrpc":"2.0","result":` + worked + `,"id":"$id"},7]`, isWorked},
		"half an answer": {noise + `{"jsonrpc":"2.0","id":$id,"result":{"content":[`, `The server of the tool sent a response that cannot be read: {"jsonrpc":"2.0","id":4,"result":{"content":[` + unsure},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said, _ := called(t, mcp.Server{Command: []string{exe}, Env: map[string]string{foeVariable: "says " + tt.answer}})
			require.Equal(t, tt.want, said)
		})
	}
}

// TestOddResponses: the failure also quotes HTTP errors outside of the protocol.
func TestOddResponses(t *testing.T) {
	t.Parallel()
	with := func(code int, kind, text string) func(http.ResponseWriter, *http.Request, heard) {
		return func(w http.ResponseWriter, _ *http.Request, h heard) {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(code)
			_, _ = w.Write([]byte(strings.ReplaceAll(text, "$id", string(h.ID))))
		}
	}
	refused := func(status, said string) string {
		return "The call was not made, so it had no effect: the server refused it (" + status + ": " + said + ").|failed"
	}
	doubted := func(happened string) string { return "The server of the tool " + happened + unsure }
	const own = `{"jsonrpc":"2.0","id":$id,"error":{"code":-32603,"message":"it broke inside"}}`
	for name, tt := range map[string]struct {
		do   func(http.ResponseWriter, *http.Request, heard)
		want string
	}{
		"200, a detail":              {with(200, "application/json", `{"detail":"it broke inside"}`), doubted("answered 200 OK with an invalid message: it broke inside")},
		"200, a message":             {with(200, "application/json", `{"status":"error","message":"it broke inside"}`), doubted("answered 200 OK with an invalid message: it broke inside")},
		"200, an error and more":     {with(200, "application/json", `{"status":500,"error":"it broke inside"}`), doubted("answered 200 OK with an invalid message: it broke inside")},
		"200, a text in JSON":        {with(200, "application/json", `"it broke inside"`), doubted(`answered 200 OK with an invalid message: "it broke inside"`)},
		"200, nothing":               {with(200, "application/json", ``), doubted("answered 200 OK with an invalid message")},
		"200, text":                  {with(200, "text/plain", `it broke inside`), doubted("answered 200 OK with text/plain, which the protocol does not allow: it broke inside")},
		"200, a problem":             {with(200, "application/problem+json", `{"title":"x","detail":"it broke inside"}`), doubted("answered 200 OK with application/problem+json, which the protocol does not allow: it broke inside")},
		"202":                        {with(202, "", ``), doubted("answered 202 Accepted without a content type")},
		"204":                        {with(204, "", ``), doubted("answered 204 No Content without a content type")},
		"400, the id null":           {with(400, "application/json", `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"it broke inside"}}`), refused("400 Bad Request", "it broke inside")},
		"400, OAuth":                 {with(400, "application/json", `{"error":"invalid_token","error_description":"it is too old"}`), refused("400 Bad Request", "it is too old")},
		"400, its own":               {with(400, "application/json", own), "it broke inside|failed"},
		"400, its own, as text":      {with(400, "application/json", strings.Replace(own, "-32603", `"EIO"`, 1)), "it broke inside (EIO)|failed"},
		"403, text":                  {with(403, "text/plain; charset=utf-8", "no access\r\n"), refused("403 Forbidden", "no access")},
		"429, a detail":              {with(429, "application/json", `{"detail":"slow down"}`), refused("429 Too Many Requests", "slow down")},
		"500, its own":               {with(500, "application/json", own), doubted("answered with a server error (500 Internal Server Error: it broke inside)")},
		"502, a page":                {with(502, "text/html", "<h1>no</h1>"), doubted("answered with a server error (502 Bad Gateway)")},
		"503, text":                  {with(503, "text/plain", "it starts"), doubted("answered with a server error (503 Service Unavailable: it starts)")},
		"events, of errors":          {with(200, "text/event-stream", "event: error\ndata: {\"message\":\"it broke inside\"}\n\n"), doubted("broke its answer off with an error: it broke inside")},
		"events, of errors as text":  {with(200, "text/event-stream", "event: error\ndata: it broke inside\n\n"), doubted("broke its answer off with an error: it broke inside")},
		"events, no message":         {with(200, "text/event-stream", "data: it broke inside\n\n"), doubted("answered with an invalid message: it broke inside")},
		"events, one is no message":  {with(200, "text/event-stream", "data: [DONE]\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":"+worked+"}\n\n"), isWorked},
		"events, nothing":            {with(200, "text/event-stream", ""), doubted("disconnected before it answered")},
		"events, only notifications": {with(200, "text/event-stream", "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}\n\n"), doubted("disconnected before it answered")},
		"events, first another":      {with(200, "text/event-stream", "data: {\"jsonrpc\":\"2.0\",\"id\":999,\"result\":{}}\n\ndata: {\"jsonrpc\":\"2.0\",\"id\":$id,\"result\":"+worked+"}\n\n"), isWorked},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &webFoe{do: webAt("tools/call", tt.do)}
				said, took := called(t, mcp.Server{URL: "http://evil.example/mcp", HTTPClient: f.client(t)})
				require.Equal(t, tt.want, said)
				require.LessOrEqual(t, took, time.Second)
			})
		})
	}
}

// TestOddAnswersAmongOthers: an error without a request id is not assigned to a call
// that gets its own response, nor to a notification.
func TestOddAnswersAmongOthers(t *testing.T) {
	t.Parallel()
	const nobodys = `{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"it broke inside"}}`
	t.Run("two calls, one is answered", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			n := 0
			run := toolsOf(t, open(t, mcp.Server{Name: "s", Dial: inMemoryFoe(t, at("tools/call", func(f *foe, h heard) {
				if n++; n == 1 {
					return
				}
				f.say(nobodys)
				time.Sleep(5 * time.Second) // synctest: exact in a bubble
				f.answer(h, worked)
			}))}))[0]
			first := make(chan error, 1)
			start := time.Now()
			go func() { _, err := run.Call(t.Context(), json.RawMessage(`{}`)); first <- err }()
			synctest.Wait()
			parts, err := run.Call(t.Context(), json.RawMessage(`{}`))
			require.NoError(t, err)
			require.Equal(t, llm.Parts{llm.Text{Text: isWorked}}, parts)
			require.ErrorContains(t, <-first, "outcome_unknown: the server answered without the id of a request: it broke inside")
			require.Equal(t, 5*time.Second, time.Since(start))
		})
	})
	t.Run("two calls, two errors", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			run := toolsOf(t, open(t, mcp.Server{Name: "s", Dial: inMemoryFoe(t, at("tools/call", func(f *foe, h heard) {
				time.Sleep(time.Second) // synctest: exact in a bubble; both wait by then
				f.say(nobodys)
			}))}))[0]
			errs := make(chan error, 2)
			start := time.Now()
			for range 2 {
				go func() { _, err := run.Call(t.Context(), json.RawMessage(`{}`)); errs <- err }()
			}
			for range 2 {
				require.ErrorContains(t, <-errs, "it broke inside")
			}
			require.Equal(t, 2*time.Second, time.Since(start))
		})
	})
	t.Run("a call that was given up", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			n := 0
			run := toolsOf(t, open(t, mcp.Server{Name: "s", Dial: inMemoryFoe(t, at("tools/call", func(f *foe, h heard) {
				if n++; n == 1 {
					go func() {
						time.Sleep(3 * time.Second) // synctest: exact in a bubble
						f.refuse(h, -32000, "too late")
					}()
					return
				}
				time.Sleep(5 * time.Second) // synctest: exact in a bubble
				f.answer(h, worked)
			}))}))[0]
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := run.Call(ctx, json.RawMessage(`{}`))
			require.Error(t, err)
			parts, err := run.Call(t.Context(), json.RawMessage(`{}`))
			require.NoError(t, err)
			require.Equal(t, llm.Parts{llm.Text{Text: isWorked}}, parts)
		})
	})
	for name, complaint := range map[string]string{
		"no such method": `{"jsonrpc":"2.0","id":null,"error":{"code":-32601,"message":"Method not found"}}`,
		"no request":     `{"jsonrpc":"2.0","error":{"code":-32600,"message":"Invalid Request: id is required"}}`,
		"by its name":    `{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"cannot handle notifications/initialized"}}`,
		"a result":       `{"jsonrpc":"2.0","id":null,"result":{}}`,
	} {
		t.Run("a notification is answered, "+name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				said, _ := called(t, mcp.Server{Dial: inMemoryFoe(t, func(f *foe, h heard) bool {
					if strings.HasPrefix(h.Method, "notifications/") {
						f.say(complaint)
					}
					if h.Method == "tools/list" {
						time.Sleep(10 * time.Second) // synctest: exact in a bubble
					}
					return false
				})})
				require.Equal(t, isWorked, said)
			})
		})
	}
}

// TestOddAnswersBeforeCalls: an invalid response to the connection or a listing is
// reported as the error of that request.
func TestOddAnswersBeforeCalls(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"initialize", "tools/list"} {
		for name, id := range map[string]string{"another id": `"xxx"`, "the id null": `null`, "a number": `7777`} {
			answer := fmt.Sprintf(`{"jsonrpc":"2.0","error":{"code":-32603,"message":"it broke inside"},"id":%s}`, id)
			t.Run(method+"/"+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					web := &webFoe{do: webAt(method, bodyOf("application/json", answer))}
					client := open(t,
						mcp.Server{Name: "lines", Dial: inMemoryFoe(t, at(method, func(f *foe, _ heard) { f.say("%s", answer) }))},
						mcp.Server{Name: "web", URL: "http://evil.example/mcp", HTTPClient: web.client(t)})
					start := time.Now()
					for _, s := range client.Status(t.Context()) {
						require.ErrorContains(t, s.Err, fmt.Sprintf(`calling %q: it broke inside`, method))
					}
					require.LessOrEqual(t, time.Since(start), time.Second)
				})
			})
		}
	}
	t.Run("discover", func(t *testing.T) { // who knows only the old protocol may say so in any way
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			said, _ := called(t, mcp.Server{Dial: inMemoryFoe(t, at("server/discover", func(f *foe, _ heard) {
				f.say(`{"jsonrpc":"2.0","error":{"code":-32601,"message":"no such method"},"id":null}`)
			}))})
			require.Equal(t, isWorked, said)
		})
	})
}
