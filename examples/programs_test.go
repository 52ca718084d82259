// Package examples_test builds the programs and runs them as a user would.
package examples_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/tied"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

var (
	bin string // the directory with the programs
	exe = map[bool]string{true: ".exe"}[runtime.GOOS == "windows"]
)

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "examples")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	build := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "./approve", "./mcp", "./quickstart", "./chat", "./provider", "./probe")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v: %s", err, out)
		return 1
	}
	bin = dir
	return m.Run()
}

// command returns a command of a program, without the provider of the user.
func command(t *testing.T, env []string, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, name+exe), args...)
	tied.Tie(cmd)
	own := slices.DeleteFunc(os.Environ(), func(s string) bool { return strings.HasPrefix(s, "OPENAI_") })
	cmd.Env = append(own, env...)
	return cmd
}

type outcome struct {
	stdout, stderr string
	status         int
}

func start(t *testing.T, env []string, stdin, name string, args ...string) outcome {
	t.Helper()
	cmd := command(t, env, name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); !ok {
		require.NoError(t, err)
	}
	return outcome{countless(stdout.String()), stderr.String(), cmd.ProcessState.ExitCode()}
}

var tokens = regexp.MustCompile(`tokens: \d+ in, \d+ out`)

// countless replaces the numbers of tokens, which depend on the format of schemas.
func countless(s string) string { return tokens.ReplaceAllString(s, "tokens: N in, N out") }

const (
	notice = "OPENAI_API_KEY is not set: an embedded demo without a model answers.\n"

	answer = `This is what the tools say:
- get_weather(Beijing): city Beijing, celsius 22, sky clear
- get_weather(Lisbon): city Lisbon, celsius 27, sky sunny
- convert_temperature(22, fahrenheit): degrees 71.6, unit fahrenheit
- convert_temperature(27, fahrenheit): degrees 80.6, unit fahrenheit
`
	transcript = `> What is the weather in Beijing and in Lisbon? Give the temperatures in Fahrenheit.
get_weather {"city":"Beijing"} [r1.t1.c0]
get_weather {"city":"Lisbon"} [r1.t1.c1]
get_weather = {"city":"Beijing","celsius":22,"sky":"clear"} [r1.t1.c0]
get_weather = {"city":"Lisbon","celsius":27,"sky":"sunny"} [r1.t1.c1]
convert_temperature {"celsius":22,"to":"fahrenheit"} [r1.t2.c0]
convert_temperature {"celsius":27,"to":"fahrenheit"} [r1.t2.c1]
convert_temperature = {"degrees":71.6,"unit":"fahrenheit"} [r1.t2.c0]
convert_temperature = {"degrees":80.6,"unit":"fahrenheit"} [r1.t2.c1]
` + answer + `turns: 3, tokens: N in, N out
`
)

// inCallOrder sorts the results of concurrent calls, which arrive in any order, by
// call.
func inCallOrder(stdout string) string {
	lines := strings.Split(stdout, "\n")
	for i := range len(lines) - 1 {
		a, b := lines[i], lines[i+1]
		if strings.Contains(a, " = ") && strings.HasSuffix(a, ".c1]") && strings.Contains(b, " = ") && strings.HasSuffix(b, ".c0]") {
			lines[i], lines[i+1] = b, a
		}
	}
	return strings.Join(lines, "\n")
}

func TestQuickstart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		args []string
	}{
		{"streamed", nil},
		{"not streamed", []string{"-stream=false"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := start(t, nil, "", "quickstart", tt.args...)
			o.stdout = inCallOrder(o.stdout)
			require.Equal(t, outcome{transcript, notice, 0}, o)
		})
	}
}

func TestQuickstartFailedCall(t *testing.T) {
	t.Parallel()
	o := start(t, nil, "", "quickstart", "What is the weather in", "Atlantis?")
	require.Equal(t, outcome{`> What is the weather in Atlantis?
get_weather {"city":"Atlantis"} [r1.t1.c0]
get_weather failed: there is no weather station in "Atlantis", only in beijing, lisbon, nairobi, new york [r1.t1.c0]
This is what the tools say:
- get_weather(Atlantis): there is no weather station in "Atlantis", only in beijing, lisbon, nairobi, new york
turns: 2, tokens: N in, N out
`, notice, 0}, o)
}

// An event is a line of -json.
type event struct {
	Type, Text, Error string
}

func events(t *testing.T, stdout string) (all []event, types []string) {
	t.Helper()
	for line := range strings.Lines(stdout) {
		var e event
		require.NoError(t, json.Unmarshal([]byte(line), &e), line)
		require.NotEmpty(t, e.Type, line)
		all = append(all, e)
		if len(types) == 0 || types[len(types)-1] != e.Type {
			types = append(types, e.Type)
		}
	}
	return all, types
}

