package openai_test

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/appended"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// sent returns the body that a request is sent as.
func sent(t *testing.T, req *llm.Request, change ...func(*openai.Config)) string {
	t.Helper()
	w := &wire{body: ok}
	c := w.config()
	for _, f := range change {
		f(&c)
	}
	_, err := c.Model("m").Generate(t.Context(), req, nil)
	require.NoError(t, err)
	require.EqualValues(t, len(w.bodies[0]), w.requests[0].ContentLength)
	require.True(t, json.Valid([]byte(w.bodies[0])), w.bodies[0])
	return w.bodies[0]
}

func TestEncodeSettings(t *testing.T) {
	t.Parallel()
	weather := llm.ToolDef{Name: "get_weather", Description: "Weather <now> & then.", Schema: json.RawMessage(`{"type":"object"}`), Strict: json.RawMessage(`{"type":"object","additionalProperties":false}`)}
	user := []llm.Message{llm.User("hi")}
	const head = `{"model":"m","messages":[{"role":"user","content":"hi"}]`
	const tools = `,"tools":[{"type":"function","function":{"name":"get_weather","description":"Weather <now> & then.","parameters":{"type":"object","properties":{}}}}]`
	for _, tt := range []struct {
		name   string
		req    llm.Request
		config func(*openai.Config)
		want   string
	}{
		{name: "nothing", want: `}`},
		{name: "model of the request", req: llm.Request{Model: "other"}, want: `{"model":"other","messages":[{"role":"user","content":"hi"}]}`},
		{name: "instructions", req: llm.Request{Instructions: "Be <brief>."}, want: `{"model":"m","messages":[{"role":"system","content":"Be <brief>."},{"role":"user","content":"hi"}]}`},
		{name: "stream", req: llm.Request{Stream: true}, want: `,"stream":true,"stream_options":{"include_usage":true}}`},
		{name: "tools", req: llm.Request{Tools: []llm.ToolDef{weather}}, want: tools + `}`},
		{name: "strict tools", req: llm.Request{Tools: []llm.ToolDef{weather, {Name: "b", Schema: json.RawMessage(`{}`)}}}, config: func(c *openai.Config) { c.Profile = &openai.Profile{Strict: openai.StrictTools} },
			want: `,"tools":[{"type":"function","function":{"name":"get_weather","description":"Weather <now> & then.","parameters":{"type":"object","additionalProperties":false,"properties":{}},"strict":true}},{"type":"function","function":{"name":"b","parameters":{"type":"object","properties":{}}}}]}`},
		{name: "a tool without schema", req: llm.Request{Tools: []llm.ToolDef{{Name: "b"}}}, want: `,"tools":[{"type":"function","function":{"name":"b","parameters":{"type":"object","properties":{}}}}]}`},
		{name: "tool_choice auto", req: llm.Request{Tools: []llm.ToolDef{weather}, Settings: llm.Settings{ToolChoice: llm.ToolAuto}}, want: tools + `,"tool_choice":"auto"}`},
		{name: "tool_choice none", req: llm.Request{Tools: []llm.ToolDef{weather}, Settings: llm.Settings{ToolChoice: llm.ToolNone}}, want: tools + `,"tool_choice":"none"}`},
		{name: "tool_choice required", req: llm.Request{Tools: []llm.ToolDef{weather}, Settings: llm.Settings{ToolChoice: llm.ToolRequired}}, want: tools + `,"tool_choice":"required"}`},
		{name: "tool_choice named", req: llm.Request{Tools: []llm.ToolDef{weather}, Settings: llm.Settings{ToolChoice: llm.ToolNamed("get_weather")}}, want: tools + `,"tool_choice":{"type":"function","function":{"name":"get_weather"}}}`},
		{name: "parallel_tool_calls", req: llm.Request{Tools: []llm.ToolDef{weather}, Settings: llm.Settings{ParallelToolCalls: new(false)}}, want: tools + `,"parallel_tool_calls":false}`},
		{name: "no tools: nothing about them", req: llm.Request{Tools: []llm.ToolDef{}, Settings: llm.Settings{ToolChoice: llm.ToolAuto, ParallelToolCalls: new(true)}}, want: `}`},
		{name: "temperature 0", req: llm.Request{Settings: llm.Settings{Temperature: new(0.0)}}, want: `,"temperature":0}`},
		{name: "top_p", req: llm.Request{Settings: llm.Settings{TopP: new(0.25)}}, want: `,"top_p":0.25}`},
		{name: "penalties", req: llm.Request{Settings: llm.Settings{FrequencyPenalty: new(-0.5), PresencePenalty: new(1.5)}}, want: `,"frequency_penalty":-0.5,"presence_penalty":1.5}`},
		{name: "max output tokens", req: llm.Request{Settings: llm.Settings{MaxOutputTokens: 99}}, want: `,"max_completion_tokens":99}`},
		{name: "max output tokens, the old name", req: llm.Request{Settings: llm.Settings{MaxOutputTokens: 99}}, config: func(c *openai.Config) { c.Profile = &openai.Profile{MaxTokensField: "max_tokens"} }, want: `,"max_tokens":99}`},
		{name: "stop", req: llm.Request{Settings: llm.Settings{Stop: []string{"</a>", "b"}}}, want: `,"stop":["</a>","b"]}`},
		{name: "seed", req: llm.Request{Settings: llm.Settings{Seed: new(int64(0))}}, want: `,"seed":0}`},
		{name: "n", req: llm.Request{Settings: llm.Settings{N: 1}}, want: `,"n":1}`},
		{name: "logprobs", req: llm.Request{Settings: llm.Settings{LogProbs: true, TopLogProbs: 3}}, want: `,"logprobs":true,"top_logprobs":3}`},
		{name: "reasoning_effort", req: llm.Request{Settings: llm.Settings{ReasoningEffort: "low"}}, want: `,"reasoning_effort":"low"}`},
		{name: "verbosity", req: llm.Request{Settings: llm.Settings{Verbosity: "high"}}, want: `,"verbosity":"high"}`},
		{name: "modalities", req: llm.Request{Settings: llm.Settings{Modalities: []string{"text", "audio"}}}, want: `,"modalities":["text","audio"]}`},
		{name: "service_tier", req: llm.Request{Settings: llm.Settings{ServiceTier: "flex"}}, want: `,"service_tier":"flex"}`},
		{name: "store", req: llm.Request{Settings: llm.Settings{Store: new(true)}}, want: `,"store":true}`},
		{name: "prompt_cache_key", req: llm.Request{Settings: llm.Settings{PromptCacheKey: "k"}}, want: `,"prompt_cache_key":"k"}`},
		{name: "safety_identifier", req: llm.Request{Settings: llm.Settings{SafetyIdentifier: "s"}}, want: `,"safety_identifier":"s"}`},
		{name: "user", req: llm.Request{Settings: llm.Settings{User: "u"}}, want: `,"user":"u"}`},
		{name: "metadata", req: llm.Request{Settings: llm.Settings{Metadata: map[string]string{"b": "<2>", "a": "1"}}}, want: `,"metadata":{"a":"1","b":"<2>"}}`},
		{name: "hosted tools", req: llm.Request{Tools: []llm.ToolDef{{Name: "f"}}, Settings: llm.Settings{ToolChoice: llm.ToolAuto, HostedTools: []json.RawMessage{json.RawMessage(`{"type": "web_search"}`), json.RawMessage(`{"x":[1.0]}`)}}},
			want: `,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}},{"type": "web_search"},{"x":[1.0]}],"tool_choice":"auto"}`},
		{name: "hosted tools, none of which is to be called", req: llm.Request{Settings: llm.Settings{ToolChoice: llm.ToolNone, ParallelToolCalls: new(true), HostedTools: []json.RawMessage{json.RawMessage(`{}`)}}},
			want: `,"tools":[{}],"tool_choice":"none","parallel_tool_calls":true}`},
		{name: "hosted tools, beside a function that is the only one", req: llm.Request{Tools: []llm.ToolDef{{Name: "f"}}, Settings: llm.Settings{ToolChoice: llm.ToolNamed("f"), HostedTools: []json.RawMessage{json.RawMessage(`{}`)}}},
			config: func(c *openai.Config) { c.Profile = &openai.Profile{ToolChoice: openai.ToolChoiceWords} },
			want:   `,"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}],"tool_choice":"required"}`},
		{name: "tools in the caller's own words", req: llm.Request{Settings: llm.Settings{HostedTools: []json.RawMessage{json.RawMessage(`{}`)}, Extra: []llm.Member{{Name: "tools", Value: `[]`}}}}, want: `,"tools":[]}`},
		{name: "text", req: llm.Request{Output: &llm.OutputFormat{}}, want: `,"response_format":{"type":"text"}}`},
		{name: "json_object", req: llm.Request{Output: &llm.OutputFormat{Type: "json_object"}}, want: `,"response_format":{"type":"json_object"}}`},
		{name: "json_schema", req: llm.Request{Output: &llm.OutputFormat{Schema: json.RawMessage(`{"type":"object"}`)}}, want: `,"response_format":{"type":"json_schema","json_schema":{"name":"output","schema":{"type":"object"}}}}`},
		{name: "json_schema in full", req: llm.Request{Output: &llm.OutputFormat{Type: "json_schema", Name: "bill", Description: "d", Schema: json.RawMessage(`{}`), Strict: new(true)}},
			want: `,"response_format":{"type":"json_schema","json_schema":{"name":"bill","description":"d","schema":{},"strict":true}}}`},
		{name: "extra members", req: llm.Request{Settings: llm.Settings{User: "u", Temperature: new(0.5), Extra: []llm.Member{{Name: "temperature", Value: `0.7`}, {Name: "top_k", Value: `[1]`}, {Name: "top_k", Value: `[2]`}}}},
			want: `,"temperature":0.7,"user":"u","top_k":[2]}`},
		{name: "extra model", req: llm.Request{Settings: llm.Settings{Extra: []llm.Member{{Name: "model", Value: `"x"`}}}}, want: `{"model":"x","messages":[{"role":"user","content":"hi"}]}`},
		{name: "extra messages", req: llm.Request{Settings: llm.Settings{Extra: []llm.Member{{Name: "messages", Value: `[]`}}}}, want: `{"model":"m","messages":[]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.req.Messages = user
			if tt.config == nil {
				tt.config = func(*openai.Config) {}
			}
			want := tt.want
			if !strings.HasPrefix(want, "{") {
				want = head + want
			}
			require.Equal(t, want, sent(t, &tt.req, tt.config))
		})
	}
}

// TestEncodeKnowsEverySetting fails when llm.Settings gets a field that this
// client does not send.
func TestEncodeKnowsEverySetting(t *testing.T) {
	t.Parallel()
	require.Equal(t, 24, reflect.TypeFor[llm.Settings]().NumField())
	require.Equal(t, 8, reflect.TypeFor[llm.Request]().NumField())
}

func TestEncodeMessages(t *testing.T) {
	t.Parallel()
	png := []byte("\x89PNG\r\n\x1a\n")
	cache := []llm.Member{{Name: "cache_control", Value: `{"type":"ephemeral"}`}}
	for _, tt := range []struct {
		name     string
		messages []llm.Message
		echo     []string
		want     string
	}{
		{name: "text", messages: []llm.Message{llm.User("a <b> & \"c\" \\ \n\r\t\x01 ü 😀\u2028")},
			want: `{"role":"user","content":"a <b> & \"c\" \\ \n\r\t\u0001 ü 😀` + "\u2028" + `"}`},
		{name: "invalid UTF-8", messages: []llm.Message{llm.User("a\xffb\xc3")}, want: `{"role":"user","content":"a�b�"}`},
		{name: "no text", messages: []llm.Message{llm.User("")}, want: `{"role":"user","content":""}`},
		{name: "system", messages: []llm.Message{llm.System("s"), llm.User("u")}, want: `{"role":"system","content":"s"},{"role":"user","content":"u"}`},
		{name: "developer", messages: []llm.Message{{Role: llm.RoleDeveloper, Parts: llm.Parts{llm.Text{Text: "d"}}}}, want: `{"role":"developer","content":"d"}`},
		{name: "several texts", messages: []llm.Message{llm.User("a", llm.Text{Text: "b"})}, want: `{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}`},
		{name: "a text with extra members", messages: []llm.Message{{Role: llm.RoleSystem, Parts: llm.Parts{llm.Text{Text: "a", Extra: cache}}}},
			want: `{"role":"system","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}]}`},
		{name: "a message with extra members", messages: []llm.Message{{Role: llm.RoleUser, Parts: llm.Parts{llm.Text{Text: "a"}}, Extra: []llm.Member{{Name: "name", Value: `"bob"`}, {Name: "role", Value: `"x"`}}}},
			want: `{"role":"user","content":"a","name":"bob"}`},
		{name: "image by URL", messages: []llm.Message{llm.User("a", llm.Image{URL: "https://h.test/a.png?x=1&y=2", Detail: "low"})},
			want: `{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"https://h.test/a.png?x=1&y=2","detail":"low"}}]}`},
		{name: "image by bytes", messages: []llm.Message{llm.User("", llm.Image{Data: png})}, want: `{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]}`},
		{name: "image with a type", messages: []llm.Message{llm.User("", llm.Image{Data: png, MediaType: "image/x"})}, want: `{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/x;base64,iVBORw0KGgo="}}]}`},
		{name: "audio", messages: []llm.Message{llm.User("", llm.Audio{Data: []byte("a"), Format: "wav"})}, want: `{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"YQ==","format":"wav"}}]}`},
		{name: "file by id", messages: []llm.Message{llm.User("", llm.File{ID: "f1"})}, want: `{"role":"user","content":[{"type":"file","file":{"file_id":"f1"}}]}`},
		{name: "file by bytes", messages: []llm.Message{llm.User("", llm.File{Name: "a.pdf", MediaType: "application/pdf", Data: []byte("a")})},
			want: `{"role":"user","content":[{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,YQ=="}}]}`},
		{name: "raw part", messages: []llm.Message{llm.User("", llm.RawPart{JSON: `{"type":"video"}`})}, want: `{"role":"user","content":[{"type":"video"}]}`},
		{name: "answer", messages: []llm.Message{llm.Assistant("a", llm.Text{Text: "b"})}, want: `{"role":"assistant","content":"ab"}`},
		{name: "answer without its thinking", messages: []llm.Message{llm.Assistant("", llm.Reasoning{Text: "t", Field: "reasoning_content"}, llm.Text{Text: "a"})}, want: `{"role":"assistant","content":"a"}`},
		{name: "nothing but thinking is left out", messages: []llm.Message{llm.User("u"), llm.Assistant("", llm.Reasoning{Text: "t"})}, want: `{"role":"user","content":"u"}`},
		{name: "a refusal is said", messages: []llm.Message{llm.Assistant("", llm.Refusal{Text: "no"})}, want: `{"role":"assistant","content":"no"}`},
		{name: "echo", echo: []string{"reasoning_content", "reasoning_details"},
			messages: []llm.Message{{Role: llm.RoleAssistant, Parts: llm.Parts{llm.Reasoning{Text: "t", Field: "reasoning_content"}, llm.Text{Text: "a"}, llm.Reasoning{Text: "u", Field: "reasoning_content"}},
				Extra: []llm.Member{{Name: "annotations", Value: `[1]`}, {Name: "reasoning_details", Value: `[{"a": 1}]`}}}},
			want: `{"role":"assistant","content":"a","reasoning_content":"tu","reasoning_details":[{"a": 1}]}`},
		{name: "echo of another member", echo: []string{"reasoning"}, messages: []llm.Message{llm.Assistant("a", llm.Reasoning{Text: "t", Field: "reasoning_content"})}, want: `{"role":"assistant","content":"a"}`},
		{name: "audio that was said", messages: []llm.Message{llm.Assistant("", llm.Audio{ID: "audio_1", Transcript: "a"})}, want: `{"role":"assistant","content":null,"audio":{"id":"audio_1"}}`},
		{name: "calls and results",
			messages: []llm.Message{
				llm.Assistant("", llm.ToolCall{ID: "a", Name: "f", Arguments: `{"x": "<1>", "n": 10000000000000001}`, Extra: []llm.Member{{Name: "extra_content", Value: `{"g":1}`}}}, llm.ToolCall{ID: "b", Name: "g", Arguments: `{}`}),
				result("a", "1"), result("b", "2"),
			},
			want: `{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\": \"<1>\", \"n\": 10000000000000001}"},"extra_content":{"g":1}},` +
				`{"id":"b","type":"function","function":{"name":"g","arguments":"{}"}}]},` +
				`{"role":"tool","tool_call_id":"a","content":"1"},{"role":"tool","tool_call_id":"b","content":"2"}`},
		{name: "calls beside text", messages: []llm.Message{llm.Assistant("wait", llm.ToolCall{ID: "a", Name: "f", Arguments: `{}`}), result("a", "1")},
			want: `{"role":"assistant","content":"wait","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"a","content":"1"}`},
		{name: "calls without ids",
			messages: []llm.Message{llm.User("u"), llm.Assistant("", llm.ToolCall{Name: "f", Arguments: `{}`}, llm.ToolCall{ID: "b", Name: "f", Arguments: `{}`}, llm.ToolCall{Name: "f", Arguments: `{}`}), result("", "1"), result("b", "2"), result("r1.t1.c2", "3")},
			want: `{"role":"user","content":"u"},{"role":"assistant","content":null,"tool_calls":[{"id":"call_1_0","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"b","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"call_1_2","type":"function","function":{"name":"f","arguments":"{}"}}]},` +
				`{"role":"tool","tool_call_id":"call_1_0","content":"1"},{"role":"tool","tool_call_id":"b","content":"2"},{"role":"tool","tool_call_id":"call_1_2","content":"3"}`},
		{name: "calls with one id",
			messages: []llm.Message{llm.Assistant("", llm.ToolCall{ID: "a", Name: "f", Arguments: `{}`}, llm.ToolCall{ID: "a", Name: "g", Arguments: `{}`}), result("a", "1"), result("a", "2")},
			want: `{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"call_0_1","type":"function","function":{"name":"g","arguments":"{}"}}]},` +
				`{"role":"tool","tool_call_id":"a","content":"1"},{"role":"tool","tool_call_id":"call_0_1","content":"2"}`},
		{name: "arguments that are no object", messages: []llm.Message{llm.Assistant("", call2("a", ``), call2("b", `{"x":`), call2("c", `[1]`), call2("d", `"{}"`), call2("e", ` {"x":1}`), call2("f", `{}{}`)), result("a", "1"), result("b", "1"), result("c", "1"), result("d", "1"), result("e", "1"), result("f", "1")},
			want: `{"role":"assistant","content":null,"tool_calls":[` + calls2("a", `{}`) + `,` + calls2("b", `{}`) + `,` + calls2("c", `{}`) + `,` + calls2("d", `{}`) + `,` + calls2("e", ` {\"x\":1}`) + `,` + calls2("f", `{}`) + `]},{"role":"tool","tool_call_id":"a","content":"1"},{"role":"tool","tool_call_id":"b","content":"1"},{"role":"tool","tool_call_id":"c","content":"1"},{"role":"tool","tool_call_id":"d","content":"1"},{"role":"tool","tool_call_id":"e","content":"1"},{"role":"tool","tool_call_id":"f","content":"1"}`},
		{name: "results without words", messages: []llm.Message{llm.Assistant("", call2("a", `{}`), call2("b", `{}`)), result("a", " \n"), {Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: "b"}}}},
			want: `{"role":"assistant","content":null,"tool_calls":[` + calls2("a", `{}`) + `,` + calls2("b", `{}`) + `]},{"role":"tool","tool_call_id":"a","content":"(no output)"},{"role":"tool","tool_call_id":"b","content":"(no output)"}`},
		{name: "result that is no UTF-8", messages: []llm.Message{llm.Assistant("", call2("a", `{}`)), result("a", "\xff")},
			want: `{"role":"assistant","content":null,"tool_calls":[` + calls2("a", `{}`) + `]},{"role":"tool","tool_call_id":"a","content":"�"}`},
		{name: "texts of a result", messages: []llm.Message{llm.Assistant("", call2("a", `{}`)), {Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: "a", Parts: llm.Parts{llm.Text{Text: "total: 42"}, llm.Text{Text: "7 rows"}, llm.Image{URL: "u"}, llm.Text{}, llm.Text{Text: "end"}}}}}},
			want: `{"role":"assistant","content":null,"tool_calls":[` + calls2("a", `{}`) + `]},{"role":"tool","tool_call_id":"a","content":"total: 42\n7 rows\n[image u]\nend"}`},
		{name: "result of several parts", messages: []llm.Message{llm.Assistant("", call2("a", `{}`)), {Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: "a", Parts: llm.Parts{llm.Text{Text: "see"}, llm.Image{Data: png}, llm.Image{URL: "https://h.test/i"}, llm.Audio{Data: png}, llm.File{Name: "f.pdf", Data: png}}, Extra: cache}}}},
			want: `{"role":"assistant","content":null,"tool_calls":[` + calls2("a", `{}`) + `]},{"role":"tool","tool_call_id":"a","content":"see\n[image of 8 bytes: not shown]\n[image https://h.test/i]\n[audio of 8 bytes: not shown]\n[file \"f.pdf\" of 8 bytes: not shown]","cache_control":{"type":"ephemeral"}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			body := sent(t, &llm.Request{Messages: tt.messages}, func(c *openai.Config) { c.Profile = &openai.Profile{Echo: tt.echo} })
			require.Equal(t, `{"model":"m","messages":[`+tt.want+`]}`, body)
		})
	}
}

func result(id, text string) llm.Message {
	return llm.Message{Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: id, Parts: llm.Parts{llm.Text{Text: text}}}}}
}

func call2(id, arguments string) llm.ToolCall {
	return llm.ToolCall{ID: id, Name: "f", Arguments: arguments}
}

func calls2(id, escaped string) string {
	return `{"id":"` + id + `","type":"function","function":{"name":"f","arguments":"` + escaped + `"}}`
}

func TestEncodeMisuse(t *testing.T) {
	t.Parallel()
	user := []llm.Message{llm.User("hi")}
	for _, tt := range []struct {
		name string
		req  llm.Request
		want string
	}{
		{"no messages", llm.Request{}, "llm: the request has no messages"},
		{"empty image", llm.Request{Messages: []llm.Message{llm.User("", llm.Image{})}}, `openai: message 0: part 0: the image has neither URL nor Data`},
		{"no image", llm.Request{Messages: []llm.Message{llm.User("", llm.Image{Data: []byte("no image")})}}, `openai: message 0: part 0: the bytes of the image are in no format that is known; set its MediaType`},
		{"empty audio", llm.Request{Messages: []llm.Message{llm.User("a"), llm.User("", llm.Text{Text: "b"}, llm.Audio{Format: "wav"})}}, `openai: message 1: part 1: the audio has no Data`},
		{"empty file", llm.Request{Messages: []llm.Message{llm.User("", llm.File{Name: "f.pdf"})}}, `openai: message 0: part 0: the file has neither ID nor Data`},
		{"empty file of the system", llm.Request{Messages: []llm.Message{llm.System("a"), {Role: llm.RoleSystem, Parts: llm.Parts{llm.File{}}}, llm.User("b")}}, `openai: message 1: part 0: the file has neither ID nor Data`},
		{"empty file of the model", llm.Request{Messages: []llm.Message{llm.User("a"), {Role: llm.RoleAssistant, Parts: llm.Parts{llm.File{}}}}}, `openai: message 1: part 0: the file has neither ID nor Data`},
		{"several answers", llm.Request{Messages: user, Settings: llm.Settings{N: 2}}, "llm: n is 2: one answer is asked for at a time"},
		{"unknown role", llm.Request{Messages: []llm.Message{llm.User("a"), {Role: "critic"}}}, `openai: message 1: unknown role "critic"`},
		{"call of the user", llm.Request{Messages: []llm.Message{llm.User("a", llm.ToolCall{})}}, `openai: message 0: part 1: a llm.ToolCall does not stand in such a message`},
		{"no result", llm.Request{Messages: []llm.Message{{Role: llm.RoleTool}}}, `openai: message 0: a message of role tool holds no result`},
		{"text of a tool", llm.Request{Messages: []llm.Message{{Role: llm.RoleTool, Parts: llm.Parts{llm.Text{Text: "a"}}}}}, `openai: message 0: a message of role tool holds a llm.Text`},
		{"raw part", llm.Request{Messages: []llm.Message{llm.User("", llm.RawPart{JSON: "{"})}}, `openai: message 0: part 0: a raw part is not JSON`},
		{"extra of a part", llm.Request{Messages: []llm.Message{llm.User("", llm.Text{Text: "a", Extra: []llm.Member{{Name: "x", Value: "{"}}})}}, `openai: message 0: part 0: the member "x" is not JSON`},
		{"extra of the request", llm.Request{Messages: user, Settings: llm.Settings{Extra: []llm.Member{{Name: "x", Value: ""}}}}, `openai: the extra member "x" is not JSON`},
		{"temperature", llm.Request{Messages: user, Settings: llm.Settings{Temperature: new(math.NaN())}}, `openai: temperature is NaN`},
		{"tool schema", llm.Request{Messages: user, Tools: []llm.ToolDef{{Name: "f", Schema: json.RawMessage(`{`)}}}, `openai: the schema of the tool "f" is not JSON`},
		{"output type", llm.Request{Messages: user, Output: &llm.OutputFormat{Type: "xml"}}, `openai: unknown output type "xml"`},
		{"output schema", llm.Request{Messages: user, Output: &llm.OutputFormat{Type: "json_schema"}}, `openai: the schema of the output is not JSON`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := &wire{body: ok}
			_, err := w.config().Model("m").Generate(t.Context(), &tt.req, nil)
			require.EqualError(t, err, tt.want)
			require.Empty(t, w.requests, "nothing is sent")
		})
	}
}

// TestMemoNoticesEdits edits a history in each place; the last message stays.
func TestMemoNoticesEdits(t *testing.T) {
	t.Parallel()
	history := func() []llm.Message {
		return []llm.Message{
			llm.User("secret"),
			{Role: llm.RoleUser, Parts: llm.Parts{llm.Image{URL: "https://secret.test"}}, Extra: []llm.Member{{Name: "name", Value: `"secret"`}}},
			llm.Assistant("", llm.ToolCall{ID: "c", Name: "f", Arguments: `{"a":"secret"}`, Extra: []llm.Member{{Name: "x", Value: `"secret"`}}}),
			result("c", "secret"),
			llm.User("go on"),
		}
	}
	for name, edit := range map[string]func(ms []llm.Message){
		"a message":           func(ms []llm.Message) { ms[0] = llm.User("redacted") },
		"a role":              func(ms []llm.Message) { ms[0].Role = llm.RoleSystem },
		"a part in its place": func(ms []llm.Message) { ms[0].Parts[0] = llm.Text{Text: "redacted"} },
		"another kind":        func(ms []llm.Message) { ms[0].Parts[0] = llm.RawPart{JSON: "{}"} },
		"an image":            func(ms []llm.Message) { ms[1].Parts[0] = llm.Image{URL: "https://h.test"} },
		"a member":            func(ms []llm.Message) { ms[1].Extra[0].Value = `"redacted"` },
		"arguments":           func(ms []llm.Message) { ms[2].Parts[0] = llm.ToolCall{ID: "c", Name: "f", Arguments: "{}"} },
		"a member of a call": func(ms []llm.Message) {
			ms[2].Parts[0] = llm.ToolCall{ID: "c", Name: "f", Arguments: `{"a":"secret"}`}
		},
		"a result":           func(ms []llm.Message) { ms[3] = result("c", "redacted") },
		"a text in a result": func(ms []llm.Message) { ms[3].Parts[0].(llm.ToolResult).Parts[0] = llm.Text{Text: "redacted"} },
	} {
		w := &wire{body: ok}
		m := w.config().Model("m")
		req := &llm.Request{Messages: history(), Memo: new(llm.Memo)}
		for range 2 {
			_, err := m.Generate(t.Context(), req, nil)
			require.NoError(t, err)
		}
		edit(req.Messages)
		_, err := m.Generate(t.Context(), req, nil)
		require.NoError(t, err)
		req.Memo = nil
		_, err = m.Generate(t.Context(), req, nil)
		require.NoError(t, err)
		require.Equal(t, w.bodies[0], w.bodies[1])
		require.NotEqual(t, w.bodies[0], w.bodies[2], name)
		require.Equal(t, w.bodies[3], w.bodies[2], name)
	}
}

// TestFailedEncodingLeavesMemo has a message that fails after its first result
// had been matched with a call.
func TestFailedEncodingLeavesMemo(t *testing.T) {
	t.Parallel()
	w := &wire{body: ok}
	m := w.config().Model("m")
	memo := new(llm.Memo)
	asked := []llm.Message{llm.User("u"), llm.Assistant("", llm.ToolCall{Name: "f", Arguments: "{}"}, llm.ToolCall{Name: "g", Arguments: "{}"})}
	bad := llm.Message{Role: llm.RoleTool, Parts: llm.Parts{result("", "1").Parts[0], llm.Text{Text: "no"}}}
	_, err := m.Generate(t.Context(), &llm.Request{Messages: append(slices.Clone(asked), bad), Memo: memo}, nil)
	require.EqualError(t, err, "openai: message 2: a message of role tool holds a llm.Text")
	good := append(slices.Clone(asked), result("", "1"), result("", "2"))
	for _, memo := range []*llm.Memo{memo, nil} {
		_, err = m.Generate(t.Context(), &llm.Request{Messages: good, Memo: memo}, nil)
		require.NoError(t, err)
	}
	require.Equal(t, w.bodies[1], w.bodies[0])
}

func TestToolMessageKeepsItsMembers(t *testing.T) {
	t.Parallel()
	w := &wire{body: ok}
	r := result("c", "r")
	r.Extra = []llm.Member{{Name: "cache_control", Value: `{"type":"ephemeral"}`}, {Name: "content", Value: `"no"`}}
	call := llm.Assistant("", llm.ToolCall{ID: "c", Name: "f", Arguments: "{}"})
	_, err := w.config().Model("m").Generate(t.Context(), &llm.Request{Messages: []llm.Message{call, r}}, nil)
	require.NoError(t, err)
	require.Contains(t, w.bodies[0], `{"role":"tool","tool_call_id":"c","content":"r","cache_control":{"type":"ephemeral"}}`)
	r.Extra[0].Value = "{"
	_, err = w.config().Model("m").Generate(t.Context(), &llm.Request{Messages: []llm.Message{call, r}}, nil)
	require.EqualError(t, err, `openai: message 1: the member "cache_control" is not JSON`)
}

// turn is what the n-th turn of a run adds to its history.
func turn(n int) []llm.Message {
	id := fmt.Sprintf("call-%d", n)
	if n%3 == 0 {
		id = "" // some come without
	}
	return []llm.Message{
		llm.Assistant("", llm.ToolCall{ID: id, Name: "f", Arguments: fmt.Sprintf(`{"n":%d}`, n)}),
		result(id, strings.Repeat("result ", 20)+fmt.Sprint(n)),
	}
}

// TestEncodeOnce holds that a run of 200 turns encodes each message once, and
// that what is sent is what is sent without a memo.
func TestEncodeOnce(t *testing.T) {
	t.Parallel()
	w := &wire{body: ok}
	m := w.config().Model("m")
	req := &llm.Request{Instructions: "Be brief.", Messages: []llm.Message{llm.User("go")}, Memo: new(llm.Memo)}
	sizes := map[int]int{}
	for n := 1; n <= 200; n++ {
		req.Messages = append(req.Messages, turn(n)...)
		_, err := m.Generate(t.Context(), req, nil)
		require.NoError(t, err)
		sizes[n] = openai.EncodedBytes(req.Memo)
		if n%20 == 1 {
			fresh := *req
			fresh.Memo = nil
			_, err := m.Generate(t.Context(), &fresh, nil)
			require.NoError(t, err)
			sentWithMemo, sentFresh := w.bodies[len(w.bodies)-2], w.bodies[len(w.bodies)-1]
			require.Equal(t, sentFresh, sentWithMemo)
		}
	}
	last := w.bodies[len(w.bodies)-1]
	require.Less(t, sizes[200], len(last), "all that was ever encoded is the last history, without head and tail")
	require.InDelta(t, 2, float64(sizes[200])/float64(sizes[100]), 0.02, "twice the turns, twice the bytes")
}

func TestEncodeStartsOver(t *testing.T) {
	t.Parallel()
	a, b, c := llm.User("a"), llm.Assistant("b"), llm.User("c")
	for _, tt := range []struct {
		name          string
		first, second []llm.Message
		want          string
	}{
		{"shorter", []llm.Message{a, b, c}, []llm.Message{a}, `{"role":"user","content":"a"}`},
		{"the last differs", []llm.Message{a, b, c}, []llm.Message{a, b, llm.User("d"), b}, `{"role":"user","content":"a"},{"role":"assistant","content":"b"},{"role":"user","content":"d"},{"role":"assistant","content":"b"}`},
		{"after an error", []llm.Message{a, {Role: "?"}}, []llm.Message{a, b}, `{"role":"user","content":"a"},{"role":"assistant","content":"b"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := &wire{body: ok}
			m, memo := w.config().Model("m"), new(llm.Memo)
			_, _ = m.Generate(t.Context(), &llm.Request{Messages: tt.first, Memo: memo}, nil)
			_, err := m.Generate(t.Context(), &llm.Request{Messages: tt.second, Memo: memo}, nil)
			require.NoError(t, err)
			require.Equal(t, `{"model":"m","messages":[`+tt.want+`]}`, w.bodies[len(w.bodies)-1])
		})
	}
}

