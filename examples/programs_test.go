// Package examples_test builds the programs and runs them as a user would.
package examples_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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

	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

var bin string // the directory of the programs

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
	build := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "./quickstart", "./chat", "./provider")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v: %s", err, out)
		return 1
	}
	bin = dir
	return m.Run()
}

// command is a program without the provider of whoever runs the tests.
func command(t *testing.T, env []string, name string, args ...string) *exec.Cmd {
	t.Helper()
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(bin, name), args...)
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

// countless replaces the numbers of tokens, which depend on how schemas are written.
func countless(s string) string { return tokens.ReplaceAllString(s, "tokens: N in, N out") }

const (
	notice = "OPENAI_API_KEY is not set: an embedded demo answers, which understands nothing.\n"

	answer = `This is what the tools say:
- get_weather(Beijing): city Beijing, celsius 22, sky clear
- get_weather(Lisbon): city Lisbon, celsius 27, sky sunny
- convert_temperature(22, fahrenheit): degrees 71.6, unit fahrenheit
- convert_temperature(27, fahrenheit): degrees 80.6, unit fahrenheit
`
	transcript = `> What is the weather in Beijing and in Lisbon? Give the temperatures in Fahrenheit.
[r1.t1.c0] get_weather {"city":"Beijing"}
[r1.t1.c1] get_weather {"city":"Lisbon"}
[r1.t1.c0] = {"city":"Beijing","celsius":22,"sky":"clear"}
[r1.t1.c1] = {"city":"Lisbon","celsius":27,"sky":"sunny"}
[r1.t2.c0] convert_temperature {"celsius":22,"to":"fahrenheit"}
[r1.t2.c1] convert_temperature {"celsius":27,"to":"fahrenheit"}
[r1.t2.c0] = {"degrees":71.6,"unit":"fahrenheit"}
[r1.t2.c1] = {"degrees":80.6,"unit":"fahrenheit"}
` + answer + `turns: 3, tokens: N in, N out
`
)

// inCallOrder puts the results of concurrent calls, which come as they are
// ready, into the order of the calls.
func inCallOrder(stdout string) string {
	lines := strings.Split(stdout, "\n")
	for i := range len(lines) - 1 {
		a, b := lines[i], lines[i+1]
		if strings.Contains(a, ".c1] = ") && strings.Contains(b, ".c0] = ") {
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
[r1.t1.c0] get_weather {"city":"Atlantis"}
[r1.t1.c0] get_weather failed: nothing is known of "Atlantis", only of beijing, lisbon, nairobi, new york
This is what the tools say:
- get_weather(Atlantis): nothing is known of "Atlantis", only of beijing, lisbon, nairobi, new york
turns: 2, tokens: N in, N out
`, notice, 0}, o)
}

// event is a line of -json.
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
			require.Contains(t, o.stdout, "<better>") // no escapes for HTML
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

// provider serves nothing but errors.
func provider(t *testing.T) *llmtest.Server {
	server := &llmtest.Server{Model: llmtest.Script(t), Key: "right", Models: []string{"there"}}
	require.NoError(t, server.Start())
	return server
}

// unreachable returns an address where nobody listens: that of the other end of
// a connection, which nobody else is given as long as it stands.
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
		env  []string // beside what is right
		args []string
		want string
	}{
		{"wrong key", []string{"OPENAI_API_KEY=wrong"}, nil, "turn 1: openai: 401 auth: Incorrect API key provided."},
		{"no key", []string{"OPENAI_API_KEY="}, nil, "turn 1: openai: 401 auth: Incorrect API key provided."},
		{"wrong model", []string{"OPENAI_MODEL=gone"}, nil, "turn 1: openai: 404 not_found: The model `gone` does not exist or you do not have access to it. (POST " + server.BaseURL + "/chat/completions)"},
		{"wrong model as a flag", []string{"OPENAI_BASE_URL=nowhere"}, []string{"-model", "gone", "-base-url", server.BaseURL}, "turn 1: openai: 404 not_found: The model `gone` does not exist or you do not have access to it. (POST " + server.BaseURL + "/chat/completions)"},
		{"unreachable URL", []string{"OPENAI_BASE_URL=http://" + closed}, nil, "turn 1: openai: network: POST http://" + closed + "/v1/chat/completions: dial tcp " + closed + ": connect: connection refused"},
		{"no URL", []string{"OPENAI_BASE_URL=localhost"}, nil, `turn 1: openai: the base URL "localhost" does not begin with http:// or https:// and a host`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if runtime.GOOS == "windows" && strings.Contains(tt.want, "refused") {
				t.Skip("Windows says it in other words")
			}
			for _, name := range []string{"quickstart", "chat"} {
				o := start(t, append(good, tt.env...), "Hello\nHello again\n", name, tt.args...)
				require.Equal(t, name+": "+tt.want+"\n", o.stderr)
				require.Equal(t, 1, o.status)
			}
			o := start(t, append(good, tt.env...), "", "quickstart", append(tt.args, "-json")...)
			require.Equal(t, "quickstart: "+tt.want+"\n", o.stderr)
			require.Equal(t, 1, o.status)
			all, _ := events(t, o.stdout)
			require.Equal(t, event{Type: "error", Error: tt.want}, all[len(all)-1])
		})
	}
}

