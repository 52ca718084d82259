package mcp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

// TestChangedHints: the hints of a changed definition that nobody has reviewed do not
// allow a call in doubt to be repeated.
func TestChangedHints(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newChanging(`{"name":"pay"}`)
		client := open(t, mcp.Server{Name: "s", Dial: server.dial})
		require.False(t, toolsOf(t, client)[0].Idempotent())
		time.Sleep(2 * time.Second) // synctest: exact in a bubble
		server.change(`{"name":"pay","annotations":{"idempotentHint":true}}`)
		tools, err := client.Toolsets()[0].Tools(t.Context())
		require.ErrorContains(t, err, `"pay" (its definition has changed)`)
		require.True(t, tools[0].AsksApproval())
		require.False(t, tools[0].Idempotent())
	})
}

// TestCallersPanic: if a function of the caller panics over a tool, only this tool is
// left out; the program goes on.
func TestCallersPanic(t *testing.T) {
	t.Parallel()
	breaksOver := func(d mcp.Definition) {
		if d.Name == "bad" {
			panic("boom")
		}
	}
	for name, s := range map[string]mcp.Server{
		"Ask":     {Ask: func(d mcp.Definition) bool { breaksOver(d); return false }},
		"Options": {Options: func(d mcp.Definition) []tool.Option { breaksOver(d); return nil }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.Name, s.Dial = "s", offering(answering("{}"), named("bad"), named("good")).dial
			client := open(t, s)
			require.Equal(t, []string{"s__good"}, namesOf(toolsOf(t, client)))
			require.Equal(t, []mcp.LeftOut{{Name: "bad", Reason: "a function of the caller panicked: boom"}}, client.Status(t.Context())[0].LeftOut)
		})
	}
}

// TestSlowResumption: resuming a stream may take as long as the call.
func TestSlowResumption(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var id int64
		client := open(t, mcp.Server{Name: "s", URL: "http://h/", HTTPClient: scriptedWeb(
			func(req *http.Request) (*http.Response, error) {
				body, _ := req.GetBody()
				var m struct{ ID int64 }
				_ = json.NewDecoder(body).Decode(&m)
				id = m.ID
				return brokenStream(req), nil
			},
			func(req *http.Request) (*http.Response, error) {
				if req.Header.Get("Last-Event-ID") == "" {
					return noStreamAt(req)
				}
				select {
				case <-time.After(time.Minute):
				case <-req.Context().Done():
					return nil, req.Context().Err()
				}
				resp := brokenStream(req)
				resp.Body = io.NopCloser(strings.NewReader(fmt.Sprintf(
					"data: {\"jsonrpc\":\"2.0\",\"id\":%d,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"late\"}]}}\n\n", id)))
				return resp, nil
			})})
		parts, err := toolsOf(t, client)[0].Call(t.Context(), json.RawMessage(`{}`))
		require.NoError(t, err)
		require.Equal(t, llm.Parts{llm.Text{Text: "late"}}, parts)
	})
}

// TestManyPartsAndALargeStructure: comparing them takes linear time. Quadratic time
// would be more than a day here.
func TestManyPartsAndALargeStructure(t *testing.T) {
	t.Parallel()
	const parts = 100_000
	structure := `{"a":[0` + strings.Repeat(",1", 1<<18) + `],"b":1}`
	content := strings.Repeat(`{"type":"text","text":"7"},`, parts-1) + `{"type":"text","text":"7"}`
	server := offering(answering(`{"content":[`+content+`],"structuredContent":`+structure+`}`), plainTool)
	got, err := toolsOf(t, open(t, mcp.Server{Name: "s", Dial: server.dial}))[0].Call(t.Context(), json.RawMessage(`{}`))
	require.NoError(t, err)
	require.Greater(t, len(got), parts) // what is told of it is cut
	require.Equal(t, llm.Parts{llm.Text{Text: "7"}, llm.Text{Text: "\n7"}}, got[:2])
}

// TestNothingIsLeftOfALostConnection: also in the newest version of the protocol, where
// the SDK keeps a request open for changes.
func TestNothingIsLeftOfALostConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // it waits for all goroutines
		server := echoServer()
		var sessions []*sdk.ServerSession
		client := open(t, mcp.Server{Name: "s", Dial: func(context.Context) (sdk.Transport, error) {
			ours, theirs := sdk.NewInMemoryTransports()
			session, err := server.Connect(t.Context(), ours, nil)
			sessions = append(sessions, session)
			return theirs, err
		}})
		echo := toolsOf(t, client)[0]
		for range 2 {
			time.Sleep(time.Minute) // synctest: exact in a bubble
			_, err := echo.Call(t.Context(), json.RawMessage(`{}`))
			require.NoError(t, err)
			require.NoError(t, sessions[len(sessions)-1].Close())
			synctest.Wait()
		}
		_, err := echo.Call(t.Context(), json.RawMessage(`{}`))
		require.NoError(t, err)
		require.Len(t, sessions, 3)
	})
}

// TestListingThatFails: one failed listing does not end a connection with running
// calls.
func TestListingThatFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var lists atomic.Int32
		tells, told := io.Pipe() // the server's own messages
		free := make(chan struct{})
		web := scriptedWeb(func(req *http.Request) (*http.Response, error) {
			body, _ := req.GetBody()
			var m struct{ ID int64 }
			_ = json.NewDecoder(body).Decode(&m)
			select {
			case <-free:
				return jsonResponse(req, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"result":{"content":[]}}`, m.ID)), nil
			case <-req.Context().Done():
				return nil, req.Context().Err()
			}
		}, func(req *http.Request) (*http.Response, error) {
			resp := brokenStream(req)
			resp.Body = tells
			context.AfterFunc(req.Context(), func() { _ = tells.Close() })
			return resp, nil
		})
		scripted := web.Transport
		web.Transport = fakeWeb(func(req *http.Request) (*http.Response, error) {
			if req.Method == http.MethodPost {
				body, _ := req.GetBody()
				if text, _ := io.ReadAll(body); bytes.Contains(text, []byte(`"tools/list"`)) && lists.Add(1) == 2 {
					return statusResponse(req, http.StatusBadGateway), nil
				}
			}
			return scripted.RoundTrip(req)
		})
		client := open(t, mcp.Server{Name: "s", URL: "http://h/", HTTPClient: web})
		run := toolsOf(t, client)[0]
		called := make(chan error, 1)
		go func() {
			_, err := run.Call(t.Context(), json.RawMessage(`{}`))
			called <- err
		}()
		time.Sleep(2 * time.Second) // synctest: exact in a bubble
		_, err := io.WriteString(told, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n")
		require.NoError(t, err)
		synctest.Wait()
		tools, err := client.Toolsets()[0].Tools(t.Context())
		require.ErrorContains(t, err, "Bad Gateway")
		require.Len(t, tools, 1)
		close(free)
		require.NoError(t, <-called)
		require.EqualValues(t, 2, lists.Load())
	})
}

// TestSecretOfSeveralLines: a secret of several lines is also redacted line by line.
func TestSecretOfSeveralLines(t *testing.T) {
	t.Parallel()
	server, log := stdio(t, "")
	server.Env["SECRET"] = "-----BEGIN KEY-----\nMIIBOgIBAAJBAKj34GkxFhD90vcNLYLInFEX\n-----END KEY-----"
	toolsOf(t, open(t, server))
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "END KEY") }, 5*time.Second, 10*time.Millisecond)
	require.NotContains(t, log.String(), "MIIBOg")
}
