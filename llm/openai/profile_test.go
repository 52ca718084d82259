package openai_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

func TestProfileFor(t *testing.T) {
	t.Parallel()
	known := openai.Profile{NoDeveloper: true}
	oldCap := openai.Profile{NoDeveloper: true, MaxTokensField: "max_tokens"}
	openAI := openai.Profile{CallIDs: openai.CallIDs40, NoCallExtra: true, KeepSystem: true, AllowedTools: true, Output: openai.OutputBeside}
	with := func(p openai.Profile, change func(*openai.Profile)) openai.Profile {
		change(&p)
		return p
	}
	seeing := with(openAI, func(p *openai.Profile) { p.ToolImages = openai.ToolImagesUser })
	thinking := with(oldCap, func(p *openai.Profile) {
		p.Echo, p.EchoEmpty, p.ToolChoice = []string{"reasoning_content"}, true, openai.ToolChoiceAuto
	})
	gemini := with(known, func(p *openai.Profile) {
		p.ToolName, p.Schema, p.ToolImages = true, openai.SchemaGemini, openai.ToolImagesUser
	})
	for _, tt := range []struct {
		base, model string
		want        openai.Profile
	}{
		{"", "gpt-5", openai.Profile{}},
		{"http://[::1", "m", openai.Profile{}},
		{"http://provider.test/v1", "deepseek-reasoner", openai.Profile{}},
		{"http://localhost:8080/v1", "m", openai.Profile{}},
		{"http://notapi.openai.com.test", "m", openai.Profile{}},
		{"http://myapi.mistral.ai.test", "m", openai.Profile{}},
		{"https://api.openai.com/v1", "gpt-3.5-turbo", openAI},
		{" https://API.OpenAI.com:443/v1 ", "gpt-3.5-turbo", openAI},
		{"https://eu.api.openai.com/v1", "GPT-4o-mini", seeing},
		{"https://api.openai.com/v1", "gpt-5.1", seeing},
		{"https://api.openai.com/v1", "gpt-5.1-codex", with(seeing, func(p *openai.Profile) { p.API = openai.APIResponses })},
		{"https://api.openai.com/v1", "gpt-5.6-sol", with(seeing, func(p *openai.Profile) { p.API = openai.APIResponses })},
		{"https://api.openai.com/v1", "gpt-6-astra", with(openAI, func(p *openai.Profile) { p.API = openai.APIResponses })},
		{"https://api.openai.com/v1", "o3-mini", with(openAI, func(p *openai.Profile) { p.Omit = []string{"parallel_tool_calls"} })},
		{"https://api.openai.com/v1", "o4-mini-2025-04-16", with(seeing, func(p *openai.Profile) { p.Omit = []string{"parallel_tool_calls"} })},
		{"https://r.openai.azure.com/openai/v1", "my-deployment", with(openAI, func(p *openai.Profile) { p.CallIDs, p.AllowedTools = openai.CallIDsShort, false })},
		{"https://api.mistral.ai/v1", "mistral-large-latest", with(oldCap, func(p *openai.Profile) {
			p.CallIDs, p.NoCallExtra, p.Bridge, p.Schema, p.Omit = openai.CallIDsNine, true, true, openai.SchemaNoIDs, []string{"stream_options", "store"}
		})},
		{"https://api.deepseek.com", "deepseek-chat", with(oldCap, func(p *openai.Profile) { p.Echo = []string{"reasoning_content"} })},
		{"https://api.deepseek.com/beta", "deepseek-reasoner", thinking},
		{"https://api.moonshot.cn/v1", "kimi-k2-thinking-turbo", thinking},
		{"https://api.moonshot.ai/v1", "kimi-k2-0905-preview", with(oldCap, func(p *openai.Profile) { p.Echo = []string{"reasoning_content"} })},
		{"http://localhost:8000/v1", "m", openai.Profile{}},
		{"http://vllm.internal:8000/v1", "m", openai.Profile{}},
		{"https://ollama.com/v1", "gpt-oss:120b", oldCap},
		{"https://generativelanguage.googleapis.com/v1beta/openai/", "gemini-2.5-flash", gemini},
		{"https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/l/endpoints/openapi", "google/gemini-2.5-pro", gemini},
		{"https://openrouter.ai/api/v1", "google/gemini-3-pro-preview", with(known, func(p *openai.Profile) { p.Echo = []string{"reasoning_details"} })},
		{"https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "qwen-plus", oldCap},
		{"https://dashscope.aliyuncs.com/compatible-mode/v1", "qwen3-235b-a22b-thinking-2507", with(oldCap, func(p *openai.Profile) { p.ToolChoice = openai.ToolChoiceAuto })},
		{"https://open.bigmodel.cn/api/paas/v4", "glm-4.6", oldCap},
		{"https://api.z.ai/api/coding/paas/v4", "glm-4.6", oldCap},
		{"https://api.groq.com/openai/v1", "openai/gpt-oss-120b", with(known, func(p *openai.Profile) { p.NoCallExtra = true })},
		{"http://127.0.0.1:1234/v1", "m", with(oldCap, func(p *openai.Profile) {
			p.EmptyContent, p.ToolChoice = openai.ContentEmpty, openai.ToolChoiceWords
		})},
		{"http://[::1]:11434/v1", "qwen3", oldCap},
		{"http://ollama:11434/v1", "qwen3", oldCap},
		{"http://192.168.1.5:11434", "qwen3", oldCap},
		{"http://0.0.0.0:11434", "qwen3", oldCap},
		{"http://host.containers.internal:11434", "qwen3", oldCap},
		{"http://8.8.8.8:11434", "qwen3", openai.Profile{}},
	} {
		require.Equal(t, tt.want, openai.ProfileFor(tt.base, tt.model), "%s %s", tt.base, tt.model)
	}
}

func TestProfileForIsTheCallers(t *testing.T) {
	t.Parallel()
	p := openai.ProfileFor("https://api.mistral.ai/v1", "m")
	p.Omit[0] = "changed"
	require.Equal(t, "stream_options", openai.ProfileFor("https://api.mistral.ai/v1", "m").Omit[0])
}

func TestProfileOfTheConfigCountsAlone(t *testing.T) {
	t.Parallel()
	w := &wire{body: ok}
	c := w.config()
	c.BaseURL, c.Profile = "https://api.mistral.ai/v1", &openai.Profile{Omit: []string{"user"}}
	m := c.Model("m")
	c.Profile.Omit[0] = "store" // too late
	req := hello()
	req.MaxOutputTokens, req.User = 9, "u"
	_, err := m.Generate(t.Context(), req, nil)
	require.NoError(t, err)
	require.Equal(t, `{"model":"m","messages":[{"role":"user","content":"hi"}],"max_completion_tokens":9}`, w.bodies[0])
}

func TestProfileOfAzure(t *testing.T) {
	t.Parallel()
	w := &wire{body: ok}
	c := w.config()
	c.BaseURL, c.AzureAPIVersion = "https://gateway.test", "v"
	req := &llm.Request{Instructions: "Be brief.", Messages: []llm.Message{llm.System("s"), llm.User("hi"), llm.System("t")}}
	_, err := c.Model("gpt-4o").Generate(t.Context(), req, nil)
	require.NoError(t, err)
	require.Equal(t, `{"model":"gpt-4o","messages":[{"role":"system","content":"Be brief."},{"role":"system","content":"s"},{"role":"user","content":"hi"},{"role":"system","content":"t"}]}`, w.bodies[0])
}

func TestBadProfile(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]openai.Profile{
		`openai: Profile.EmptyContent is "x"`: {EmptyContent: "x"},
		`openai: Profile.CallIDs is "x"`:      {CallIDs: "x"},
		`openai: Profile.ToolImages is "x"`:   {ToolImages: "x"},
		`openai: Profile.Schema is "x"`:       {Schema: "x"},
		`openai: Profile.Strict is "x"`:       {Strict: "x"},
		`openai: Profile.ToolChoice is "x"`:   {ToolChoice: "x"},
	} {
		w := &wire{body: ok}
		c := w.config()
		c.Profile = &p
		_, err := c.Model("m").Generate(t.Context(), hello(), nil)
		require.EqualError(t, err, want)
		require.Empty(t, w.requests)
	}
}

