package mcp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
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

// A served is a server of the SDK with tools, and the results that its middleware saw.
type served struct {
	*sdk.Server
	mu     sync.Mutex
	errors []error // of results
}

func serve(t *testing.T, tools ...tool.Tool) *served {
	t.Helper()
	return serveWith(t, nil, tools...)
}

func serveWith(t *testing.T, opts *sdk.ServerOptions, tools ...tool.Tool) *served {
	t.Helper()
	s := &served{Server: sdk.NewServer(&sdk.Implementation{Name: "desk", Version: "1"}, opts)}
	s.AddReceivingMiddleware(func(next sdk.MethodHandler) sdk.MethodHandler {
		return func(ctx context.Context, method string, req sdk.Request) (sdk.Result, error) {
			res, err := next(ctx, method, req)
			if res, ok := res.(*sdk.CallToolResult); ok && err == nil && res.GetError() != nil {
				s.mu.Lock()
				defer s.mu.Unlock()
				s.errors = append(s.errors, res.GetError())
			}
			return res, err
		}
	})
	require.NoError(t, mcp.AddTools(s.Server, tools...))
	return s
}

// client connects a client of the SDK to the server.
func (s *served) client(t *testing.T, opts *sdk.ClientOptions) *sdk.ClientSession {
	t.Helper()
	ours, theirs := sdk.NewInMemoryTransports()
	server, err := s.Connect(t.Context(), ours, nil)
	require.NoError(t, err)
	client, err := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, opts).Connect(t.Context(), theirs, nil)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, client.Close())
		require.NoError(t, server.Wait())
	})
	return client
}

// call calls a tool with arguments that are written as JSON.
func call(t *testing.T, c *sdk.ClientSession, name, args string) *sdk.CallToolResult {
	t.Helper()
	params := &sdk.CallToolParams{Name: name}
	if args != "" {
		params.Arguments = json.RawMessage(args)
	}
	res, err := c.CallTool(t.Context(), params)
	require.NoError(t, err)
	return res
}

// said returns the text of a result, and the kind of its failure.
func said(t *testing.T, res *sdk.CallToolResult) (text, failure string) {
	t.Helper()
	require.Len(t, res.Content, 1)
	failure, _ = res.Meta[mcp.FailureMeta].(string)
	require.Equal(t, res.IsError, failure != "")
	return res.Content[0].(*sdk.TextContent).Text, failure
}

type refundArgs struct {
	Order string `json:"order"`
	Cents int    `json:"cents" jsonschema:"minimum=1" jsonschema_description:"a < b & c > d"`
}

// refund returns its arguments.
func refund(_ context.Context, in refundArgs) (refundArgs, error) { return in, nil }

func made(t tool.Tool, err error) tool.Tool { return tool.Must(t, err) }

// odd is a schema whose order and numbers a decoder would not keep.
const odd = `{"$schema":"https://json-schema.org/draft/2020-12/schema","allOf":[{"required":["z"]}],"type":"object","properties":{"z":{"type":"integer","maximum":9007199254740993},"a":{"description":"<b>&amp;\u2028"}},"required":["z"]}`

func TestServedDefinitions(t *testing.T) {
	t.Parallel()
	tools := []tool.Tool{
		made(tool.New("refund", "Refunds <an order> & says so.\nÜber.", refund)),
		made(tool.NewRaw("untyped", "", json.RawMessage(`{"required":["a"]}`), func(context.Context, json.RawMessage) (string, error) { return "", nil })),
		made(tool.NewRaw("odd", "", json.RawMessage(odd), func(context.Context, json.RawMessage) (string, error) { return "", nil })),
	}
	s := serve(t, tools...)
	ours, theirs := sdk.NewInMemoryTransports()
	server, err := s.Connect(t.Context(), ours, nil)
	require.NoError(t, err)
	var wire bytes.Buffer
	client, err := sdk.NewClient(&sdk.Implementation{Name: "test"}, nil).Connect(t.Context(), &sdk.LoggingTransport{Transport: theirs, Writer: &wire}, nil)
	require.NoError(t, err)
	list, err := client.ListTools(t.Context(), nil)
	require.NoError(t, err)
	require.NoError(t, client.Close())
	require.NoError(t, server.Wait())

	require.Len(t, list.Tools, 3)
	for i, schema := range []string{string(tools[0].Def().Schema), `{"type":"object","properties":{},"required":["a"]}`, odd} {
		require.Contains(t, wire.String(), `"inputSchema":`+schema+`,"name":"`+tools[i].Name()+`"`)
	}
	require.Equal(t, "Refunds <an order> & says so.\nÜber.", list.Tools[0].Description)
}

