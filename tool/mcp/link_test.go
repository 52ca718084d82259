package mcp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

// TestOpenChecks: a bad field is named, its value is not.
func TestOpenChecks(t *testing.T) {
	t.Parallel()
	dial := offering(answering("{}")).dial
	for want, s := range map[string]mcp.Server{
		`mcp server "": Name: must have 1 to 32 letters, digits, - and single _, and must not end in _`:     {Dial: dial},
		`mcp server "a__b": Name: must have 1 to 32 letters, digits, - and single _, and must not end in _`: {Name: "a__b", Dial: dial},
		`mcp server "a_": Name: must have 1 to 32 letters, digits, - and single _, and must not end in _`:   {Name: "a_", Dial: dial},
		`mcp server "s": exactly one of Command, URL and Dial must be set`:                                  {Name: "s"},
		`mcp server "t": exactly one of Command, URL and Dial must be set`:                                  {Name: "t", Dial: dial, URL: "http://localhost"},
		`mcp server "s": Env, Dir: are for a Command`:                                                       {Name: "s", Dial: dial, Dir: "x"},
		`mcp server "s": Header, OAuth, HTTPClient: are for a URL`:                                          {Name: "s", Dial: dial, Header: map[string]string{"A": "b"}},
		`mcp server "s": Command: the program has no name`:                                                  {Name: "s", Command: []string{""}},
		`mcp server "s": Env: "A=B" is not a valid variable`:                                                {Name: "s", Command: []string{"x"}, Env: map[string]string{"A=B": "secret"}},
		`mcp server "s": URL: must be an absolute http or https URL`:                                        {Name: "s", URL: "localhost:80/secret"},
		`mcp server "s": URL: has credentials; put them into Header`:                                        {Name: "s", URL: "https://u:secret@h/"},
		`mcp server "s": Header: "A" is not a valid header`:                                                 {Name: "s", URL: "https://h/", Header: map[string]string{"A": "secret\n"}},
		`mcp server "s": Allow: "[" is not a valid pattern`:                                                 {Name: "s", Dial: dial, Allow: []string{"["}},
		`mcp server "s": StartTimeout: -2ns is negative; -1 means no limit`:                                 {Name: "s", Dial: dial, StartTimeout: -2},
		`mcp server "s": MaxTools: -2 is negative; -1 means no limit`:                                       {Name: "s", Dial: dial, MaxTools: -2},
		`mcp server "s": MaxMessage: -1 is negative`:                                                        {Name: "s", Dial: dial, MaxMessage: -1},
		`mcp server "s": Changed: "x" is unknown`:                                                           {Name: "s", Dial: dial, Changed: "x"},
	} {
		_, err := mcp.Open(s)
		require.EqualError(t, err, want)
	}
	_, err := mcp.Open(mcp.Server{Name: "s", Dial: dial}, mcp.Server{Name: "s", Dial: dial})
	require.EqualError(t, err, `mcp server "s": another has the same Name`)
}

// TestBackoff: a server that cannot be reached is left alone for longer and longer,
// and says so at once to who asks.
func TestBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var tried []time.Duration
		client := open(t, mcp.Server{Name: "s", Dial: func(context.Context) (sdk.Transport, error) {
			tried = append(tried, time.Since(start))
			return nil, errors.New("no route")
		}})
		set := client.Toolsets()[0]
		require.True(t, set.Optional)
		for time.Since(start) < 2*time.Minute {
			_, err := set.Tools(t.Context())
			require.ErrorContains(t, err, `toolset "s": no route`)
			time.Sleep(500 * time.Millisecond) // synctest: exact in a bubble
		}
		s := time.Second
		require.Equal(t, []time.Duration{0, s, 3 * s, 7 * s, 15 * s, 31 * s, 61 * s, 91 * s}, tried)
		_, err := set.Tools(t.Context())
		require.EqualError(t, err, `toolset "s": no route`, "a notice of it is told once")
		require.EqualError(t, client.Status(t.Context())[0].Err, `no route; the server is tried again in 1s at the earliest`)
	})
}

