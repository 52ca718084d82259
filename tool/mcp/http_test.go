package mcp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

const echoSchema = `{"type":"object","properties":{"z":{"maximum":9007199254740993},"a":{}}}`

// echoServer is a server of the SDK with one tool that says its arguments, and
// reports its progress.
func echoServer() *sdk.Server {
	server := sdk.NewServer(&sdk.Implementation{Name: "s"}, nil)
	server.AddTool(&sdk.Tool{Name: "echo", InputSchema: json.RawMessage(echoSchema)}, func(ctx context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		if token := req.Params.GetProgressToken(); token != nil {
			_ = req.Session.NotifyProgress(ctx, &sdk.ProgressNotificationParams{ProgressToken: token, Progress: 1, Total: 2, Message: "half"})
		}
		return &sdk.CallToolResult{StructuredContent: req.Params.Arguments}, nil
	})
	return server
}

// TestWeb: over HTTP, in both kinds of response, everything is as it is over stdio.
func TestWeb(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]*sdk.StreamableHTTPOptions{
		"events": {}, "JSON": {JSONResponse: true}, "events, stateless": {Stateless: true}, "JSON, stateless": {Stateless: true, JSONResponse: true},
	} {
		for _, dialed := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", dialed ", dialed), func(t *testing.T) {
				t.Parallel()
				server := echoServer()
				web := httptest.NewServer(sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return server }, opts))
				defer web.Close()
				s := mcp.Server{Name: "s", Bare: true, URL: web.URL, HTTPClient: web.Client()}
				if dialed {
					s = mcp.Server{Name: "s", Bare: true, Dial: func(context.Context) (sdk.Transport, error) {
						return &sdk.StreamableClientTransport{Endpoint: web.URL, HTTPClient: web.Client()}, nil
					}}
				}
				client, err := mcp.Open(s)
				require.NoError(t, err)
				defer client.Close()
				status := client.Status(t.Context())[0]
				require.NoError(t, status.Err)
				require.Equal(t, echoSchema, string(status.Definitions[0].Schema))
				progress := make(chan string, 1)
				ctx := tool.WithCall(t.Context(), tool.Call{}, func(done, total float64, m string) { progress <- fmt.Sprint(done, total, m) })
				parts, err := toolsOf(t, client)[0].Call(ctx, json.RawMessage(`{"z":9007199254740993,"a":1}`))
				require.NoError(t, err)
				require.Equal(t, llm.Parts{llm.Text{Text: `{"z":9007199254740993,"a":1}`}}, parts)
				if !opts.JSONResponse {
					require.Equal(t, "1 2half", <-progress)
				}
			})
		}
	}
}

// TestHeaderStaysAtHome: a redirect to another host does not get it, nor the
// session.
func TestHeaderStaysAtHome(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		elsewhere.Add(1)
		if r.Header.Get("Authorization")+r.Header.Get("X-Key")+r.Header.Get("Mcp-Session-Id") != "" {
			t.Error("it got a secret")
		}
		w.WriteHeader(http.StatusForbidden)
	}))
	defer other.Close()
	server := echoServer()
	handler := sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return server }, nil)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer secret1" || r.Header.Get("X-Key") != "secret2" {
			t.Error("the header is missing")
		}
		text, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(text)))
		if strings.Contains(string(text), "tools/call") {
			http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	defer web.Close()
	client := open(t, mcp.Server{Name: "s", URL: web.URL, HTTPClient: web.Client(), Header: map[string]string{"authorization": "Bearer secret1", "X-Key": "secret2"}})
	_, err := toolsOf(t, client)[0].Call(t.Context(), json.RawMessage(`{}`))
	require.ErrorContains(t, err, "Forbidden")
	require.Positive(t, elsewhere.Load())
}

// forgetful loses its sessions when it is told to, in one of the ways of servers.
type forgetful struct {
	mu     sync.Mutex
	now    http.Handler
	old    map[string]bool
	status int
	body   string
	calls  int
}