func TestJSON(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		args   []string
		deltas bool
	}{
		{"streamed", []string{"-json"}, true},
		{"not streamed", []string{"-json", "-stream=false"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := start(t, nil, "", "quickstart", append(tt.args, "Is the weather in Beijing <better>?")...)
			require.Equal(t, notice, o.stderr)
			require.Zero(t, o.status)
			require.Contains(t, o.stdout, "<better>") // without escapes for HTML
			all, types := events(t, o.stdout)
			want := []string{
				"run_started", "user_messaged",
				"turn_prepared", "call_delta", "model_answered", "tool_call_started", "tool_call_finished",
				"turn_prepared", "text_delta", "model_answered", "run_finished",
			}
			if !tt.deltas {
				want = slices.DeleteFunc(want, func(s string) bool { return strings.HasSuffix(s, "_delta") })
			}
			require.Equal(t, want, types)
			var text string
			for _, e := range all {
				text += e.Text
			}
			require.Equal(t, tt.deltas, strings.HasPrefix(text, "This is what the tools say:"))
		})
	}
}

// provider serves only errors.
func provider(t *testing.T) *llmtest.Server {
	server := &llmtest.Server{Model: llmtest.Script(t), Key: "right", Models: []string{"there"}}
	require.NoError(t, server.Start())
	return server
}

// unreachable returns an address without a listener: the client side of an open
// connection, which the system gives to no other process.
func unreachable(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c.LocalAddr().String()
}

func TestErrors(t *testing.T) {
	t.Parallel()
	server, closed := provider(t), unreachable(t)
	good := []string{"OPENAI_BASE_URL=" + server.BaseURL, "OPENAI_API_KEY=right", "OPENAI_MODEL=there"}
	for _, tt := range []struct {
		name string
		env  []string // in addition to the valid variables
		args []string
		want string

		retries int
	}{
		{"wrong key", []string{"OPENAI_API_KEY=wrong"}, nil, "turn 1: openai: 401 auth: Incorrect API key provided.", 0},
		{"no key", []string{"OPENAI_API_KEY="}, nil, "turn 1: openai: 401 auth: Incorrect API key provided.", 0},
		{"wrong model", []string{"OPENAI_MODEL=gone"}, nil, "turn 1: openai: 404 not_found: The model `gone` does not exist or you do not have access to it. (POST " + server.BaseURL + "/chat/completions)", 0},
		{"wrong model as a flag", []string{"OPENAI_BASE_URL=nowhere"}, []string{"-model", "gone", "-base-url", server.BaseURL}, "turn 1: openai: 404 not_found: The model `gone` does not exist or you do not have access to it. (POST " + server.BaseURL + "/chat/completions)", 0},
		{"unreachable URL", []string{"OPENAI_BASE_URL=http://" + closed}, nil, "turn 1: openai: network: POST http://" + closed + "/v1/chat/completions: dial tcp " + closed + ": connect: connection refused", 2},
		{"no URL", []string{"OPENAI_BASE_URL=localhost"}, nil, `turn 1: openai: the base URL "localhost" does not begin with http:// or https:// and a host`, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if runtime.GOOS == "windows" && strings.Contains(tt.want, "refused") {
				t.Skip("Windows says it in other words")
			}
			for _, name := range []string{"quickstart", "chat", "probe"} {
				o := start(t, append(good, tt.env...), "Hello\nHello again\n", name, tt.args...)
				want := tt.want
				if name == "probe" {
					want = strings.TrimPrefix(want, "turn 1: ") // this run has no turns
					require.Empty(t, o.stdout)
				}
				require.Equal(t, name+": "+want+"\n", noticed(t, o.stderr, tt.retries))
				require.Equal(t, 1, o.status)
			}
			o := start(t, append(good, tt.env...), "", "quickstart", append(tt.args, "-json")...)
			require.Equal(t, "quickstart: "+tt.want+"\n", o.stderr) // the notices are events
			require.Equal(t, 1, o.status)
			all, types := events(t, o.stdout)
			require.Equal(t, tt.retries > 0, slices.Contains(types, "notice"))
			require.Equal(t, event{Type: "error", Error: tt.want}, all[len(all)-1])
		})
	}
}

var trying = regexp.MustCompile(`^.*network: .*; trying again in [\d.]+m?s \(try \d of 3\)\n$`)

// noticed returns stderr after so many notices of a wait.
func noticed(t *testing.T, stderr string, waits int) string {
	t.Helper()
	lines := strings.SplitAfter(stderr, "\n")
	require.Greater(t, len(lines), waits)
	for _, line := range lines[:waits] {
		require.Regexp(t, trying, line)
	}
	return strings.Join(lines[waits:], "")
}

// TestTextBeforeCalls: each call has a line, whatever was printed before.
func TestTextBeforeCalls(t *testing.T) {
	t.Parallel()
	call := llmtest.Calls("get_weather", map[string]string{"city": "Lisbon"})
	script := llmtest.Script(t, llmtest.Text("Let me see.").And(call), llmtest.Text("It is sunny."))
	o := start(t, []string{"OPENAI_BASE_URL=" + script.Serve().BaseURL}, "", "quickstart", "Lisbon?")
	require.Equal(t, outcome{`> Lisbon?
Let me see.
get_weather {"city":"Lisbon"} [r1.t1.c0]
get_weather = {"city":"Lisbon","celsius":27,"sky":"sunny"} [r1.t1.c0]
It is sunny.
turns: 2, tokens: N in, N out
`, "", 0}, o)
}

