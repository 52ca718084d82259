package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// probed runs all checks against a provider.
func probed(t *testing.T, c openai.Config) (*probe, []finding) {
	t.Helper()
	c.Retry = wrap.Retry{MinDelay: -1}
	p := newProbe(c, "m", time.Minute)
	var all []finding
	for f, err := range p.findings(t.Context()) {
		require.NoError(t, err)
		all = append(all, f)
	}
	return p, all
}

// TestDialects: the probe recommends the right profile for each provider, and with
// this profile the provider refuses nothing.
func TestDialects(t *testing.T) {
	t.Parallel()
	for _, d := range dialects() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			server, url := d.serve(t)
			p, findings := probed(t, config(url))
			require.Equal(t, code(d.want), code(p.profile), findings)
			require.Equal(t, d.want, p.profile)

			odd := map[string]status{}
			for _, f := range findings {
				if f.Status != works && f.Status != withProfile {
					odd[f.Check] = f.Status
				}
				require.Equal(t, f.Status == withProfile, f.Profile != nil, f)
				require.NotContains(t, f.Refused+f.Why, "key right") // the key of the request
			}
			if len(d.header) == 0 {
				require.Equal(t, absent, odd["rate-limit headers"])
				delete(odd, "rate-limit headers")
			}
			if d.odd == nil {
				d.odd = map[string]status{}
			}
			require.Equal(t, d.odd, odd, findings)

			server.refused.Store(0)
			converse(t, config(url), p.profile, d.odd["tools"] == "", d.odd["plain text"] == fails)
			require.Zero(t, server.refused.Load())
		})
	}
}

// TestIgnored: the probe reports a tool choice that the server ignores, with a
// profile that enforces the choice if there is one.
func TestIgnored(t *testing.T) {
	t.Parallel()
	named := func(r request) bool { _, object := r["tool_choice"].(map[string]any); return object }
	always := func(r request) bool { return r["tool_choice"] != nil }
	for _, tt := range []struct {
		name    string
		ignores func(request) bool
		want    finding
	}{
		{"the object", named, finding{
			Check: "tool_choice named", Status: withProfile, Profile: []string{"ToolChoice: openai.ToolChoiceWords"},
			Refused: "the choice is ignored: get_time was named, and the model called get_weather, which a run of the library refuses",
		}},
		{"a choice of a tool that is offered with others", func(r request) bool { tools, _ := r["tools"].([]any); return always(r) && len(tools) > 1 }, finding{
			Check: "tool_choice named", Status: withProfile, Profile: []string{"ToolChoice: openai.ToolChoiceWords"},
			Refused: "the choice is ignored: get_time was named, and the model called get_weather, which a run of the library refuses",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := dialect{change: func(r request) {
				if tt.ignores(r) {
					delete(r, "tool_choice")
				}
			}}
			_, url := d.serve(t)
			_, findings := probed(t, config(url))
			i := slices.IndexFunc(findings, func(f finding) bool { return f.Check == "tool_choice named" })
			require.Equal(t, tt.want, findings[i])
		})
	}
}

// TestText: the text of a row.
func TestText(t *testing.T) {
	t.Parallel()
	require.Equal(t, "none (in 24 answers)", finding{Status: absent, Why: "in 24 answers"}.text())
	require.Equal(t, "works (2 calls)", finding{Status: works, Why: "2 calls"}.text())
	require.Equal(t, "fails: no", finding{Status: fails, Why: "no"}.text())
}