// sentAs returns the messages that a request is sent with in a profile.
func sentAs(t *testing.T, p openai.Profile, messages ...llm.Message) string {
	t.Helper()
	body := sent(t, &llm.Request{Messages: messages}, func(c *openai.Config) { c.Profile = &p })
	return strings.TrimSuffix(strings.TrimPrefix(body, `{"model":"m","messages":[`), `]}`)
}

func TestEncodeEchoEmpty(t *testing.T) {
	t.Parallel()
	p := openai.Profile{Echo: []string{"reasoning_content", "reasoning_details"}, EchoEmpty: true}
	got := sentAs(t, p, llm.Assistant("a"), llm.Assistant("", llm.Reasoning{Text: "t", Field: "reasoning"}, call2("c", `{}`)), result("c", "1"))
	require.Equal(t, `{"role":"assistant","content":"a"},{"role":"assistant","content":null,"tool_calls":[`+calls2("c", `{}`)+`],"reasoning_content":""},{"role":"tool","tool_call_id":"c","content":"1"}`, got)
}

func TestEncodeEmptyContent(t *testing.T) {
	t.Parallel()
	for form, want := range map[openai.EmptyContent]string{
		openai.ContentNull: `"content":null,`, openai.ContentEmpty: `"content":"",`, openai.ContentOmitted: ``,
	} {
		got := sentAs(t, openai.Profile{EmptyContent: form}, llm.Assistant("", call2("c", `{}`)), result("c", "1"))
		require.Equal(t, `{"role":"assistant",`+want+`"tool_calls":[`+calls2("c", `{}`)+`]},{"role":"tool","tool_call_id":"c","content":"1"}`, got)
	}
}