func TestFlags(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		args   []string
		status int
		stderr []string
	}{
		{"quickstart", []string{"-help"}, 0, []string{"usage: quickstart [flags] [question]\n", "-json"}},
		{"chat", []string{"-h"}, 0, []string{"usage: chat [flags]\n", "-stream"}},
		{"probe", []string{"-h"}, 0, []string{"usage: probe [flags]\n", "-timeout duration\n", "(default 2m)", "print the findings as one JSON document"}},
		{"probe", []string{"-timeout", "0s"}, 2, []string{"the timeout must be above zero", "usage: probe [flags]\n"}},
		{"probe", []string{"Hello"}, 2, []string{"unexpected argument: Hello\nusage: probe [flags]\n"}},
		{"approve", []string{"-h"}, 0, []string{"usage: approve [flags] [approve | always | deny reason | edit arguments | revoke | show | message]\n", "-dir string\n", "-session string\n"}},
		{"mcp", []string{"-h"}, 0, []string{"usage: mcp [flags] [question]\n       mcp serve [-http host:port]\n", "-server '[name:] command arguments'\n", "-list\n"}},
		{"mcp", []string{"serve", "-h"}, 0, []string{"usage: mcp serve [flags]\n", "-http host:port\n"}},
		{"mcp", []string{"serve", "Hello"}, 2, []string{"unexpected argument: Hello\nusage: mcp serve [flags]\n"}},
		{"provider", []string{"-h"}, 0, []string{"usage: provider [flags]\n", "-addr host:port\n", `(default "127.0.0.1:0")`}},
		{"quickstart", []string{" "}, 2, []string{"quickstart: the question is empty\n"}},
		{"mcp", []string{"-yes", ""}, 2, []string{"mcp: the question is empty\n"}},
		{"chat", []string{"-nope"}, 2, []string{"-nope", "usage: chat [flags]\n"}},
		{"chat", []string{"Hello"}, 2, []string{"unexpected argument: Hello\nusage: chat [flags]\n"}},
		{"provider", []string{"-nope"}, 2, []string{"-nope", "usage: provider [flags]\n"}},
		{"provider", []string{"8080"}, 2, []string{"unexpected argument: 8080\nusage: provider [flags]\n"}},
		{"provider", []string{"-addr", "nowhere"}, 1, []string{"provider: listen tcp: address nowhere: missing port in address\n"}},
	} {
		o := start(t, nil, "", tt.name, tt.args...)
		require.Equal(t, tt.status, o.status, tt)
		require.Empty(t, o.stdout)
		for _, want := range tt.stderr {
			require.Contains(t, o.stderr, want)
		}
		require.NotContains(t, o.stderr, "-test.")
	}
}

func TestQuickstartInterrupted(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no process can be interrupted from outside")
	}
	cmd := command(t, nil, "quickstart")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(stdout)
	require.True(t, lines.Scan()) // the question: the run has begun
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	for lines.Scan() { // to the end
	}
	require.Error(t, cmd.Wait())
	require.Equal(t, 130, cmd.ProcessState.ExitCode())
	require.Equal(t, notice+"quickstart: interrupted\n", stderr.String())
}

// TestCopy: the program in the README of the examples, with an unchanged file of the
// quickstart, builds and runs in a separate module.
func TestCopy(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(readme), "```go\n")
	require.True(t, ok)
	program, _, ok := strings.Cut(rest, "```")
	require.True(t, ok)
	core, err := filepath.Abs("..")
	require.NoError(t, err)
	for _, name := range []string{"quickstart", "chat"} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "main.go"), []byte(program), 0o600))
		for _, file := range []string{filepath.Join(name, "assistant.go"), "go.sum"} {
			data, err := os.ReadFile(file)
			require.NoError(t, err)
			require.NotContains(t, string(data), "toolloop/examples")
			require.NoError(t, os.WriteFile(filepath.Join(dir, filepath.Base(file)), data, 0o600))
		}
		outside := func(args ...string) {
			cmd := exec.CommandContext(t.Context(), "go", args...)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
		}
		outside("mod", "init", "example.com/mine")
		outside("mod", "edit", "-require=github.com/seed-916e8f6a/toolloop@v0.1.0", "-replace=github.com/seed-916e8f6a/toolloop="+core)
		mine := "mine-" + name
		outside("build", "-o", filepath.Join(bin, mine+exe), ".")

		env, _, stop := serve(t)
		o := start(t, []string{env}, "", mine)
		require.Equal(t, 0, o.status, o.stderr)
		require.NotEmpty(t, o.stdout)
		require.Len(t, stop(), map[string]int{"quickstart": 2, "chat": 1}[name])
	}
}