// converse sends all kinds of requests with the profile, and fails if the client has
// to change a request.
func converse(t *testing.T, c openai.Config, profile openai.Profile, tools, stream bool) {
	t.Helper()
	c.Profile = &profile
	c.Retry = wrap.Retry{Attempts: 1}
	model := c.Model("m")
	requests := []llm.Request{{Messages: user("Hello."), Settings: llm.Settings{MaxOutputTokens: 99}}}
	if tools {
		thought := llm.Assistant("", llm.Reasoning{Text: "Hm.", Field: "reasoning_content"}, foreign)
		history := append(user(weatherQuestion), thought, result(foreign, llm.Text{Text: weatherResult}, picture(red)))
		requests = append(requests,
			llm.Request{Messages: user(weatherQuestion), Tools: []llm.ToolDef{weather, clock}, Settings: llm.Settings{
				ToolChoice: llm.ToolNamed(clock.Name), ParallelToolCalls: new(true), MaxOutputTokens: 99,
			}},
			llm.Request{Messages: history},
			llm.Request{Messages: append(history, llm.User("Thanks."), llm.Assistant("", foreign), result(foreign, llm.Text{Text: weatherResult})), Tools: []llm.ToolDef{weather}},
		)
	}
	for i, req := range requests {
		for _, req.Stream = range []bool{true, stream} {
			resp, err := model.Generate(t.Context(), &req, func(d llm.Delta) {
				require.IsNotType(t, llm.Notice{}, d, i)
			})
			require.NoError(t, err, i)
			require.NotEmpty(t, resp.Message.Parts, i)
		}
	}
}

// TestGone: the probe ends when a provider disappears, instead of reporting a series
// of failures.
func TestGone(t *testing.T) {
	t.Parallel()
	var count atomic.Int32
	d := dialect{change: func(request) {
		if count.Add(1) > 10 {
			panic(http.ErrAbortHandler)
		}
	}}
	_, url := d.serve(t)
	c := config(url)
	c.Retry = wrap.Retry{Attempts: 1}
	var names []string
	for f, err := range newProbe(c, "m", time.Minute).findings(t.Context()) {
		if err != nil {
			require.ErrorContains(t, err, `at the check "tool results": openai: `)
			break
		}
		names = append(names, f.Check)
	}
	require.Len(t, names, 9)
}

// TestOnceBroken: one broken connection does not end the probe.
func TestOnceBroken(t *testing.T) {
	t.Parallel()
	d := dialect{change: func(r request) {
		if has(r["messages"], func(n string, _ any) bool { return n == "image_url" }) {
			panic(http.ErrAbortHandler)
		}
	}}
	_, url := d.serve(t)
	_, findings := probed(t, config(url))
	got := map[string]status{}
	for _, f := range findings {
		got[f.Check] = f.Status
	}
	require.Equal(t, fails, got["image input"])
	require.Equal(t, works, got["a whole run"])
}

// TestSlow: the probe stops a slow check and runs the next check.
func TestSlow(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	d := dialect{change: func(r request) {
		if format, _ := r["response_format"].(map[string]any); format["type"] == "json_object" {
			<-done
		}
	}}
	_, url := d.serve(t)
	t.Cleanup(func() { close(done) }) // runs before the server waits for its requests
	p := newProbe(config(url), "m", time.Minute)
	for f, err := range p.findings(t.Context()) {
		require.NoError(t, err)
		switch f.Check {
		case "strict schemas":
			p.timeout = time.Second
		case "json_object":
			require.Equal(t, finding{Check: f.Check, Status: fails, Why: "no answer within 1s"}, f)
			p.timeout = time.Minute
		case "json_schema":
			require.Equal(t, works, f.Status)
			return
		}
	}
	t.Fatal("json_schema was not checked")
}

// TestPreset: the probe starts with the library's profile for the provider.
func TestPreset(t *testing.T) {
	t.Parallel()
	i := slices.IndexFunc(dialects(), func(d dialect) bool { return d.name == "mistral" })
	_, url := dialects()[i].serve(t)
	c := config("http://api.mistral.ai/v1")
	c.HTTPClient = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/v1"))
	}}}
	t.Cleanup(c.HTTPClient.CloseIdleConnections)
	p, _ := probed(t, c)
	want := openai.ProfileFor(c.BaseURL, "m")
	require.NotEqual(t, openai.Profile{}, want)
	require.Equal(t, want, p.known)
	want.ToolImages, want.Omit = openai.ToolImagesUser, append(want.Omit, "parallel_tool_calls")
	require.Equal(t, want, p.profile)
}