func (f *forgetful) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	server := echoServer()
	f.now = sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return server }, nil)
	f.old = map[string]bool{}
}

func (f *forgetful) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(strings.NewReader(string(text)))
	f.mu.Lock()
	now := f.now
	id := r.Header.Get("Mcp-Session-Id")
	known := id == "" || f.old[id]
	if strings.Contains(string(text), "tools/call") && known {
		f.calls++
	}
	f.mu.Unlock()
	if strings.Contains(string(text), "server/discover") { // so that there are sessions
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if !known {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(f.status)
		_, _ = io.WriteString(w, f.body)
		return
	}
	now.ServeHTTP(&remembering{w, f}, r)
}

type remembering struct {
	http.ResponseWriter
	f *forgetful
}

func (w *remembering) WriteHeader(status int) {
	w.remember()
	w.ResponseWriter.WriteHeader(status)
}

func (w *remembering) Write(p []byte) (int, error) {
	w.remember()
	return w.ResponseWriter.Write(p)
}

func (w *remembering) remember() {
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	w.f.old[w.Header().Get("Mcp-Session-Id")] = true
}

func (w *remembering) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// TestLostSession: the client begins a new one and makes the call once more, which
// the server never had.
func TestLostSession(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]*forgetful{
		"404":                       {status: 404},
		"404 with a null id":        {status: 404, body: `{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}`},
		"404 with an id of its own": {status: 404, body: `{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"Session not found"}}`},
		"400":                       {status: 400, body: `{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f.forget()
			web := httptest.NewServer(f)
			defer web.Close()
			client, err := mcp.Open(mcp.Server{Name: "s", URL: web.URL, HTTPClient: web.Client()})
			require.NoError(t, err)
			defer client.Close()
			echo := toolsOf(t, client)[0]
			for range 2 {
				f.forget()
				parts, err := echo.Call(t.Context(), json.RawMessage(`{"a":1}`))
				require.NoError(t, err)
				require.Equal(t, llm.Parts{llm.Text{Text: `{"a":1}`}}, parts)
			}
			require.Equal(t, 2, f.calls)
		})
	}
}

// TestStatusOfACall: what a status says of whether the call had an effect.
func TestStatusOfACall(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]string{
		401: "The call was not made, so it had no effect: the server refused it (401 Unauthorized).",
		413: "The call was not made, so it had no effect: the server refused it (413 Request Entity Too Large).",
		500: "The server of the tool answered with a server error (500 Internal Server Error). It is not known whether the call took effect: check before you call it again.",
		504: "The server of the tool answered with a server error (504 Gateway Timeout). It is not known whether the call took effect: check before you call it again.",
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			server := echoServer()
			handler := sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return server }, nil)
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				text, _ := io.ReadAll(r.Body)
				r.Body = io.NopCloser(strings.NewReader(string(text)))
				if strings.Contains(string(text), `"tools/call"`) {
					w.WriteHeader(status)
					return
				}
				handler.ServeHTTP(w, r)
			}))
			defer web.Close()
			client, err := mcp.Open(mcp.Server{Name: "s", URL: web.URL, HTTPClient: web.Client()})
			require.NoError(t, err)
			defer client.Close()
			_, err = toolsOf(t, client)[0].Call(t.Context(), json.RawMessage(`{}`))
			var failure *tool.Error
			require.ErrorAs(t, err, &failure)
			require.Equal(t, want, failure.Message)
		})
	}
}

// TestServerThatIsDown: nothing was sent, and it says so.
func TestServerThatIsDown(t *testing.T) {
	t.Parallel()
	server := echoServer()
	web := httptest.NewServer(sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return server }, &sdk.StreamableHTTPOptions{Stateless: true}))
	client := open(t, mcp.Server{Name: "s", URL: web.URL, HTTPClient: web.Client()})
	echo := toolsOf(t, client)[0]
	web.CloseClientConnections()
	web.Close()
	web.Client().CloseIdleConnections() // on one that is not known to be closed, something is sent
	_, err := echo.Call(t.Context(), json.RawMessage(`{}`))
	var failure *tool.Error
	require.ErrorAs(t, err, &failure)
	require.Equal(t, "The call was not made, so it had no effect: the server of the tool cannot be reached now.", failure.Message)
}

// fakeWeb is a network in a bubble.
type fakeWeb func(*http.Request) (*http.Response, error)

func (f fakeWeb) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func jsonResponse(req *http.Request, text string) *http.Response {
	return &http.Response{
		StatusCode: 200, Status: "200 OK", Header: http.Header{"Content-Type": {"application/json"}}, Request: req,
		Body: io.NopCloser(strings.NewReader(text)), ContentLength: int64(len(text)),
	}
}

// scriptedWeb answers as an old server does; the tests say what of a call and of the
// stream becomes.
func scriptedWeb(call, stream func(*http.Request) (*http.Response, error)) *http.Client {
	return &http.Client{Transport: fakeWeb(func(req *http.Request) (*http.Response, error) {
		if req.Method == http.MethodGet {
			return stream(req)
		}
		var m struct {
			ID     int64
			Method string
		}
		if req.Body != nil {
			_ = json.NewDecoder(req.Body).Decode(&m)
		}
		answer := func(s string) *http.Response {
			return jsonResponse(req, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,%s}`, m.ID, s))
		}
		switch m.Method {
		case "server/discover":
			return answer(`"error":{"code":-32601,"message":"no"}`), nil
		case "initialize":
			return answer(`"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"t","version":"1"}}`), nil
		case "tools/list":
			return answer(`"result":{"tools":[` + plainTool + `]}`), nil
		case "tools/call":
			return call(req)
		}
		return &http.Response{StatusCode: 202, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
	})}
}