// TestEncodeToolImages: pictures follow all results of the turn, also those
// that are missing.
func TestEncodeToolImages(t *testing.T) {
	t.Parallel()
	image := func(id, text, url string) llm.Message {
		return llm.Message{Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: id, Parts: llm.Parts{llm.Text{Text: text}, llm.Image{URL: url}, llm.Image{Data: []byte("no image")}}}}}
	}
	const images = `{"role":"user","content":[{"type":"text","text":"The images of the results above:"},{"type":"image_url","image_url":{"url":"http://x"}},{"type":"image_url","image_url":{"url":"http://y"}}]}`
	assistant := llm.Assistant("", call2("a", `{}`), call2("b", `{}`), call2("c", `{}`))
	head := `{"role":"assistant","content":null,"tool_calls":[` + calls2("a", `{}`) + `,` + calls2("b", `{}`) + `,` + calls2("c", `{}`) + `]},` +
		`{"role":"tool","tool_call_id":"a","content":"one\n[image 1 of the message that follows the results]\n[image of 8 bytes: not shown]"},` +
		`{"role":"tool","tool_call_id":"c","content":"three\n[image 2 of the message that follows the results]\n[image of 8 bytes: not shown]"},` +
		`{"role":"tool","tool_call_id":"b","content":"(no result: the call was not run, or it was interrupted)"},`
	p := openai.Profile{ToolImages: openai.ToolImagesUser}
	history := []llm.Message{assistant, image("a", "one", "http://x"), image("c", "three", "http://y")}
	require.Equal(t, head+images, sentAs(t, p, history...))
	require.Equal(t, head+images+`,{"role":"user","content":"so?"}`, sentAs(t, p, append(history, llm.User("so?"))...))
	p.Bridge = true
	require.Equal(t, head+`{"role":"assistant","content":"I have read the results."},`+images, sentAs(t, p, history...))
}

