package mcp_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

// phases are the phases in the life of a server, by the message that it receives.
func phases(wrong func(f *foe, h heard)) map[string]misdeed {
	secondPage := func(f *foe, h heard) bool {
		if h.Method != "tools/list" {
			return false
		}
		if h.cursor() == "" {
			f.answer(h, `{"tools":[`+workTool+`],"nextCursor":"2"}`)
		} else {
			wrong(f, h)
		}
		return true
	}
	return map[string]misdeed{
		"discover":    at("server/discover", wrong),
		"initialize":  at("initialize", wrong),
		"initialized": at("notifications/initialized", wrong),
		"page 1":      at("tools/list", wrong),
		"page 2":      secondPage,
		"call":        at("tools/call", wrong),
		"progress": at("tools/call", func(f *foe, h heard) {
			f.say(`{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":%q,"progress":1}}`, h.token())
			wrong(f, h)
		}),
	}
}

const (
	noTool   = "There is no tool named \"evil__work\". The tools are: good__greet."
	timedOut = "The tool did not finish within 2m0s and was given up. It may have had an effect all the same: check before you call it again."
	inDoubt  = "The server of the tool disconnected before it answered. It is not known whether the call took effect: check before you call it again."
)

// TestHostileHang: the wait for a server that stops to respond ends at its timeout.
func TestHostileHang(t *testing.T) {
	t.Parallel()
	type want struct {
		outcome
		took time.Duration
	}
	const late = `toolset "evil": the server was not ready within 1m0s`
	wants := map[string]want{
		"discover":    {outcome{noTool, "unknown_tool", late}, time.Minute},
		"initialize":  {outcome{noTool, "unknown_tool", late}, time.Minute},
		"initialized": {outcome{noTool, "unknown_tool", late}, time.Minute},
		"page 1":      {outcome{noTool, "unknown_tool", late}, time.Minute},
		"page 2":      {outcome{timedOut, "timed_out", late}, 3 * time.Minute},
		"call":        {outcome{timedOut, "timed_out", ""}, 2 * time.Minute},
		"progress":    {outcome{timedOut, "timed_out", ""}, 2 * time.Minute},
	}
	got := map[string]want{}
	for name, do := range phases(func(f *foe, _ heard) { f.hang() }) {
		synctest.Test(t, func(t *testing.T) {
			out, all := stage{server: mcp.Server{Dial: inMemoryFoe(t, do)}}.play(t)
			got[name] = want{out, all.took}
		})
	}
	require.Equal(t, wants, got)
}

// TestHostileCrash: a server that crashes at any time ends nothing else.
func TestHostileCrash(t *testing.T) {
	t.Parallel()
	const told = `toolset "evil": (.*EOF.*|the connection to the server has ended)`
	wants := map[string]outcome{
		"discover":    {noTool, "unknown_tool", told},
		"initialize":  {noTool, "unknown_tool", told},
		"initialized": {noTool, "unknown_tool", told},
		"page 1":      {noTool, "unknown_tool", told},
		"page 2":      {"The call was not made, so it had no effect: the server of the tool cannot be reached now.", "failed", told},
		"call":        {inDoubt, "outcome_unknown", ""},
		"progress":    {inDoubt, "outcome_unknown", ""},
	}
	for name, do := range phases(func(f *foe, _ heard) { f.end() }) {
		synctest.Test(t, func(t *testing.T) {
			out, all := stage{server: mcp.Server{Dial: inMemoryFoe(t, do)}}.play(t)
			require.Equal(t, wants[name].Notices == "", out.Notices == "", name)
			for line := range strings.Lines(out.Notices) { // two if the SDK is the first to see the end
				require.Regexp(t, "^"+wants[name].Notices+"\n?$", line, name)
			}
			out.Notices = wants[name].Notices
			require.Equal(t, wants[name], out, name)
			require.Less(t, all.took, 2*time.Second, name)
		})
	}
}

// TestHostileCrashAlways: a server that crashes after each start is started less and
// less often, and meanwhile calls fail at once.
func TestHostileCrashAlways(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		starts := 0
		do := at("tools/call", func(f *foe, _ heard) { starts = f.start; f.end() })
		steps := []llmtest.Step{}
		for range 20 {
			steps = append(steps, evilWork)
		}
		out, all := stage{server: mcp.Server{Dial: inMemoryFoe(t, do)}, steps: append(steps, llmtest.Calls("good__greet", nil), llmtest.Text("Done."))}.play(t)
		require.Equal(t, outcome{"The call was not made, so it had no effect: the server of the tool cannot be reached now.", "failed", `toolset "evil": the connection to the server has ended`}, out)
		require.Equal(t, 2, starts, "one crash is forgiven")
		require.Less(t, all.took, time.Second)
	})
}

// TestHostileHangAtClose: Close leaves a server that does not end after a bounded time.
func TestHostileHangAtClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		never := make(chan struct{})
		defer close(never)
		dial := inMemoryFoe(t, polite)
		client, err := mcp.Open(mcp.Server{Name: "evil", Dial: func(ctx context.Context) (sdk.Transport, error) {
			transport, err := dial(ctx)
			return stuckTransport{transport, never}, err
		}})
		require.NoError(t, err)
		_, err = client.Toolsets()[0].Tools(t.Context())
		require.NoError(t, err)
		start := time.Now()
		require.NoError(t, client.Close())
		require.LessOrEqual(t, time.Since(start), 15*time.Second)
	})
}

// A stuckTransport has a connection whose Close blocks.
type stuckTransport struct {
	sdk.Transport
	until chan struct{}
}

func (t stuckTransport) Connect(ctx context.Context) (sdk.Connection, error) {
	conn, err := t.Transport.Connect(ctx)
	return stuckConn{conn, t.until}, err
}

type stuckConn struct {
	sdk.Connection
	until chan struct{}
}

func (c stuckConn) Close() error {
	<-c.until
	return c.Connection.Close()
}
