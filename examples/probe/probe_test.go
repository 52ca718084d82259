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
			if d.responses == nil {
				require.Equal(t, absent, odd["Responses API"])
				require.Equal(t, skipped, odd["Responses with tools"])
				delete(odd, "Responses API")
				delete(odd, "Responses with tools")
			}
			if d.odd == nil {
				d.odd = map[string]status{}
			}
			require.Equal(t, d.odd, odd, findings)

			server.refused.Store(0)
			converse(t, config(url), p.profile, d.odd["tools"] == "", p.stream)
			require.Zero(t, server.refused.Load())
		})
	}
}

// newOnes is the refusal of OpenAI's newest models.
func newOnes(r request) *refusal {
	if r["tools"] == nil {
		return nil
	}
	return refused(400, `{"error":{"message":"Function tools with reasoning_effort are not supported for m in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'.","type":"invalid_request_error","param":"reasoning_effort","code":null}}`)
}

// TestAPIs: the probe reports which APIs a provider has and on which tools work, and
// recommends a profile with the better API.
func TestAPIs(t *testing.T) {
	t.Parallel()
	noTools := func(r request) *refusal { return member("tools", 400, unsupported)(r) }
	usual := openai.Profile{ToolImages: openai.ToolImagesUser}
	other := openai.Profile{API: openai.APIResponses}
	type rows = map[string]string
	for _, tt := range []struct {
		name            string
		chat, responses func(request) *refusal
		want            openai.Profile
		rows            rows
	}{
		{"both", takes, takes, usual, rows{
			"Chat Completions": "works", "Chat with tools": "works", "Responses API": "works", "Responses with tools": "works",
			"API": "works (Chat Completions, as the library chooses)",
		}},
		{"chat only", takes, nowhere("/v1/responses"), usual, rows{
			"Chat Completions": "works", "Chat with tools": "works",
			"Responses API": "none (404: Invalid URL (POST /v1/responses))", "Responses with tools": "skipped: it needs: Responses API",
			"API": "works (Chat Completions, as the library chooses)",
		}},
		{"responses only", nowhere("/v1/chat/completions"), takes, other, rows{
			"Chat Completions": "none (404: Invalid URL (POST /v1/chat/completions))", "Chat with tools": "skipped: it needs: Chat Completions",
			"Responses API": "works", "Responses with tools": "works",
			"API": "works with API: openai.APIResponses (the Responses API)",
		}},
		{"tools on responses only", newOnes, takes, other, rows{
			"Chat Completions": "works", "Chat with tools": "fails: 400 invalid_request: Function tools with reasoning_effort are not supported for m in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'.",
			"Responses API": "works", "Responses with tools": "works",
			"API": "works with API: openai.APIResponses (the Responses API)",
		}},
		{"tools on chat only", takes, noTools, usual, rows{
			"Chat Completions": "works", "Chat with tools": "works",
			"Responses API": "works", "Responses with tools": "fails: 400 invalid_request: Unsupported parameter: 'tools' is not supported with this model.",
			"API": "works (Chat Completions, as the library chooses)",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server, url := dialect{chat: tt.chat, responses: tt.responses}.serve(t)
			p, findings := probed(t, config(url))
			got := rows{}
			for _, f := range findings[:len(tt.rows)] {
				got[f.Check] = f.text()
			}
			require.Equal(t, tt.rows, got)
			require.Equal(t, code(tt.want), code(p.profile), findings)
			for _, f := range findings[len(tt.rows):] {
				require.Contains(t, []status{works, withProfile, absent}, f.Status, f)
			}
			server.refused.Store(0)
			converse(t, config(url), p.profile, true, false)
			require.Zero(t, server.refused.Load())
		})
	}
}

// TestKnownAPI: an API that the library takes by itself needs no profile, and the
// probe recommends the other API where the library is wrong.
func TestKnownAPI(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		responses func(request) *refusal
		want      openai.API
		text      string
	}{
		{"right", takes, openai.APIResponses, "works (the Responses API, as the library chooses)"},
		{"wrong", nowhere("/v1/responses"), openai.APIChat, "works with API: openai.APIChat (Chat Completions)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, url := dialect{responses: tt.responses}.serve(t)
			p := newProbe(config(url), "m", time.Minute)
			p.known.API = openai.APIResponses
			for f, err := range p.meet(t.Context()) {
				require.NoError(t, err)
				if f.Check == "API" {
					require.Equal(t, tt.text, f.text())
				}
			}
			require.Equal(t, tt.want, p.profile.API)
		})
	}
}

// TestNoAPI: without an answer on either API, the error about Chat Completions is the
// only result.
func TestNoAPI(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		chat     func(request) *refusal
		requests int32
		want     string
	}{
		{"neither", nowhere("/v1/chat/completions"), 2, "openai: 404 not_found: Invalid URL (POST /v1/chat/completions)"},
		{"a wrong key", func(request) *refusal {
			return refused(401, `{"error":{"message":"Wrong key.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`)
		}, 1, "openai: 401 auth: Wrong key."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server, url := dialect{chat: tt.chat}.serve(t)
			for f, err := range newProbe(config(url), "m", time.Minute).findings(t.Context()) {
				require.ErrorContains(t, err, tt.want, f)
			}
			require.Equal(t, tt.requests, server.refused.Load())
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
	require.Len(t, names, 13)
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
	want := []openai.Profile{{}, {API: openai.APIChat}, {API: openai.APIResponses, TextResults: true, NoReasoningItems: true}, {
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