// TestCrashingServer: a connection that was of use is made anew at once, one that
// breaks again and again is not.
func TestCrashingServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := offering(func(*peerConn, string, json.RawMessage) (string, error) { return "", errDrop }, plainTool)
		log := new(logged)
		client := open(t, mcp.Server{Name: "s", Dial: server.dial, Log: slog.New(slog.NewTextHandler(log, nil))})
		run := toolsOf(t, client)[0]
		require.Empty(t, log.String())
		var got []string
		for range 4 {
			_, err := run.Call(t.Context(), json.RawMessage(`{}`))
			got = append(got, err.Error())
		}
		time.Sleep(time.Second) // synctest: exact in a bubble
		_, err := run.Call(t.Context(), json.RawMessage(`{}`))
		got = append(got, err.Error())
		tools, err := client.Toolsets()[0].Tools(t.Context())
		require.Len(t, tools, 1)
		require.EqualError(t, err, `toolset "s": the connection to the server has ended`)
		const lost = `outcome_unknown: calling "tools/call": EOF`
		const down = "failed: the connection to the server has ended; the server is tried again in 1s at the earliest"
		require.Equal(t, []string{lost, lost, down, down, lost}, got)
		lines := regexp.MustCompile(`(?m)^time=\S+ `).ReplaceAllString(log.String(), "")
		const gone, again = "level=WARN msg=\"mcp server has disconnected\" server=s text=\"the connection to the server has ended\"\n", "level=INFO msg=\"mcp server was restarted\" server=s text=\"1 tools\"\n"
		require.Equal(t, gone+again+gone+again+gone, lines)
	})
}

// TestHangingStarts end in time, whatever hangs, and disturb no other server.
func TestHangingStarts(t *testing.T) {
	t.Parallel()
	hangsAt := func(phase string) *peer {
		good := offering(answering("{}"), plainTool)
		return &peer{answer: func(c *peerConn, method string, params json.RawMessage) (string, error) {
			if method == phase {
				return "", errHang
			}
			return good.answer(c, method, params)
		}}
	}
	for name, dial := range map[string]func(context.Context) (sdk.Transport, error){
		"dial": func(ctx context.Context) (sdk.Transport, error) {
			<-ctx.Done()
			return nil, context.Cause(ctx)
		},
		"dial for ever": func(context.Context) (sdk.Transport, error) {
			time.Sleep(time.Hour) // synctest: exact in a bubble; whatever its context says
			return offering(answering("{}"), plainTool), nil
		},
		"connect": func(context.Context) (sdk.Transport, error) { return silent{}, nil },
		"list":    hangsAt("tools/list").dial,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := open(t,
					mcp.Server{Name: "bad", Dial: dial, StartTimeout: 20 * time.Second},
					mcp.Server{Name: "good", Dial: offering(answering("{}"), plainTool).dial})
				start := time.Now()
				tools, err := client.Toolsets()[1].Tools(t.Context())
				require.NoError(t, err)
				require.Len(t, tools, 1)
				require.Zero(t, time.Since(start))
				_, err = client.Toolsets()[0].Tools(t.Context())
				require.EqualError(t, err, `toolset "bad": the server was not ready within 20s`)
				require.LessOrEqual(t, time.Since(start), 22*time.Second)
				time.Sleep(2 * time.Hour) // synctest: exact in a bubble; what comes too late is closed
			})
		})
	}
}

// silent is a server that never says anything.
type silent struct{}

func (silent) Connect(context.Context) (sdk.Connection, error) {
	ours, theirs := io.Pipe()
	return (&sdk.IOTransport{Reader: ours, Writer: discard{theirs}}).Connect(context.Background())
}