// TestServedOrder: tools keep the order in which they were added together, also among
// other tools and over several pages.
func TestServedOrder(t *testing.T) {
	t.Parallel()
	s := serveWith(t, &sdk.ServerOptions{PageSize: 4}, sleeper("z", 0), sleeper("a", 0))
	require.NoError(t, mcp.AddTools(s.Server, sleeper("y", 0), sleeper("x", 0), sleeper("b", 0)))
	s.AddTool(&sdk.Tool{Name: "m", InputSchema: json.RawMessage(`{"type":"object"}`)}, nil)
	var names []string
	for tool, err := range s.client(t, nil).Tools(t.Context(), nil) {
		require.NoError(t, err)
		names = append(names, tool.Name)
	}
	require.Equal(t, []string{"a", "x", "m", "b", "y", "z"}, names, "pages: a b m x, y z")
}

// TestServedHints: a client gets the given hints of each tool, and no hints from the
// tool's options.
func TestServedHints(t *testing.T) {
	t.Parallel()
	s := serve(t)
	hints := map[string]*sdk.ToolAnnotations{
		"read":  {Title: "Read it", ReadOnlyHint: true, OpenWorldHint: new(false)},
		"erase": {DestructiveHint: new(true), IdempotentHint: true},
	}
	tools := []tool.Tool{sleeper("read", 0), sleeper("pay", 0, tool.Idempotent()), sleeper("erase", 0)}
	require.NoError(t, mcp.AddAnnotated(s.Server, hints, tools...))
	hints["read"].ReadOnlyHint, *hints["read"].OpenWorldHint = false, true // ours have been copied
	list, err := s.client(t, nil).ListTools(t.Context(), nil)
	require.NoError(t, err)
	var names []string
	got := map[string]*sdk.ToolAnnotations{}
	for _, tool := range list.Tools {
		names = append(names, tool.Name)
		got[tool.Name] = tool.Annotations
	}
	require.Equal(t, []string{"read", "pay", "erase"}, names)
	require.Equal(t, map[string]*sdk.ToolAnnotations{
		"read":  {Title: "Read it", ReadOnlyHint: true, OpenWorldHint: new(false)},
		"pay":   nil,
		"erase": {DestructiveHint: new(true), IdempotentHint: true},
	}, got)

	status := open(t, mcp.Server{Name: "s", Dial: inMemory(t, s.Server)}).Status(t.Context())[0]
	var hinted []string
	for _, d := range status.Definitions {
		hinted = append(hinted, fmt.Sprint(d.Name, " ", d.ReadOnly, d.Destructive, d.Idempotent, d.OpenWorld))
	}
	require.Equal(t, []string{"read true true false false", "pay false true false true", "erase false true true true"}, hinted)

	other := serve(t)
	err = mcp.AddAnnotated(other.Server, map[string]*sdk.ToolAnnotations{"raed": {}, "read": nil}, tools...)
	require.EqualError(t, err, `mcp: there are hints for "raed", and no such tool`)
	list, err = other.client(t, nil).ListTools(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, list.Tools, "all or none")
}

func TestServedArguments(t *testing.T) {
	t.Parallel()
	refund := made(tool.New("refund", "", refund))
	client := serve(t, refund).client(t, nil)

	for _, args := range []string{`{"order":"W1","cents":250}`, `{"order":"W1","cents":"250"}`, `{"cents":250.0,"order":"W1"}`} {
		text, failure := said(t, call(t, client, "refund", args))
		require.Equal(t, `{"order":"W1","cents":250}`, text, args)
		require.Empty(t, failure, "a repair is not told")
	}
	for _, args := range []string{``, `{}`, `[]`, `"W1"`, `{"order":"W1","cents":0}`, `{"order":"W1","cents":1,"more":true}`, `{"order":"W1","ORDER":"W2","cents":1}`} {
		_, _, err := refund.Parse(args)
		want, ok := errors.AsType[*tool.Error](err)
		require.True(t, ok, args)
		text, failure := said(t, call(t, client, "refund", args))
		require.Equal(t, want.Message, text, args)
		require.Equal(t, string(want.Failure), failure, args)
	}
	_, err := client.CallTool(t.Context(), &sdk.CallToolParams{Name: "refnd"})
	require.EqualError(t, err, `calling "tools/call": unknown tool "refnd"`)
}