func TestEncodeSystem(t *testing.T) {
	t.Parallel()
	cache := []llm.Member{{Name: "cache_control", Value: `{}`}}
	developer := llm.Message{Role: llm.RoleDeveloper, Parts: llm.Parts{llm.Text{Text: "d"}}}
	call, answer := llm.Assistant("", call2("a", `{}`)), result("a", "1")
	called := `{"role":"assistant","content":null,"tool_calls":[` + calls2("a", `{}`) + `]},{"role":"tool","tool_call_id":"a","content":"1"}`
	for _, tt := range []struct {
		name     string
		messages []llm.Message
		want     string
	}{
		{"developer and system", []llm.Message{developer, llm.System("s"), llm.User("u")}, `{"role":"developer","content":"d\n\ns"},{"role":"user","content":"u"}`},
		{"parts", []llm.Message{llm.System("s"), {Role: llm.RoleSystem, Parts: llm.Parts{llm.Text{Text: "t", Extra: cache}}}, llm.User("u")},
			`{"role":"system","content":[{"type":"text","text":"s"},{"type":"text","text":"t","cache_control":{}}]},{"role":"user","content":"u"}`},
		{"nothing else", []llm.Message{llm.System("s")}, `{"role":"system","content":"s"}`},
		{"before a picture", []llm.Message{llm.User("u"), llm.System("s"), llm.User("v", llm.Image{URL: "http://x"})},
			`{"role":"user","content":"u"},{"role":"user","content":[{"type":"text","text":"s"},{"type":"text","text":"v"},{"type":"image_url","image_url":{"url":"http://x"}}]}`},
		{"between call and result", []llm.Message{llm.User("u"), call, llm.System("s"), answer, llm.User("v")}, `{"role":"user","content":"u"},` + called + `,{"role":"user","content":"s\n\nv"}`},
		{"before the assistant", []llm.Message{call, answer, llm.System("s"), llm.System("t"), llm.Assistant("a")}, called + `,{"role":"user","content":"s\n\nt"},{"role":"assistant","content":"a"}`},
		{"at the end", []llm.Message{call, answer, llm.System("s")}, called + `,{"role":"user","content":"s"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, sentAs(t, openai.Profile{}, tt.messages...))
		})
	}
	require.Equal(t, `{"role":"system","content":"d"}`, sentAs(t, openai.Profile{NoDeveloper: true}, developer))
	body := sent(t, &llm.Request{Instructions: "i", Messages: []llm.Message{developer, llm.User("u")}})
	require.Equal(t, `{"model":"m","messages":[{"role":"system","content":"i\n\nd"},{"role":"user","content":"u"}]}`, body)
}

// TestEncodeGrowing: with a memo, every prefix of a history is sent as it is
// without one, whatever waits for its rest at the end.
func TestEncodeGrowing(t *testing.T) {
	t.Parallel()
	history := []llm.Message{
		llm.System("s"), llm.User("u"), llm.System("held"), llm.Assistant("", call2("a", `{}`), call2("b", `{}`), call2("a", `{}`)),
		{Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: "b", Parts: llm.Parts{llm.Image{URL: "http://x"}}}}},
		llm.System("between"), result("a", "1"), result("a", "2"), result("a", "orphan"), llm.System("later"), llm.User("v"),
		llm.Assistant("", call2("functions.x:0", `{}`), call2("", `[`)), llm.User("interrupted"), result("functions.x:0", "late"), llm.System("end"),
	}
	for _, p := range []openai.Profile{
		{}, {KeepSystem: true}, {Bridge: true, ToolImages: openai.ToolImagesUser, CallIDs: openai.CallIDsNine, ToolName: true},
	} {
		w := &wire{body: ok}
		c := w.config()
		c.Profile = &p
		m, memo := c.Model("m"), new(llm.Memo)
		for n := 1; n <= len(history); n++ {
			_, err := m.Generate(t.Context(), &llm.Request{Messages: history[:n], Memo: memo}, nil)
			require.NoError(t, err)
			_, err = m.Generate(t.Context(), &llm.Request{Messages: history[:n]}, nil)
			require.NoError(t, err)
			requireWhole(t, w.bodies[2*n-2])
			require.Equal(t, w.bodies[2*n-1], w.bodies[2*n-2], "%d messages", n)
		}
	}
}

// requireWhole: every call has its result behind it, and every result its call.
func requireWhole(t *testing.T, body string) {
	t.Helper()
	var req struct {
		Messages []struct {
			Role       string
			ToolCallID string                `json:"tool_call_id"`
			ToolCalls  []struct{ ID string } `json:"tool_calls"`
		}
	}
	require.NoError(t, json.Unmarshal([]byte(body), &req), body)
	open := map[string]bool{}
	for _, m := range req.Messages {
		if m.Role == "tool" {
			require.True(t, open[m.ToolCallID], "an orphan in %s", body)
			delete(open, m.ToolCallID)
			continue
		}
		require.Empty(t, open, "calls without results in %s", body)
		for _, c := range m.ToolCalls {
			require.False(t, open[c.ID], "an id twice in %s", body)
			open[c.ID] = true
		}
	}
	require.Empty(t, open, "calls without results in %s", body)
}

func TestEncodeCallIDs(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 41)
	for _, tt := range []struct {
		rule  openai.CallIDs
		id    string
		match string
	}{
		{openai.CallIDsAny, "functions.f:0", `^functions\.f:0$`},
		{openai.CallIDsShort, "functions.f:0", `^functions\.f:0$`},
		{openai.CallIDsShort, long[:40], `^x{40}$`},
		{openai.CallIDsShort, strings.Repeat("é", 40), `^é{40}$`},
		{openai.CallIDsShort, long, `^call_[a-zA-Z0-9]{24}$`},
		{openai.CallIDs40, "call_1-A", `^call_1-A$`},
		{openai.CallIDs40, "functions.f:0", `^call_[a-zA-Z0-9]{24}$`},
		{openai.CallIDs40, long, `^call_[a-zA-Z0-9]{24}$`},
		{openai.CallIDsNine, "aB3456789", `^aB3456789$`},
		{openai.CallIDsNine, long, `^[a-zA-Z0-9]{9}$`},
		{openai.CallIDsNine, "", `^[a-zA-Z0-9]{9}$`},
	} {
		history := []llm.Message{llm.Assistant("", call2(tt.id, `{}`)), result(tt.id, "1")}
		first := sentAs(t, openai.Profile{CallIDs: tt.rule}, history...)
		require.Equal(t, first, sentAs(t, openai.Profile{CallIDs: tt.rule}, history...), "always the same")
		ids := regexp.MustCompile(`"(?:id|tool_call_id)":"([^"]*)"`).FindAllStringSubmatch(first, -1)
		require.Len(t, ids, 2)
		require.Equal(t, ids[0][1], ids[1][1])
		require.Regexp(t, tt.match, ids[0][1])
	}
}