type discard struct{ *io.PipeWriter }

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// TestPartOfAList is kept when the rest does not come.
func TestPartOfAList(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := &peer{answer: func(_ *peerConn, _ string, params json.RawMessage) (string, error) {
			if strings.Contains(string(params), "cursor") {
				return "", errHang
			}
			return `{"tools":[` + plainTool + `],"nextCursor":"x"}`, nil
		}}
		client := open(t, mcp.Server{Name: "s", Dial: server.dial, StartTimeout: time.Second})
		tools, err := client.Toolsets()[0].Tools(t.Context())
		require.EqualError(t, err, `toolset "s": the server was not ready within 1s`)
		require.Equal(t, []string{"s__run"}, namesOf(tools))
	})
}

// TestWhoWaitsMayLeave, and who comes later finds the server ready.
func TestWhoWaitsMayLeave(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		dials := 0
		server := offering(answering("{}"), plainTool)
		client := open(t, mcp.Server{Name: "s", Dial: func(context.Context) (sdk.Transport, error) {
			dials++
			time.Sleep(10 * time.Second) // synctest: exact in a bubble
			return server, nil
		}})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := client.Toolsets()[0].Tools(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Len(t, toolsOf(t, client), 1)
		require.Equal(t, 1, dials)
	})
}

// TestServersStartTogether when the first of them is needed.
func TestServersStartTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var servers []mcp.Server
		for i := range 5 {
			servers = append(servers, mcp.Server{Name: fmt.Sprint("s", i), Dial: func(context.Context) (sdk.Transport, error) {
				time.Sleep(10 * time.Second) // synctest: exact in a bubble
				return offering(answering("{}"), plainTool), nil
			}})
		}
		client := open(t, servers...)
		for _, set := range client.Toolsets() {
			_, err := set.Tools(t.Context())
			require.NoError(t, err)
		}
		require.Equal(t, 10*time.Second, time.Since(start))
	})
}

// TestRequired makes a set whose error ends a run.
func TestRequired(t *testing.T) {
	t.Parallel()
	client := open(t, mcp.Server{Name: "s", Required: true, Dial: func(context.Context) (sdk.Transport, error) { panic("boom") }})
	set := client.Toolsets()[0]
	require.False(t, set.Optional)
	_, err := set.Tools(t.Context())
	require.EqualError(t, err, `toolset "s": panic: boom`)
}

// TestClose ends what runs, and what comes after it fails.
func TestClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := offering(func(*peerConn, string, json.RawMessage) (string, error) { return "", errHang }, plainTool)
		client, err := mcp.Open(mcp.Server{Name: "s", Dial: server.dial}, mcp.Server{Name: "hangs", Dial: func(context.Context) (sdk.Transport, error) { return silent{}, nil }})
		require.NoError(t, err)
		run := toolsOf(t, client)[0]
		called, closed := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := run.Call(t.Context(), json.RawMessage(`{}`))
			called <- err
		}()
		synctest.Wait()
		start := time.Now()
		go func() { closed <- client.Close() }()
		require.ErrorContains(t, <-called, "outcome_unknown")
		require.NoError(t, <-closed)
		require.LessOrEqual(t, time.Since(start), 4*time.Second)
		_, err = run.Call(t.Context(), json.RawMessage(`{}`))
		require.EqualError(t, err, "failed: the client is closed")
		require.NoError(t, client.Close())
	})
}