// TestPrune: the final profile has only the necessary changes.
func TestPrune(t *testing.T) {
	t.Parallel()
	c := check{
		run: func(_ context.Context, t *trial) (string, error) {
			switch p := t.profile; {
			case p.ToolName && p.Bridge:
				return "", nil
			case p.NeedTools && p.ToolName:
				t.refused = "c"
			case p.NeedTools:
				t.refused = "b"
			default:
				t.refused = "a"
			}
			return "", errors.New(t.refused)
		},
		variants: []variant{
			func(p *openai.Profile) { p.NeedTools = true }, // leads on, in the wrong direction
			func(p *openai.Profile) { p.ToolName = true },
			func(p *openai.Profile) { p.Bridge = true },
		},
	}
	best, why := newProbe(config("http://127.0.0.1"), "m", time.Minute).search(t.Context(), c)
	require.Equal(t, openai.Profile{ToolName: true, Bridge: true}, best.profile)
	require.Equal(t, "a", why)
}

func TestGist(t *testing.T) {
	t.Parallel()
	require.Equal(t, "messages[#]: bad (id #, # of #)", gist("messages[12]: bad (id req-5f-ab01, 3 of 4)"))
}

func TestRefusalIn(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"error":{"message":"a","code":1}}`:                      "a",
		`{"error":"b"}`:                                           "b",
		`{"message":"c","object":"error"}`:                        "c",
		`{"message":{"detail":[]},"object":"error","error":null}`: `{"detail":[]}`,
		`{"detail":[{"loc":["body","x"]}]}`:                       `[{"loc":["body","x"]}]`,
		`[{"error":{"message":"d"}}]`:                             "d",
		` <html> `:                                                "<html>",
		``:                                                        "",
	} {
		require.Equal(t, want, refusalIn([]byte(body)), body)
	}
	require.Equal(t, "no [hidden]", string(withoutKey([]byte("no sk-1"), http.Header{"Authorization": {"Bearer sk-1"}})))
}

// TestCode: the recommendation is valid Go code for the profile.
func TestCode(t *testing.T) {
	t.Parallel()
	want := []openai.Profile{{}, {
		Echo: []string{"a", "b"}, EchoEmpty: true, MaxTokensField: "max_tokens", EmptyContent: openai.ContentOmitted, CallIDs: openai.CallIDs40,
		ToolName: true, ToolImages: openai.ToolImagesUser, Bridge: true, NoDeveloper: true, KeepSystem: true, Schema: openai.SchemaGemini,
		Strict: openai.StrictTools, ToolChoice: openai.ToolChoiceAuto, NeedTools: true, Omit: []string{"x"},
	}, {Schema: "later"}}
	for _, d := range dialects() {
		want = append(want, d.want)
	}
	program := "package main\n\nimport (\n\"encoding/json\"\n\"os\"\n\n\"github.com/seed-916e8f6a/toolloop/llm/openai\"\n)\n\nfunc main() {\n_ = json.NewEncoder(os.Stdout).Encode([]openai.Profile{\n"
	for _, p := range want {
		program += code(p) + ",\n"
	}
	file := filepath.Join(t.TempDir(), "main.go")
	require.NoError(t, os.WriteFile(file, []byte(program+"})\n}\n"), 0o600))
	out, err := exec.CommandContext(t.Context(), "go", "run", file).Output()
	require.NoError(t, err, "%s", program)
	var got []openai.Profile
	require.NoError(t, json.Unmarshal(out, &got))
	require.Equal(t, want, got)
}

func TestCodeText(t *testing.T) {
	t.Parallel()
	require.Equal(t, "openai.Profile{}", code(openai.Profile{}))
	require.Equal(t, `openai.Profile{
	MaxTokensField: "max_tokens",
	ToolChoice:     openai.ToolChoiceWords,
	Omit:           []string{"stream_options"},
}`, code(openai.Profile{MaxTokensField: "max_tokens", ToolChoice: openai.ToolChoiceWords, Omit: []string{"stream_options"}}))
}

func TestWrapped(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		line  string
		width int
		want  []string
	}{
		{"a b c", 0, []string{"a b c"}},
		{"", 20, []string{""}},
		{"aaaaaaaaaa bbbbbbbbb cc d", 20, []string{"aaaaaaaaaa bbbbbbbbb", "cc d"}},
		{"a " + strings.Repeat("é", 45) + " b", 20, []string{"a", strings.Repeat("é", 20), strings.Repeat("é", 20), strings.Repeat("é", 5) + " b"}},
	} {
		require.Equal(t, tt.want, wrapped(tt.line, tt.width))
	}
}