// TestEncodeMadeIDs: an id that was made up is no other call's.
func TestEncodeMadeIDs(t *testing.T) {
	t.Parallel()
	requireWhole(t, sent(t, &llm.Request{Messages: []llm.Message{
		llm.Assistant("", call2("call_0_1", `{}`), call2("", `{}`), call2("call_0_1", `{}`)), result("call_0_1", "1"), result("x", "2"), result("call_0_1", "3"),
	}}))
}

func TestResultsAreCut(t *testing.T) {
	t.Parallel()
	history := []llm.Message{llm.Assistant("", call2("a", `{}`)), result("a", "one é")}
	for size, want := range map[int64]string{
		-1: "one é", 0: "one é", 6: "one é", 5: `one …\n[The result is cut off here: it has 6 bytes.]`,
	} {
		body := sent(t, &llm.Request{Messages: history}, func(c *openai.Config) { c.MaxResultBytes = size })
		require.Contains(t, body, `"content":"`+want+`"}`)
	}
}

// TestNoticesOfRepairs: what was mended is told once for a conversation.
func TestNoticesOfRepairs(t *testing.T) {
	t.Parallel()
	w := &wire{body: ok}
	m := w.config().Model("m")
	req := &llm.Request{Messages: []llm.Message{result("x", "1"), llm.Assistant("", call2("a", `{}`)), llm.User("u")}, Memo: new(llm.Memo)}
	var notices []string
	for range 2 {
		_, err := m.Generate(t.Context(), req, func(d llm.Delta) { notices = append(notices, d.(llm.Notice).Text) })
		require.NoError(t, err)
	}
	require.Equal(t, []string{
		`the result of the call "x" was left out: no call before it waits for one`,
		`the call "a" has no result: one that says so was added`,
	}, notices)
}

