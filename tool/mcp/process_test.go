//go:build unix

package mcp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

// TestProcess: a server starts, works and ends, whatever it writes between its
// messages. No secret of its environment is in the log.
func TestProcess(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"", "noise", "quits on discover", "grandchild"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			server, log := stdio(t, mode)
			client, err := mcp.Open(server)
			require.NoError(t, err)
			tools := toolsOf(t, client)
			parts, err := toolNamed(t, tools, "echo").Call(t.Context(), json.RawMessage(`{"n":9007199254740993}`))
			require.NoError(t, err)
			require.Len(t, parts, 1)
			require.Contains(t, parts[0].(llm.Text).Text, `"arguments":{"n":9007199254740993}`)
			require.NoError(t, client.Close())
			require.Contains(t, log.String(), "started with [redacted]")
			require.NotContains(t, log.String(), "hunter2")
			require.NotContains(t, log.String(), "\x1b")
			if mode == "noise" {
				require.Contains(t, log.String(), `msg="mcp server wrote a line that is not a message" server=s text="Server v1"`)
			}
			if m := regexp.MustCompile(`child (\d+)`).FindStringSubmatch(log.String()); m != nil {
				pid, _ := strconv.Atoi(m[1])
				require.Eventually(t, func() bool { return isDead(pid) }, 5*time.Second, 10*time.Millisecond)
			}
		})
	}
}

// isDead reports whether a process has ended, reaped by somebody or not.
func isDead(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil && syscall.Kill(pid, 0) != nil || bytes.Contains(stat, []byte(") Z "))
}

// TestProcessEnvironment: a server gets the inherited variables and its own.
func TestProcessEnvironment(t *testing.T) { // sets a variable
	t.Setenv("OPENAI_API_KEY", "sk-ours")
	server, _ := stdio(t, "")
	parts, err := toolNamed(t, toolsOf(t, open(t, server)), "env").Call(t.Context(), json.RawMessage(`{}`))
	require.NoError(t, err)
	text := parts[0].(llm.Text).Text
	require.Contains(t, text, "PATH="+os.Getenv("PATH"))
	require.Contains(t, text, "SECRET=hunter2hunter2")
	require.NotContains(t, text, "sk-ours")
}

// TestProcessFails: the error has the exit status and the end of the standard error,
// without secrets and control characters.
func TestProcessFails(t *testing.T) {
	t.Parallel()
	server, _ := stdio(t, "fails")
	_, err := open(t, server).Toolsets()[0].Tools(t.Context())
	require.EqualError(t, err, `toolset "s": the server's process ended: exit status 3; its standard error ended with: started with [redacted] no key[2J`)
	server.Env[modeVariable] = "quits on list"
	_, err = open(t, server).Toolsets()[0].Tools(t.Context())
	require.EqualError(t, err, `toolset "s": the server's process ended: exit status 4; its standard error ended with: started with [redacted]`)
	server.Command = []string{"/no/such/program"}
	_, err = open(t, server).Toolsets()[0].Tools(t.Context())
	require.ErrorContains(t, err, "no such file or directory")
}

// TestProcessBreaks: if the process ends during a call, the call fails at once with the
// reason, and the next call starts a new process.
func TestProcessBreaks(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"crash": "outcome_unknown: the server's process ended: exit status 2; its standard error ended with: started with [redacted] panic: out of cheese",
		"close": "outcome_unknown: the server closed its standard output",
		"huge":  "outcome_unknown: a message of the server has more than 1048576 bytes",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, _ := stdio(t, "")
			server.MaxMessage = 1 << 20
			tools := toolsOf(t, open(t, server))
			_, err := toolNamed(t, tools, name).Call(t.Context(), json.RawMessage(`{}`))
			require.EqualError(t, err, want)
			_, err = toolNamed(t, tools, "echo").Call(t.Context(), json.RawMessage(`{}`))
			require.NoError(t, err)
		})
	}
}

// TestDeafProcess: a call ends with its context if the server does not read the
// arguments.
func TestDeafProcess(t *testing.T) {
	t.Parallel()
	server, _ := stdio(t, "")
	tools := toolsOf(t, open(t, server))
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	large := json.RawMessage(`{"x":"` + strings.Repeat("x", 1<<20) + `"}`)
	deaf := toolNamed(t, tools, "deaf")
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wg.Go(func() { _, errs[i] = deaf.Call(ctx, large) })
	}
	wg.Wait()
	for _, err := range errs {
		require.Error(t, err)
	}
}

// TestStubbornProcess: a process that ignores the signal is killed.
func TestStubbornProcess(t *testing.T) {
	t.Parallel()
	server, _ := stdio(t, "stubborn")
	client, err := mcp.Open(server)
	require.NoError(t, err)
	toolsOf(t, client)
	start := time.Now()
	require.NoError(t, client.Close())
	require.Less(t, time.Since(start), 7*time.Second)
	require.Greater(t, time.Since(start), 3*time.Second)
}

// TestProgressOfAProcess arrives before the result, in order.
func TestProgressOfAProcess(t *testing.T) {
	t.Parallel()
	server, _ := stdio(t, "")
	var got []string
	ctx := tool.WithCall(t.Context(), tool.Call{}, func(done, total float64, message string) {
		got = append(got, strconv.FormatFloat(done, 'g', -1, 64)+"/"+strconv.FormatFloat(total, 'g', -1, 64)+" "+message)
	})
	_, err := toolNamed(t, toolsOf(t, open(t, server)), "steps").Call(ctx, json.RawMessage(`{}`))
	require.NoError(t, err)
	require.Equal(t, []string{"1/3 step 1", "2/3 step 2", "3/3 step 3"}, got)
}