func TestServedFailures(t *testing.T) {
	t.Parallel()
	fails := func(err error) func(context.Context, struct{}) (string, error) {
		return func(context.Context, struct{}) (string, error) { return "", err }
	}
	closed := errors.New("the shop is closed")
	tools := []tool.Tool{
		made(tool.New("error", "", fails(errors.New("no order W0, see https://u:secret@shop.example")))),
		made(tool.New("retry", "", fails(tool.Retry("Ask first.")))),
		made(tool.New("hide", "", fails(tool.Hide(closed)))),
		made(tool.New("abort", "", fails(tool.Abort(closed)))),
		made(tool.New("unknown", "", fails(tool.Fail(tool.OutcomeUnknown, "", closed)))),
		made(tool.New("panic", "", func(context.Context, struct{}) (string, error) { panic(closed) })),
	}
	for _, made := range tools {
		s := serve(t, made)
		_, err := made.Call(t.Context(), json.RawMessage(`{}`))
		want, ok := errors.AsType[*tool.Error](err)
		require.True(t, ok)

		res := call(t, s.client(t, nil), made.Name(), "")
		text, failure := said(t, res)
		require.Equal(t, want.Message, text)
		require.Equal(t, string(want.Failure), failure)
		require.Len(t, res.Meta, 2, "the kind, and who the server is")

		s.mu.Lock()
		require.Len(t, s.errors, 1)
		got, ok := errors.AsType[*tool.Error](s.errors[0])
		s.mu.Unlock()
		require.True(t, ok)
		require.Equal(t, want.Err, got.Err)
		require.Equal(t, len(want.Stack) > 0, len(got.Stack) > 0)
	}
}

func TestServedGoexit(t *testing.T) {
	t.Parallel()
	s := serve(t, made(tool.New("exit", "", func(context.Context, struct{}) (string, error) {
		runtime.Goexit()
		return "", nil
	})))
	text, failure := said(t, call(t, s.client(t, nil), "exit", ""))
	require.Equal(t, "The tool ended without a result.", text)
	require.Equal(t, "failed", failure)
}

// waiting waits for d, or until ctx ends.
func waiting(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func sleeper(name string, d time.Duration, opts ...tool.Option) tool.Tool {
	return made(tool.New(name, "", func(ctx context.Context, _ struct{}) (string, error) { return "slept", waiting(ctx, d) }, opts...))
}

func TestServedTimeout(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		opts []tool.Option
		took time.Duration
		text string
	}{
		{[]tool.Option{tool.Timeout(time.Second)}, time.Second, "The tool did not finish within 1s and was given up."},
		{nil, 2 * time.Minute, "The tool did not finish within 2m0s and was given up."},
		{[]tool.Option{tool.Timeout(-1)}, time.Hour, "slept"},
	} {
		synctest.Test(t, func(t *testing.T) {
			client := serve(t, sleeper("sleep", time.Hour, tt.opts...)).client(t, nil)
			start := time.Now()
			text, failure := said(t, call(t, client, "sleep", ""))
			require.Equal(t, tt.took, time.Since(start))
			require.True(t, strings.HasPrefix(text, tt.text), text)
			require.Equal(t, tt.text != "slept", failure == "timed_out")
		})
	}
}