// TestOutputModes: how a model is asked for the form of its answer.
func TestOutputModes(t *testing.T) {
	t.Parallel()
	tools := []llm.ToolDef{{Name: "f"}}
	schema := &llm.OutputFormat{Schema: []byte(`{"type":"object"}`)}
	const (
		format = iota // response_format
		text          // the instructions
		neither
		tool // the tool final_answer
	)
	for _, tt := range []struct {
		name string
		mode openai.OutputMode
		req  llm.Request
		want int
	}{
		{"schema beside tools", openai.OutputAlone, llm.Request{Tools: tools, Output: schema}, text},
		{"json_object beside tools", openai.OutputAlone, llm.Request{Tools: tools, Output: &llm.OutputFormat{Type: "json_object"}}, text},
		{"beside hosted tools", openai.OutputAlone, llm.Request{Output: schema, Settings: llm.Settings{HostedTools: []json.RawMessage{json.RawMessage(`{"type":"web_search"}`)}}}, text},
		{"beside a tool that must be called", openai.OutputAlone, llm.Request{Tools: tools, Output: schema, Settings: llm.Settings{ToolChoice: llm.ToolNamed("f")}}, text},
		{"text beside tools", openai.OutputAlone, llm.Request{Tools: tools, Output: &llm.OutputFormat{Type: "text"}}, format},
		{"no tool may be called", openai.OutputAlone, llm.Request{Tools: tools, Output: schema, Settings: llm.Settings{ToolChoice: llm.ToolNone}}, format},
		{"no tools", openai.OutputAlone, llm.Request{Output: schema}, format},
		{"no form", openai.OutputAlone, llm.Request{Tools: tools}, neither},
		{"another server", openai.OutputBeside, llm.Request{Tools: tools, Output: schema}, format},
		{"in words", openai.OutputText, llm.Request{Output: schema}, text},
		{"in words beside tools", openai.OutputText, llm.Request{Tools: tools, Output: schema}, text},
		{"a tool", openai.OutputTool, llm.Request{Output: schema}, tool},
		{"a tool beside tools", openai.OutputTool, llm.Request{Tools: tools, Output: schema}, tool},
		{"a tool beside a tool that must be called", openai.OutputTool, llm.Request{Tools: tools, Output: schema, Settings: llm.Settings{ToolChoice: llm.ToolNamed("f")}}, text},
		{"a tool beside tools that must be called", openai.OutputTool, llm.Request{Tools: tools, Output: schema, Settings: llm.Settings{ToolChoice: llm.ToolAmong(llm.ToolRequired, "f")}}, text},
		{"a tool among tools", openai.OutputTool, llm.Request{Tools: tools, Output: schema, Settings: llm.Settings{ToolChoice: llm.ToolAmong(llm.ToolAuto, "f")}}, tool},
		{"a tool for json_object", openai.OutputTool, llm.Request{Tools: tools, Output: &llm.OutputFormat{Type: "json_object"}}, text},
	} {
		for _, api := range []openai.API{openai.APIChat, openai.APIResponses} {
			t.Run(tt.name+" "+string(api), func(t *testing.T) {
				t.Parallel()
				w := &wire{body: ok}
				if api == openai.APIResponses {
					w.body = `{"id":"r","object":"response","status":"completed","output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"hi"}]}]}`
				}
				c := w.config()
				c.API, c.Profile = api, &openai.Profile{Output: tt.mode}
				req := tt.req
				req.Messages, req.Memo, req.Instructions = []llm.Message{llm.User("hi")}, new(llm.Memo), "Be brief."
				m := c.Model("m")
				for range 2 {
					_, err := m.Generate(t.Context(), &req, func(d llm.Delta) { t.Errorf("unexpected %v", d) })
					require.NoError(t, err)
				}
				body := w.bodies[0]
				require.Equal(t, tt.want == format, strings.Contains(body, `"response_format"`) || strings.Contains(body, `"format"`), body)
				require.Equal(t, tt.want == text, strings.Contains(body, `Be brief.\n\nWrite your final answer as JSON`), body)
				require.Equal(t, tt.want == tool, strings.Contains(body, `"final_answer"`), body)
				require.Equal(t, body, w.bodies[1])
			})
		}
	}
}