func TestEncodeConcurrently(t *testing.T) {
	t.Parallel()
	w := &wire{body: ok}
	m, memo := w.config().Model("m"), new(llm.Memo)
	history := []llm.Message{llm.User("go")}
	for n := range 20 {
		history = append(history, turn(n+1)...)
	}
	want := sent(t, &llm.Request{Messages: history})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { _, _ = m.Generate(t.Context(), &llm.Request{Messages: history, Memo: memo}, nil) })
	}
	wg.Wait()
	require.Len(t, w.bodies, 20)
	for _, body := range w.bodies {
		require.Equal(t, want, body)
	}
}

func TestBodyCanBeSentAgain(t *testing.T) {
	t.Parallel()
	w := &wire{body: ok}
	_, err := w.config().Model("m").Generate(t.Context(), hello(), nil)
	require.NoError(t, err)
	again, err := w.requests[0].GetBody()
	require.NoError(t, err)
	data := make([]byte, len(w.bodies[0]))
	_, err = again.Read(data[:10])
	require.NoError(t, err)
	require.Equal(t, w.bodies[0][:10], string(data[:10]))
}

// TestVouchedHistory: a list that a runner vouches for is compared once, and any other list
// in the same conversation is compared whole.
func TestVouchedHistory(t *testing.T) {
	t.Parallel()
	w := &wire{body: ok}
	m, memo := w.config().Model("m"), new(llm.Memo)
	list := plainTurns(100)
	check := func(messages []llm.Message, memo *llm.Memo) {
		w.bodies = nil
		for _, req := range []llm.Request{{Messages: messages, Memo: memo}, {Messages: messages}} {
			_, err := m.Generate(t.Context(), &req, nil)
			require.NoError(t, err)
		}
		require.Equal(t, w.bodies[1], w.bodies[0])
	}
	for n := 101; n <= len(list); n += 2 {
		check(list[:n], appended.Vouch(memo, list[:n]))
	}
	short := slices.Clone(list)
	short[2] = result("call-0", "cut")
	check(short, memo)
	check(list, appended.Vouch(memo, list))
	check(short, appended.Vouch(memo, list))
	short[4] = result("call-1", "cut")
	check(short, appended.Vouch(memo, list))
	short[0] = llm.User("edited")
	check(short, memo)
}