func TestFlags(t *testing.T) {
	t.Parallel()
	o := start(t, nil, "", "quickstart", "-help")
	require.Zero(t, o.status)
	require.Contains(t, o.stderr, "usage: quickstart [flags] [question]\n")
	require.NotContains(t, o.stderr, "-test.")
	o = start(t, nil, "", "chat", "-nope")
	require.Equal(t, 2, o.status)
	require.Empty(t, o.stdout)
}

func TestChat(t *testing.T) {
	t.Parallel()
	const hello = "I understand nothing. I call a tool when a question has a word of its name or description, and I was offered roll_dice, set_timer."
	o := start(t, nil, "Hello.\n\nSet a timer for 0 seconds\n/quit\nHello?\n", "chat")
	require.Equal(t, outcome{hello + ` (I count 1 of your messages.)
turns: 1, tokens: N in, N out
[r2.t1.c0] set_timer {"seconds":0}
[r2.t1.c0] = The time is up.
This is what the tools say:
- set_timer(0): The time is up.
turns: 2, tokens: N in, N out
`, notice, 0}, o)

	o = start(t, nil, "Hello.\nHello?", "chat", "-json", "-stream=false") // the last line ends without a break
	require.Zero(t, o.status)
	_, types := events(t, o.stdout)
	one := []string{"run_started", "user_messaged", "turn_prepared", "model_answered", "run_finished"}
	require.Equal(t, append(one, one...), types)
	require.Contains(t, o.stdout, "(I count 2 of your messages.)") // the session goes on
}

// TestChatInterrupted: ^C ends the turn, and the conversation goes on.
func TestChatInterrupted(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no process can be interrupted from outside")
	}
	cmd := command(t, nil, "chat")
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(stdout)
	next := func() string {
		require.True(t, lines.Scan())
		return lines.Text()
	}

	_, err = io.WriteString(stdin, "Set a timer for 60 seconds\n")
	require.NoError(t, err)
	require.Equal(t, `[r1.t1.c0] set_timer {"seconds":60}`, next())
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	fate := next()
	if fate != "cancelled" { // it came before the function was called
		require.Contains(t, fate, "[r1.t1.c0] set_timer not_run: ")
		require.Equal(t, "cancelled", next())
	}
	_, err = io.WriteString(stdin, "Hello?\n")
	require.NoError(t, err)
	if fate == "cancelled" {
		require.Contains(t, next(), "[r1.t1.c0] set_timer outcome_unknown: ")
	}
	require.Contains(t, next(), "(I count 2 of your messages.)")
	require.NoError(t, stdin.Close())
	require.Contains(t, next(), "turns: 1, ")
	require.False(t, lines.Scan())
	require.NoError(t, cmd.Wait())
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
	for lines.Scan() { // to its end
	}
	require.Error(t, cmd.Wait())
	require.Equal(t, 130, cmd.ProcessState.ExitCode())
	require.Equal(t, notice+"quickstart: interrupted\n", stderr.String())
}

// TestProvider: the provider by itself answers the other programs.
func TestProvider(t *testing.T) {
	t.Parallel()
	cmd := command(t, nil, "provider")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(stdout)
	require.True(t, lines.Scan())
	env, ok := strings.CutPrefix(lines.Text(), "export ")
	require.True(t, ok, lines.Text())

	o := start(t, []string{env}, "", "quickstart")
	o.stdout = inCallOrder(o.stdout)
	require.Equal(t, outcome{transcript, "", 0}, o)
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
}