// TestAnswerTool: the arguments of the answer's tool are the text of the answer, in
// deltas, too. Beside other calls the answer came too early.
func TestAnswerTool(t *testing.T) {
	t.Parallel()
	other := llm.ToolCall{ID: "b", Name: "f", Arguments: "{}"}
	for name, tt := range map[string]struct {
		step   llmtest.Step
		want   llm.Parts
		reason llm.FinishReason
	}{
		"alone":       {llmtest.Calls("final_answer", json.RawMessage(`{"n":1}`)), llm.Parts{llm.Text{Text: `{"n":1}`}}, llm.FinishStop},
		"with a text": {llmtest.Text("Here:").And(llmtest.Calls("final_answer", json.RawMessage(`{"n":1}`))), llm.Parts{llm.Text{Text: `{"n":1}`}}, llm.FinishStop},
		"differently": {llmtest.Calls("final_answer", json.RawMessage(`{"n":1}`)).And(llmtest.Calls("final_answer", json.RawMessage(`{"n":2}`))), llm.Parts{llm.Text{Text: "{\"n\":1}\n{\"n\":2}"}}, llm.FinishStop},
		"twice":       {llmtest.Calls("final_answer", json.RawMessage(`{"n":1}`)).And(llmtest.Calls("final_answer", json.RawMessage(`{"n":1}`))), llm.Parts{llm.Text{Text: `{"n":1}`}}, llm.FinishStop},
		"both":        {llmtest.Text("Here:").And(llmtest.Parts(other)), llm.Parts{llm.Text{Text: "Here:"}, other}, llm.FinishToolCalls},
		"too early":   {llmtest.Calls("final_answer", json.RawMessage(`{"n":1}`)).And(llmtest.Parts(other)), llm.Parts{other}, llm.FinishToolCalls},
		"another":     {llmtest.Parts(other), llm.Parts{other}, llm.FinishToolCalls},
		"text":        {llmtest.Text("1"), llm.Parts{llm.Text{Text: "1"}}, llm.FinishStop},
	} {
		for _, stream := range []bool{false, true} {
			for _, api := range []openai.API{openai.APIChat, openai.APIResponses} {
				t.Run(fmt.Sprint(name, " ", stream, " ", api), func(t *testing.T) {
					t.Parallel()
					script := llmtest.Script(t, tt.step)
					m := openai.Config{
						BaseURL: "http://provider.test/v1", HTTPClient: &http.Client{Transport: script}, Key: "k", API: api,
						Profile: &openai.Profile{Output: openai.OutputTool},
					}.Model("m")
					streamed := ""
					resp, err := m.Generate(t.Context(), &llm.Request{
						Messages: []llm.Message{llm.User("hi")}, Tools: []llm.ToolDef{{Name: "f", Schema: []byte(`{"type":"object","properties":{}}`)}}, Stream: stream,
						Output: &llm.OutputFormat{Schema: []byte(`{"type":"object","properties":{"n":{"type":"integer"}}}`)},
					}, func(d llm.Delta) {
						if d, ok := d.(llm.TextDelta); ok {
							streamed += d.Text
						}
					})
					require.NoError(t, err)
					parts := slices.DeleteFunc(resp.Message.Parts, func(p llm.Part) bool { _, reasoning := p.(llm.Reasoning); return reasoning })
					require.Len(t, parts, len(tt.want))
					for i, p := range parts {
						if c, call := p.(llm.ToolCall); call {
							c.ID = "b"
							c.Extra = nil
							p = c
						}
						require.Equal(t, tt.want[i], p)
					}
					require.Equal(t, tt.reason, resp.Finish.Reason)
					if stream && name != "too early" { // the call after the answer cannot be foreseen
						require.Equal(t, resp.Message.Text(), streamed)
					}
					require.Equal(t, llm.ToolRequired, script.Requests()[0].ToolChoice)
				})
			}
		}
	}
}

// TestAnswerToolAmong: a choice among tools admits the answer.
func TestAnswerToolAmong(t *testing.T) {
	t.Parallel()
	object := json.RawMessage(`{"type":"object","properties":{}}`)
	script := llmtest.Script(t, llmtest.Calls("final_answer", json.RawMessage(`{}`)))
	m := openai.Config{
		BaseURL: "https://api.openai.com/v1", HTTPClient: &http.Client{Transport: script}, Key: "k", API: openai.APIChat,
		Profile: &openai.Profile{Output: openai.OutputTool, AllowedTools: true},
	}.Model("m")
	resp, err := m.Generate(t.Context(), &llm.Request{
		Messages: []llm.Message{llm.User("hi")}, Tools: []llm.ToolDef{{Name: "f", Schema: object}, {Name: "g", Schema: object}},
		Output: &llm.OutputFormat{Schema: object}, Settings: llm.Settings{ToolChoice: llm.ToolAmong(llm.ToolAuto, "f")},
	}, nil)
	require.NoError(t, err)
	require.Equal(t, "{}", resp.Message.Text())
	require.Equal(t, llm.ToolAmong(llm.ToolRequired, "f", "final_answer"), script.Requests()[0].ToolChoice)
	require.Len(t, script.Requests()[0].Tools, 3)
}

// TestOutputIsChecked: an invalid form is an error even if it is not sent.
func TestOutputIsChecked(t *testing.T) {
	t.Parallel()
	w := &wire{body: ok}
	c := w.config()
	c.Profile = &openai.Profile{Output: openai.OutputText}
	_, err := c.Model("m").Generate(t.Context(), &llm.Request{
		Messages: []llm.Message{llm.User("hi")}, Tools: []llm.ToolDef{{Name: "f"}}, Output: &llm.OutputFormat{Type: "yaml"},
	}, nil)
	require.EqualError(t, err, `openai: unknown output type "yaml"`)
	require.Empty(t, w.bodies)
}