func noStreamAt(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 405, Header: http.Header{}, Body: http.NoBody, Request: req}, nil
}

// TestStreamThatNeverBegins does not keep the server from being used.
func TestStreamThatNeverBegins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := open(t, mcp.Server{Name: "s", URL: "http://h/", HTTPClient: scriptedWeb(nil, func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		})})
		start := time.Now()
		require.Len(t, toolsOf(t, client), 1)
		require.Equal(t, 10*time.Second, time.Since(start))
	})
}

// TestLargeMessages end the connection, with the reason.
func TestLargeMessages(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"application/json", "text/event-stream"} {
		t.Run(kind, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := open(t, mcp.Server{Name: "s", URL: "http://h/", MaxMessage: 1 << 20, HTTPClient: scriptedWeb(func(req *http.Request) (*http.Response, error) {
					resp := jsonResponse(req, "")
					resp.Header.Set("Content-Type", kind)
					resp.Body = io.NopCloser(io.MultiReader(strings.NewReader("data: "), endless{}))
					return resp, nil
				}, noStreamAt)})
				_, err := toolsOf(t, client)[0].Call(t.Context(), json.RawMessage(`{}`))
				require.EqualError(t, err, "outcome_unknown: a message of the server has more than 1048576 bytes")
				require.Len(t, toolsOf(t, client), 1)
			})
		})
	}
}

