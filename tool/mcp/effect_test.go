package mcp_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

var errDial = &net.OpError{Op: "dial", Err: errors.New("connection refused")}

func statusResponse(req *http.Request, status int) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: http.NoBody, Request: req}
}

// brokenStream is a response that breaks off and can be resumed.
func brokenStream(req *http.Request) *http.Response {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}}, Request: req,
		Body: io.NopCloser(strings.NewReader("id: 1\nretry: 1\ndata: \n\n")),
	}
}

// TestDoubtOverHTTP: a call that may have reached the server is made once, and no text
// claims that it had no effect, whatever happens to its requests.
func TestDoubtOverHTTP(t *testing.T) {
	t.Parallel()
	type answer = func(*http.Request) (*http.Response, error)
	breaks := func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }
	streams := func(req *http.Request) (*http.Response, error) { return brokenStream(req), nil }
	unreachable := func(*http.Request) (*http.Response, error) { return nil, errDial }
	gives := func(status int) answer {
		return func(req *http.Request) (*http.Response, error) { return statusResponse(req, status), nil }
	}
	inTurn := func(all ...answer) answer {
		var n atomic.Int32
		return func(req *http.Request) (*http.Response, error) { return all[n.Add(1)-1](req) }
	}
	for name, tt := range map[string]struct {
		call, again answer
		sent        int32
	}{
		"the connection breaks":                    {breaks, nil, 1},
		"its answer cannot be taken up: no server": {streams, unreachable, 1},
		"its answer cannot be taken up: 404":       {streams, gives(404), 1},
		"its answer cannot be taken up: 400":       {streams, gives(400), 1},
		"it breaks after a token was got":          {inTurn(gives(401), breaks), nil, 2},
		"no answer after a token was got":          {inTurn(gives(401), streams), gives(404), 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var sent atomic.Int32
				client := open(t, mcp.Server{Name: "s", URL: "http://h/", OAuth: new(door), HTTPClient: scriptedWeb(
					func(req *http.Request) (*http.Response, error) { sent.Add(1); return tt.call(req) },
					func(req *http.Request) (*http.Response, error) {
						if req.Header.Get("Last-Event-ID") == "" {
							return noStreamAt(req)
						}
						return tt.again(req)
					})})
				_, err := toolsOf(t, client)[0].Call(t.Context(), json.RawMessage(`{}`))
				require.Equal(t, tt.sent, sent.Load(), "times that the call was sent")
				failure, ok := errors.AsType[*tool.Error](err)
				require.True(t, ok)
				require.Equal(t, tool.OutcomeUnknown, failure.Failure, failure.Message)
			})
		})
	}
}

// TestCancelledOverHTTP: a failed cancellation says nothing about the call.
func TestCancelledOverHTTP(t *testing.T) {
	t.Parallel()
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			var down atomic.Bool
			web := scriptedWeb(func(req *http.Request) (*http.Response, error) {
				<-req.Context().Done()
				down.Store(true)
				return nil, req.Context().Err()
			}, noStreamAt)
			first := web.Transport
			web.Transport = fakeWeb(func(req *http.Request) (*http.Response, error) {
				if down.Load() {
					return nil, errDial
				}
				return first.RoundTrip(req)
			})
			client := open(t, mcp.Server{Name: "s", URL: "http://h/", HTTPClient: web})
			run := toolsOf(t, client)[0]
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := run.Call(ctx, json.RawMessage(`{}`))
			failure, ok := errors.AsType[*tool.Error](err)
			require.True(t, ok)
			require.Equal(t, tool.OutcomeUnknown, failure.Failure, failure.Message)
		})
	}
}

// TestCodesOfTheSDK: a server may use the error codes by which the SDK reports a lost
// connection. They are treated as errors of the server, and the connection goes on.
func TestCodesOfTheSDK(t *testing.T) {
	t.Parallel()
	for _, code := range []int64{-32003, -32004, -32005} {
		synctest.Test(t, func(t *testing.T) {
			server := offering(func(*peerConn, string, json.RawMessage) (string, error) {
				return "", &jsonrpc.Error{Code: code, Message: "no such order"}
			}, plainTool)
			client := open(t, mcp.Server{Name: "s", Dial: server.dial})
			run := toolsOf(t, client)[0]
			for range 2 {
				_, err := run.Call(t.Context(), json.RawMessage(`{}`))
				failure, ok := errors.AsType[*tool.Error](err)
				require.True(t, ok)
				require.Equal(t, []string{"failed", "no such order"}, []string{string(failure.Failure), failure.Message})
			}
			require.Len(t, server.conns, 1)
		})
	}
}