// TestServedLeftBehind: a function that ignores its context delays neither its call nor
// the next call.
func TestServedLeftBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var late sync.Map
		free := make(chan struct{})
		deaf := made(tool.New("deaf", "", func(ctx context.Context, _ struct{}) (string, error) {
			<-free
			c := tool.CallFrom(ctx)
			c.Progress(1, 1, "done at last")
			late.Store(c.Key, c.Tool)
			return "", nil
		}, tool.Timeout(time.Second), tool.Concurrency(1), tool.Alone()))
		client := serve(t, deaf).client(t, &sdk.ClientOptions{ProgressNotificationHandler: func(context.Context, *sdk.ProgressNotificationClientRequest) {
			t.Error("a report after the end")
		}})
		start := time.Now()
		for i := range 2 {
			params := &sdk.CallToolParams{Name: "deaf"}
			params.SetProgressToken(i)
			res, err := client.CallTool(t.Context(), params)
			require.NoError(t, err)
			_, failure := said(t, res)
			require.Equal(t, "timed_out", failure)
			require.Equal(t, time.Duration(i+1)*6*time.Second, time.Since(start))
		}
		close(free)
		synctest.Wait()
		returned := 0
		late.Range(func(any, any) bool { returned++; return true })
		require.Equal(t, 2, returned)
	})
}

func TestServedCancel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var cause error
		s := serve(t, made(tool.New("sleep", "", func(ctx context.Context, _ struct{}) (string, error) {
			cause = waiting(ctx, time.Hour)
			return "", cause
		})))
		client := s.client(t, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := client.CallTool(ctx, &sdk.CallToolParams{Name: "sleep"})
		require.ErrorIs(t, err, context.DeadlineExceeded)
		synctest.Wait()
		require.ErrorIs(t, cause, context.Canceled)
		require.Empty(t, s.errors)
		require.NoError(t, client.Ping(t.Context(), nil), "the session goes on")
	})
}

// TestServedClients: limits hold over all clients of a server.
func TestServedClients(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		opts []tool.Option
		took time.Duration // of five calls by each of three clients, a second each
	}{
		{"together", nil, time.Second},
		{"two at a time", []tool.Option{tool.Concurrency(2)}, 8 * time.Second},
		{"alone", []tool.Option{tool.Alone()}, 15 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, sleeper("sleep", time.Second, append(tt.opts, tool.Timeout(1500*time.Millisecond))...), sleeper("other", time.Second))
				start := time.Now()
				var wg sync.WaitGroup
				for range 3 {
					client := s.client(t, nil)
					for range 5 {
						wg.Go(func() {
							res, err := client.CallTool(t.Context(), &sdk.CallToolParams{Name: "sleep"})
							require.NoError(t, err)
							require.False(t, res.IsError, "to wait is not part of the timeout")
						})
					}
				}
				wg.Wait()
				require.Equal(t, tt.took, time.Since(start))
			})
		})
	}
}

// TestServedAlone: earlier calls have ended, and later calls have not begun.
func TestServedAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := serve(t, sleeper("sleep", 2*time.Second), sleeper("alone", 3*time.Second, tool.Alone()))
		client := s.client(t, nil)
		start := time.Now()
		ended := make([]time.Duration, 4)
		var wg sync.WaitGroup
		for i, name := range []string{"sleep", "sleep", "alone", "sleep"} {
			wg.Go(func() {
				_, err := client.CallTool(t.Context(), &sdk.CallToolParams{Name: name})
				require.NoError(t, err)
				ended[i] = time.Since(start)
			})
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := client.CallTool(ctx, &sdk.CallToolParams{Name: "alone"})
		require.ErrorIs(t, err, context.DeadlineExceeded, "who waits may give up")
		wg.Wait()
		require.Equal(t, []time.Duration{2 * time.Second, 2 * time.Second, 5 * time.Second, 7 * time.Second}, ended)
	})
}

// TestServedBusy: waiting for a busy tool blocks no other tool.
func TestServedBusy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := serve(t, sleeper("busy", time.Minute, tool.Concurrency(1)), sleeper("quick", time.Second)).client(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 300 {
			wg.Go(func() { _, _ = client.CallTool(ctx, &sdk.CallToolParams{Name: "busy"}) })
		}
		synctest.Wait()
		start := time.Now()
		call(t, client, "quick", "")
		require.Equal(t, time.Second, time.Since(start))
		cancel()
		wg.Wait()
		synctest.Wait()
	})
}

func TestServedProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type report struct {
			done, total float64
			message     string
		}
		reports := make(chan report, 2000)
		s := serve(t, made(tool.New("count", "", func(ctx context.Context, _ struct{}) (string, error) {
			for i := range 3 {
				tool.CallFrom(ctx).Progress(float64(i+1), 3, "counting")
				synctest.Wait()
			}
			for i := range 1000 { // nobody is kept waiting, and the last counts
				tool.CallFrom(ctx).Progress(4+float64(i), 0, "")
			}
			return "", nil
		})))
		client := s.client(t, &sdk.ClientOptions{ProgressNotificationHandler: func(_ context.Context, req *sdk.ProgressNotificationClientRequest) {
			require.EqualValues(t, "token", req.Params.ProgressToken)
			reports <- report{req.Params.Progress, req.Params.Total, req.Params.Message}
		}})
		params := &sdk.CallToolParams{Name: "count"}
		params.SetProgressToken("token")
		_, err := client.CallTool(t.Context(), params)
		require.NoError(t, err)
		for i := range 3 {
			require.Equal(t, report{float64(i + 1), 3, "counting"}, <-reports)
		}
		synctest.Wait()
		last := report{}
		for len(reports) > 0 {
			last = <-reports
		}
		require.Equal(t, report{1003, 0, ""}, last)

		call(t, client, "count", "")
		synctest.Wait()
		require.Empty(t, reports, "who gave no token gets none")
	})
}

func TestServedKey(t *testing.T) {
	t.Parallel()
	client := serve(t, made(tool.New("key", "", func(ctx context.Context, _ struct{}) (string, error) {
		return tool.CallFrom(ctx).Key, nil
	}))).client(t, nil)
	key := func(sent any) string {
		res, err := client.CallTool(t.Context(), &sdk.CallToolParams{Name: "key", Meta: sdk.Meta{mcp.KeyMeta: sent}})
		require.NoError(t, err)
		text, _ := said(t, res)
		return text
	}
	require.Equal(t, "r1.t1.c0", key("r1.t1.c0"))
	seen := map[string]bool{"": true}
	for _, none := range []any{nil, "", 7, strings.Repeat("x", 257), nil} {
		got := key(none)
		require.False(t, seen[got], "%v: %s", none, got)
		seen[got] = true
	}
}

func TestServedContent(t *testing.T) {
	t.Parallel()
	png := []byte("\x89PNG\r\n\x1a\n and more")
	client := serve(t, made(tool.New("show", "", func(context.Context, struct{}) (llm.Parts, error) {
		return llm.Parts{
			llm.Text{Text: "Two <b>."}, llm.Image{Data: png}, llm.Image{Data: []byte("x"), MediaType: "image/x"},
			llm.Image{URL: "data:image/gif;base64,AAAA"}, llm.Image{URL: "https://example.com/a.png"},
			llm.Audio{Data: []byte("la"), Format: "mp3", Transcript: "La."}, llm.Audio{Data: []byte("la"), Format: "flac"},
			llm.File{Name: "a b.pdf", MediaType: "application/pdf", Data: []byte("%PDF")}, llm.File{Data: []byte("%PDF-")}, llm.File{ID: "file-1"},
		}, nil
	}))).client(t, nil)
	require.Equal(t, []sdk.Content{
		&sdk.TextContent{Text: "Two <b>."}, &sdk.ImageContent{Data: png, MIMEType: "image/png"}, &sdk.ImageContent{Data: []byte("x"), MIMEType: "image/x"},
		&sdk.ImageContent{Data: []byte{0, 0, 0}, MIMEType: "image/gif"}, &sdk.ResourceLink{URI: "https://example.com/a.png", Name: "image"},
		&sdk.AudioContent{Data: []byte("la"), MIMEType: "audio/mpeg"}, &sdk.TextContent{Text: "La."}, &sdk.AudioContent{Data: []byte("la"), MIMEType: "audio/flac"},
		&sdk.EmbeddedResource{Resource: &sdk.ResourceContents{URI: "attachment:///a%20b.pdf", MIMEType: "application/pdf", Blob: []byte("%PDF")}},
		&sdk.EmbeddedResource{Resource: &sdk.ResourceContents{URI: "attachment:///file", MIMEType: "application/pdf", Blob: []byte("%PDF-")}},
		&sdk.TextContent{Text: "[The file file-1]"},
	}, call(t, client, "show", "").Content)
}