// TestEvents in all the forms that they may have.
func TestEvents(t *testing.T) {
	t.Parallel()
	for name, format := range map[string]string{
		"plain":            "data: %s\n\n",
		"named, with id":   ": hello\r\nid: 7\r\nevent: message\r\ndata:%s\r\n\r\n",
		"primed":           "id: 1\ndata: \n\n:\n\ndata: %s\n\n",
		"without the end":  "data: %s",
		"in several lines": "data: {\"jsonrpc\":\"2.0\",\ndata: \"id\":ID,\"result\":{\"content\":[\ndata: {\"type\":\"text\",\"text\":\"hi\"}]}}\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := open(t, mcp.Server{Name: "s", URL: "http://h/", HTTPClient: scriptedWeb(func(req *http.Request) (*http.Response, error) {
					text := format
					body, _ := req.GetBody()
					var m struct{ ID int64 }
					_ = json.NewDecoder(body).Decode(&m)
					if strings.Contains(format, "%s") {
						text = fmt.Sprintf(format, `{"jsonrpc":"2.0","id":ID,"result":{"content":[{"type":"text","text":"hi"}]}}`)
					}
					resp := jsonResponse(req, strings.Replace(text, "ID", fmt.Sprint(m.ID), 1))
					resp.Header.Set("Content-Type", "text/event-stream; charset=utf-8")
					return resp, nil
				}, noStreamAt)})
				parts, err := toolsOf(t, client)[0].Call(t.Context(), json.RawMessage(`{}`))
				require.NoError(t, err)
				require.Equal(t, llm.Parts{llm.Text{Text: "hi"}}, parts)
			})
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// door is an OAuth handler with one token, which it has once it was asked for it.
type door struct {
	opened atomic.Int32
	token  atomic.Pointer[oauth2.Token]
}

func (d *door) TokenSource(context.Context) (oauth2.TokenSource, error) {
	token := d.token.Load()
	if token == nil {
		return nil, nil
	}
	return oauth2.StaticTokenSource(token), nil
}

func (d *door) Authorize(_ context.Context, _ *http.Request, resp *http.Response) error {
	_ = resp.Body.Close()
	d.opened.Add(1)
	d.token.Store(&oauth2.Token{AccessToken: "t0ken"})
	return nil
}

// TestOAuth: the handler is asked for a token when the server wants one.
func TestOAuth(t *testing.T) {
	t.Parallel()
	server := echoServer()
	handler := sdk.NewStreamableHTTPHandler(func(*http.Request) *sdk.Server { return server }, &sdk.StreamableHTTPOptions{JSONResponse: true})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer t0ken" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	defer web.Close()
	d := new(door)
	client, err := mcp.Open(mcp.Server{Name: "s", URL: web.URL, HTTPClient: web.Client(), OAuth: d})
	require.NoError(t, err)
	defer client.Close()
	parts, err := toolsOf(t, client)[0].Call(t.Context(), json.RawMessage(`{"a":1}`))
	require.NoError(t, err)
	require.Equal(t, llm.Parts{llm.Text{Text: `{"a":1}`}}, parts)
	require.EqualValues(t, 1, d.opened.Load())
}

// TestSecretsOfAnAddress are in no error.
func TestSecretsOfAnAddress(t *testing.T) {
	t.Parallel()
	client := open(t, mcp.Server{
		Name: "s", URL: "http://h/a/0123456789abcdef0123456789/mcp?key=s3cret-key&mode=streaming", Header: map[string]string{"Authorization": "Bearer s3cret-token"},
		HTTPClient: &http.Client{Transport: fakeWeb(func(req *http.Request) (*http.Response, error) {
			return nil, fmt.Errorf("no streaming route for %s", req.Header.Get("Authorization"))
		})},
	})
	err := client.Status(t.Context())[0].Err
	require.ErrorContains(t, err, "http://h/a/[redacted]/mcp?[redacted]")
	require.ErrorContains(t, err, "no streaming route for [redacted]", "an innocent value of the query stays")
	require.NotContains(t, err.Error(), "s3cret")
}

// TestSecretsOfADialledAddress: what Dial returns may have some in its address.
func TestSecretsOfADialledAddress(t *testing.T) {
	t.Parallel()
	const address = "http://h/mcp?key=s3cret-key"
	web := &http.Client{Transport: fakeWeb(func(*http.Request) (*http.Response, error) { return nil, errors.New("no route") })}
	for _, transport := range []sdk.Transport{
		&sdk.StreamableClientTransport{Endpoint: address, HTTPClient: web},
		&sdk.SSEClientTransport{Endpoint: address, HTTPClient: web},
	} {
		client := open(t, mcp.Server{Name: "s", Dial: func(context.Context) (sdk.Transport, error) { return transport, nil }})
		err := client.Status(t.Context())[0].Err
		require.ErrorContains(t, err, "no route")
		require.NotContains(t, err.Error(), "s3cret")
	}
}

