package examples_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// TestProbe: the embedded provider accepts all requests, but its model does not
// follow instructions.
func TestProbe(t *testing.T) {
	t.Parallel()
	o := start(t, nil, "", "probe")
	require.Equal(t, notice, o.stderr)
	require.Zero(t, o.status)
	require.True(t, strings.HasPrefix(o.stdout, `gpt-4o-mini at the embedded provider

Chat Completions      works
Chat with tools       works
Responses API         works
Responses with tools  works
API                   works (Chat Completions, as the library chooses)
system role           unclear: the provider accepted it, but the answer does not say "pineapple"
`), o.stdout)
	require.True(t, strings.HasSuffix(o.stdout, "Recommended: leave Config.Profile nil, which means:\n\nopenai.Profile{}\n"), o.stdout)

	o = start(t, nil, "", "probe", "-json", "-timeout", "1m")
	require.Zero(t, o.status)
	require.Equal(t, notice, o.stderr)
	var doc struct {
		BaseURL  string `json:"base_url"`
		Embedded bool
		Model    string
		Checks   []struct{ Check, Status, Why string }
		Profile  openai.Profile
		Code     string
		Preset   bool
		Requests int
		Tokens   struct{ In, Out int }
	}
	dec := json.NewDecoder(strings.NewReader(o.stdout))
	dec.DisallowUnknownFields()
	require.NoError(t, dec.Decode(&doc))
	require.Equal(t, int64(len(o.stdout)-1), dec.InputOffset()) // and a line break
	require.Regexp(t, `^http://127\.0\.0\.1:\d+/v1$`, doc.BaseURL)
	require.True(t, doc.Embedded)
	require.True(t, doc.Preset)
	require.Equal(t, "gpt-4o-mini", doc.Model)
	require.Equal(t, openai.Profile{}, doc.Profile)
	require.Equal(t, "openai.Profile{}", doc.Code)
	require.Greater(t, doc.Requests, len(doc.Checks)-3)
	require.Positive(t, doc.Tokens.In)
	require.Positive(t, doc.Tokens.Out)
	failed := map[string]string{}
	for _, c := range doc.Checks {
		if c.Status != "works" && c.Status != "unclear" {
			failed[c.Check] = c.Status
		}
	}
	require.Equal(t, map[string]string{"rate-limit headers": "none", "image from a tool": "skipped"}, failed)
}

// TestProbeEnds: ^C ends the probe, and so does a provider without an answer.
func TestProbeEnds(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no process can be interrupted from outside")
	}
	silent := llmtest.Reply(func(ctx context.Context, _ *llm.Request) (*llm.Response, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	script := llmtest.NewScript(llmtest.Text("Hello."), silent.Forever())
	server := script.Serve()
	t.Cleanup(server.Close)
	cmd := command(t, nil, "probe", "-base-url", server.BaseURL)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(stdout)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "Chat Completions ") {
	}
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.False(t, lines.Scan(), lines.Text())
	require.Error(t, cmd.Wait())
	require.Equal(t, 130, cmd.ProcessState.ExitCode())
	require.Equal(t, "probe: interrupted\n", stderr.String())

	o := start(t, nil, "", "probe", "-base-url", server.BaseURL, "-timeout", "20ms")
	require.Equal(t, outcome{"", "probe: no answer within 20ms\n", 1}, o)
}

// TestProvider: the provider as a program answers the other programs, reports each
// request, and can reuse its port.
func TestProvider(t *testing.T) {
	t.Parallel()
	env, models, stop := serve(t)
	require.Regexp(t, `^# models: .*\bgpt-4o, .*\bdemo$`, models)
	o := start(t, []string{env}, "", "quickstart", "-model", "gpt-5")
	o.stdout = inCallOrder(o.stdout)
	require.Equal(t, outcome{transcript, "", 0}, o)
	o = start(t, []string{env}, "", "quickstart", "-model", "gone")
	require.Equal(t, 1, o.status)
	require.Contains(t, o.stderr, "404 not_found: The model `gone` does not exist")
	require.Equal(t, []string{
		"method=POST path=/v1/chat/completions model=gpt-5 status=200 messages=2",
		"method=POST path=/v1/chat/completions model=gpt-5 status=200 messages=5",
		"method=POST path=/v1/chat/completions model=gpt-5 status=200 messages=8",
		"method=POST path=/v1/chat/completions model=gone status=404 messages=2",
	}, stop())

	base, err := url.Parse(strings.TrimPrefix(env, "OPENAI_BASE_URL="))
	require.NoError(t, err)
	again, _, stop := serve(t, "-addr", base.Host)
	require.Equal(t, env, again)
	require.Empty(t, stop())
}

// TestProviderEval: a shell can evaluate the output of the provider, in one line or
// two.
func TestProviderEval(t *testing.T) {
	t.Parallel()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell")
	}
	env, models, stop := serve(t)
	stop()
	for _, sep := range []string{"\n", " "} {
		script := `eval "$1" && printf %s "OPENAI_BASE_URL=$OPENAI_BASE_URL"`
		out, err := exec.CommandContext(t.Context(), sh, "-c", script, "sh", "export "+env+sep+models).Output()
		require.NoError(t, err)
		require.Equal(t, env, string(out))
	}
}

// serve starts the provider. stop ends it and returns its reports about requests.
func serve(t *testing.T, args ...string) (env, models string, stop func() []string) {
	t.Helper()
	cmd := command(t, nil, "provider", args...)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(stdout)
	require.True(t, lines.Scan(), "it ended")
	env, ok := strings.CutPrefix(lines.Text(), "export ")
	require.True(t, ok, lines.Text())
	require.True(t, lines.Scan())
	return env, lines.Text(), func() []string {
		if cmd.Process.Signal(os.Interrupt) != nil { // on Windows
			_ = cmd.Process.Kill()
		}
		_ = cmd.Wait() // the error is "killed" on Windows
		var told []string
		for line := range strings.Lines(stderr.String()) {
			stamp, rest, _ := strings.Cut(strings.TrimSpace(line), " msg=request ")
			require.Regexp(t, `^time=\d\d:\d\d:\d\d$`, stamp)
			told = append(told, rest)
		}
		return told
	}
}