func TestServedSession(t *testing.T) {
	t.Parallel()
	require.Nil(t, mcp.SessionFrom(t.Context()))
	ask := made(tool.New("ask", "", func(ctx context.Context, _ struct{}) (string, error) {
		res, err := mcp.SessionFrom(ctx).Elicit(ctx, &sdk.ElicitParams{Message: "Really?"})
		if err != nil {
			return "", err
		}
		return res.Action, nil
	}))
	// The newest protocol has no requests from a server.
	s := serveWith(t, &sdk.ServerOptions{SupportedProtocolVersions: []string{"2025-11-25"}}, ask)
	declines := sdk.ClientOptions{ElicitationHandler: func(context.Context, *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
		return &sdk.ElicitResult{Action: "decline"}, nil
	}}
	text, _ := said(t, call(t, s.client(t, &declines), "ask", ""))
	require.Equal(t, "decline", text)
	text, failure := said(t, call(t, s.client(t, nil), "ask", ""))
	require.Equal(t, "failed", failure)
	require.Contains(t, text, "does not support")
	_, failure = said(t, call(t, serve(t, ask).client(t, &declines), "ask", ""))
	require.Equal(t, "failed", failure, "of the newest revision")
}

func TestAddToolsRefuses(t *testing.T) {
	t.Parallel()
	good := sleeper("good", 0)
	header := json.RawMessage(`{"type":"object","properties":{"a":{"type":"array","x-mcp-header":"A"}}}`)
	for _, tt := range []struct {
		bad  tool.Tool
		want string
	}{
		{tool.Tool{}, `mcp: tool 1 (""): is the zero Tool`},
		{good, `mcp: tool 1 ("good"): another tool has the same name`},
		{sleeper("pay", 0, tool.NeedsApproval()), `mcp: tool 1 ("pay"): needs approval, which a client of the protocol cannot be asked for`},
		{made(tool.NewRaw("h", "", header, func(context.Context, json.RawMessage) (string, error) { return "", nil })),
			`mcp: tool 1 ("h"): AddTool "h": invalid parameter header annotations: property "a": x-mcp-header can only be applied to primitive types (integer, string, boolean), got "array"`},
	} {
		s := serve(t)
		require.EqualError(t, mcp.AddTools(s.Server, good, tt.bad), tt.want)
		require.EqualError(t, mcp.Serve(t.Context(), nil, good, tt.bad), tt.want)
		list, err := s.client(t, nil).ListTools(t.Context(), nil)
		require.NoError(t, err)
		require.Empty(t, list.Tools, "all or none")
	}
	require.EqualError(t, mcp.AddTools(nil, good), "mcp: the server is nil")
}

// TestServe: it ends with the client or with its context, even if calls are running.
func TestServe(t *testing.T) {
	t.Parallel()
	start := func(t *testing.T, ctx context.Context, tools ...tool.Tool) (*sdk.ClientSession, <-chan error) {
		ours, theirs := sdk.NewInMemoryTransports()
		ended := make(chan error, 1)
		go func() { ended <- mcp.Serve(ctx, ours, tools...) }()
		client, err := sdk.NewClient(&sdk.Implementation{Name: "test"}, nil).Connect(t.Context(), theirs, nil)
		require.NoError(t, err)
		return client, ended
	}
	free := make(chan struct{})
	deaf := made(tool.New("deaf", "", func(context.Context, struct{}) (string, error) { <-free; return "", nil }))
	synctest.Test(t, func(t *testing.T) {
		client, ended := start(t, t.Context(), sleeper("sleep", time.Hour))
		text, _ := said(t, call(t, client, "sleep", `{"more":1}`))
		require.Contains(t, text, `unknown property "more"`)
		require.NoError(t, client.Close())
		require.NoError(t, <-ended)
	})
	for _, tt := range []struct {
		tool tool.Tool
		took time.Duration
	}{{sleeper("sleep", time.Hour), time.Second}, {deaf, 6 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			free = make(chan struct{})
			ctx, cancel := context.WithCancel(t.Context())
			client, ended := start(t, ctx, tt.tool)
			go func() { _, _ = client.CallTool(t.Context(), &sdk.CallToolParams{Name: tt.tool.Name()}) }()
			began := time.Now()
			time.AfterFunc(time.Second, cancel)
			require.ErrorIs(t, <-ended, context.Canceled)
			require.Equal(t, tt.took, time.Since(began))
			close(free)
			require.NoError(t, client.Close())
		})
	}
}