// TestServerRequests: what the client does not offer is refused, what it offers is
// answered by the caller's function, and no panic of that ends the program.
func TestServerRequests(t *testing.T) {
	t.Parallel()
	server := sdk.NewServer(&sdk.Implementation{Name: "s"}, nil)
	sdk.AddTool(server, &sdk.Tool{Name: "ask"}, func(ctx context.Context, req *sdk.CallToolRequest, in struct {
		What string `json:"what"`
	}) (*sdk.CallToolResult, any, error) {
		if in.What == "ping" {
			return nil, nil, req.Session.Ping(ctx, nil)
		}
		res, err := req.Session.Elicit(ctx, &sdk.ElicitParams{Message: in.What})
		if err != nil {
			return nil, nil, err
		}
		return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: res.Action}}}, nil, nil
	})
	server.AddReceivingMiddleware(func(next sdk.MethodHandler) sdk.MethodHandler {
		return func(ctx context.Context, method string, req sdk.Request) (sdk.Result, error) {
			if method == "server/discover" { // in the newest version a server cannot ask
				return nil, &jsonrpc.Error{Code: jsonrpc.CodeMethodNotFound, Message: "no such method"}
			}
			return next(ctx, method, req)
		}
	})
	call := func(s mcp.Server, what string) string {
		s.Name, s.Dial = "s", inMemory(t, server)
		parts, err := toolsOf(t, open(t, s))[0].Call(t.Context(), json.RawMessage(`{"what":"`+what+`"}`))
		if err != nil {
			return err.Error()
		}
		return fmt.Sprint(parts)
	}
	elicit := func(_ context.Context, req *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
		if req.Params.Message == "panic" {
			panic("boom")
		}
		return &sdk.ElicitResult{Action: "decline"}, nil
	}
	require.Equal(t, "[{(no output) []}]", call(mcp.Server{}, "ping"))
	require.Contains(t, call(mcp.Server{}, "name?"), "does not support")
	require.Equal(t, "[{decline []}]", call(mcp.Server{Elicit: elicit}, "name?"))
	require.Contains(t, call(mcp.Server{Elicit: elicit}, "panic"), "the client's function failed")
}

// deafConn never takes an answer.
type deafConn struct {
	sdk.Connection
	closed chan struct{}
	once   *sync.Once
}

func (c deafConn) Write(ctx context.Context, m jsonrpc.Message) error {
	if _, answer := m.(*jsonrpc.Response); answer {
		<-c.closed
		return io.ErrClosedPipe
	}
	return c.Connection.Write(ctx, m)
}

func (c deafConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Connection.Close()
}

type deaf struct{ *peer }

func (d deaf) Connect(ctx context.Context) (sdk.Connection, error) {
	conn, err := d.peer.Connect(ctx)
	return deafConn{conn, make(chan struct{}), new(sync.Once)}, err
}

// TestDeafServer asks and does not listen: its connection ends before its questions
// fill the memory, and the next call finds a new one.
func TestDeafServer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := offering(answering("{}"), plainTool)
		client := open(t, mcp.Server{Name: "s", Dial: func(context.Context) (sdk.Transport, error) { return deaf{server}, nil }})
		run := toolsOf(t, client)[0]
		first := server.last()
		for i := range 2 * 256 {
			id, err := jsonrpc.MakeID(float64(i))
			require.NoError(t, err)
			first.out <- &jsonrpc.Request{ID: id, Method: "ping"}
			synctest.Wait()
		}
		_, err := run.Call(t.Context(), json.RawMessage(`{}`))
		require.NoError(t, err)
		require.Len(t, server.conns, 2)
	})
}

// TestInputInTheNewProtocol: the newest version asks for a person's input by a result,
// which the caller's function answers.
func TestInputInTheNewProtocol(t *testing.T) {
	t.Parallel()
	server := sdk.NewServer(&sdk.Implementation{Name: "s"}, nil)
	server.AddTool(&sdk.Tool{Name: "ask", InputSchema: json.RawMessage(`{"type":"object"}`)}, func(_ context.Context, req *sdk.CallToolRequest) (*sdk.CallToolResult, error) {
		if answer, ok := req.Params.InputResponses["q"].(*sdk.ElicitResult); ok {
			return &sdk.CallToolResult{Content: []sdk.Content{&sdk.TextContent{Text: answer.Action}}}, nil
		}
		return &sdk.CallToolResult{InputRequests: sdk.InputRequestMap{"q": &sdk.ElicitParams{Message: "Sure?"}}}, nil
	})
	client := open(t, mcp.Server{Name: "s", Dial: inMemory(t, server), Elicit: func(context.Context, *sdk.ElicitRequest) (*sdk.ElicitResult, error) {
		return &sdk.ElicitResult{Action: "decline"}, nil
	}})
	parts, err := toolsOf(t, client)[0].Call(t.Context(), json.RawMessage(`{}`))
	require.NoError(t, err)
	require.Equal(t, llm.Parts{llm.Text{Text: "decline"}}, parts)
}