// TestOldTransport: that of server-sent events alone, which the SDK has, by Dial.
func TestOldTransport(t *testing.T) {
	t.Parallel()
	server := echoServer()
	web := httptest.NewServer(sdk.NewSSEHandler(func(*http.Request) *sdk.Server { return server }, nil))
	defer web.Close()
	client, err := mcp.Open(mcp.Server{Name: "s", Dial: func(context.Context) (sdk.Transport, error) {
		return &sdk.SSEClientTransport{Endpoint: web.URL, HTTPClient: web.Client()}, nil
	}})
	require.NoError(t, err)
	defer client.Close()
	for range 2 {
		parts, err := toolsOf(t, client)[0].Call(t.Context(), json.RawMessage(`{"z":9007199254740993}`))
		require.NoError(t, err)
		require.Equal(t, llm.Parts{llm.Text{Text: `{"z":9007199254740993}`}}, parts)
	}
}

// TestRefusals: a response that is none of the protocol is told by its status or
// content type, the same at each attempt, without what may be a secret of the address.
func TestRefusals(t *testing.T) {
	t.Parallel()
	gives := func(status int, kind, body string) func(*http.Request) (*http.Response, error) {
		return func(req *http.Request) (*http.Response, error) {
			resp := statusResponse(req, status)
			resp.Header.Set("Content-Type", kind)
			resp.Body = io.NopCloser(strings.NewReader(body))
			return resp, nil
		}
	}
	const at = `toolset "s": http://h/mcp/[redacted] answers `
	for _, tt := range []struct {
		name string
		all  func(*http.Request) (*http.Response, error)
		want string
	}{
		{"401", gives(401, "", ""), at + "401 Unauthorized"},
		{"404 with a page", gives(404, "text/html", "<html>"), at + "404 Not Found"},
		{"an unknown status", gives(599, "", ""), at + "599"},
		{"not to be followed", gives(304, "", ""), at + "304 Not Modified"},
		{"a page", gives(200, "text/html; charset=utf-8", "<html>"), at + "200 OK with text/html, which the protocol does not allow"},
		{"no type", gives(200, "", "x"), at + "200 OK without a content type"},
		{"no message", gives(200, "application/json", "<html>"), at + "200 OK with an invalid message"},
		{"no connection after an answer", func(req *http.Request) (*http.Response, error) {
			if body, _ := io.ReadAll(req.Body); strings.Contains(string(body), "server/discover") {
				return statusResponse(req, 404), nil
			}
			return nil, errDial
		}, `toolset "s": calling "initialize": sending "initialize": rejected by transport: Post "http://h/mcp/[redacted]?[redacted]": dial: connection refused`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := open(t, mcp.Server{Name: "s", URL: "http://h/mcp/0123456789abcdef0123?key=hunter2", HTTPClient: &http.Client{Transport: fakeWeb(tt.all)}})
				for range 4 {
					_, err := client.Toolsets()[0].Tools(t.Context())
					require.EqualError(t, err, tt.want)
					time.Sleep(3 * time.Second) // synctest: exact in a bubble
				}
			})
		})
	}
	t.Run("when the tools are listed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			web := scriptedWeb(nil, noStreamAt)
			first := web.Transport
			web.Transport = fakeWeb(func(req *http.Request) (*http.Response, error) {
				if req.Method == http.MethodPost {
					body, err := req.GetBody()
					require.NoError(t, err)
					if text, _ := io.ReadAll(body); strings.Contains(string(text), "tools/list") {
						return statusResponse(req, 403), nil
					}
				}
				return first.RoundTrip(req)
			})
			_, err := open(t, mcp.Server{Name: "s", URL: "http://h/", HTTPClient: web}).Toolsets()[0].Tools(t.Context())
			require.EqualError(t, err, `toolset "s": http://h/ answers 403 Forbidden`)
		})
	})
}
