package openai_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// TestResponsesSettings: every field of llm.Settings has an outcome on the Responses
// API. The field is sent, goes without a notice because it says nothing, goes with a
// notice, or is an error.
func TestResponsesSettings(t *testing.T) {
	t.Parallel()
	const stops = "openai: the Responses API has no stop texts; leave Settings.Stop empty, or set Config.API to APIChat"
	const without = "the Responses API does not know "
	const plain = `"include":["reasoning.encrypted_content"]`
	sends := func(members ...string) []string { return members }
	for _, tt := range []struct {
		field   string
		set     llm.Settings
		sent    []string // in the body, beside what an empty request has
		notices []string
		err     string
	}{
		{"ToolChoice", llm.Settings{ToolChoice: llm.ToolRequired}, sends(`"tool_choice":"required"`), nil, ""},
		{"ParallelToolCalls", llm.Settings{ParallelToolCalls: new(false)}, sends(`"parallel_tool_calls":false`), nil, ""},
		{"HostedTools", llm.Settings{HostedTools: []json.RawMessage{json.RawMessage(`{"type":"web_search"}`)}}, sends(`,{"type":"web_search"}]`), nil, ""},
		{"Temperature", llm.Settings{Temperature: new(0.5)}, sends(`"temperature":0.5`), nil, ""},
		{"TopP", llm.Settings{TopP: new(0.25)}, sends(`"top_p":0.25`), nil, ""},
		{"MaxOutputTokens", llm.Settings{MaxOutputTokens: 16}, sends(`"max_output_tokens":16`), nil, ""},
		{"Stop", llm.Settings{Stop: []string{"END"}}, nil, nil, stops},
		{"Seed", llm.Settings{Seed: new(int64(7))}, nil, []string{without + "seed: the request goes without"}, ""},
		{"FrequencyPenalty", llm.Settings{FrequencyPenalty: new(1.0)}, nil, []string{without + "frequency_penalty: the request goes without"}, ""},
		{"PresencePenalty", llm.Settings{PresencePenalty: new(1.0), Seed: new(int64(0)), FrequencyPenalty: new(0.0)}, nil,
			[]string{without + "frequency_penalty and presence_penalty and seed: the request goes without"}, ""},
		{"LogProbs", llm.Settings{LogProbs: true}, sends(`"include":["reasoning.encrypted_content","message.output_text.logprobs"]`), nil, ""},
		{"TopLogProbs", llm.Settings{LogProbs: true, TopLogProbs: 3}, sends(`"top_logprobs":3`), nil, ""},
		{"N", llm.Settings{N: 1}, sends(plain), nil, ""},
		{"N", llm.Settings{N: 2}, nil, nil, "llm: n is 2: one answer is asked for at a time"},
		{"ReasoningEffort", llm.Settings{ReasoningEffort: "high"}, sends(`"reasoning":{"effort":"high"}`), nil, ""},
		{"ReasoningSummary", llm.Settings{ReasoningSummary: "auto", ReasoningEffort: "low"}, sends(`"reasoning":{"effort":"low","summary":"auto"}`), nil, ""},
		{"Verbosity", llm.Settings{Verbosity: "low"}, sends(`"text":{"verbosity":"low"}`), nil, ""},
		{"Modalities", llm.Settings{Modalities: []string{"text", "audio"}}, nil, nil, `openai: the Responses API has no modalities: ["text" "audio"] was asked for`},
		{"Modalities", llm.Settings{Modalities: []string{"text"}}, sends(plain), nil, ""},
		{"ServiceTier", llm.Settings{ServiceTier: "flex"}, sends(`"service_tier":"flex"`), nil, ""},
		{"Store", llm.Settings{}, sends(`"store":false`), nil, ""},
		{"Store", llm.Settings{Store: new(true)}, sends(`"store":true`), nil, ""},
		{"PromptCacheKey", llm.Settings{PromptCacheKey: "k"}, sends(`"prompt_cache_key":"k"`), nil, ""},
		{"SafetyIdentifier", llm.Settings{SafetyIdentifier: "s"}, sends(`"safety_identifier":"s"`), nil, ""},
		{"User", llm.Settings{User: "u"}, sends(`"user":"u"`), nil, ""},
		{"Metadata", llm.Settings{Metadata: map[string]string{"a": "b"}}, sends(`"metadata":{"a":"b"}`), nil, ""},
		{"Extra", llm.Settings{Extra: []llm.Member{{Name: "truncation", Value: `"auto"`}}}, sends(`"truncation":"auto"`), nil, ""},
		{"Extra", llm.Settings{Extra: []llm.Member{{Name: "truncation", Value: `auto`}}}, nil, nil, `openai: the extra member "truncation" is not JSON`},
	} {
		w := &wire{body: `{"status":"completed","output":[]}`}
		c := w.config()
		c.API = openai.APIResponses
		var notices []string
		req := &llm.Request{Messages: []llm.Message{llm.User("hi")}, Tools: []llm.ToolDef{{Name: "f"}}, Settings: tt.set}
		_, err := c.Model("m").Generate(t.Context(), req, func(d llm.Delta) {
			if n, ok := d.(llm.Notice); ok {
				notices = append(notices, n.Text)
			}
		})
		if tt.err != "" {
			require.EqualError(t, err, tt.err, tt.field)
			require.Empty(t, w.bodies, tt.field)
			continue
		}
		require.NoError(t, err, tt.field)
		require.Equal(t, tt.notices, notices, tt.field)
		for _, member := range tt.sent {
			require.Contains(t, w.bodies[0], member, tt.field)
		}
		for _, name := range []string{`"stop"`, `"seed"`, `_penalty"`, `"modalities"`, `"n"`, `"logprobs":`} {
			require.NotContains(t, w.bodies[0], name, tt.field)
		}
	}
	table := reflect.TypeFor[llm.Settings]()
	require.Equal(t, 24, table.NumField(), "the table needs a row for the new field")
}

// TestToolAmong: OpenAI gets the choice beside all tools, on both APIs. Other servers,
// and those that refuse a choice as an object, get the tools of the choice alone. A
// caller can send another form by Settings.Extra.
func TestToolAmong(t *testing.T) {
	t.Parallel()
	const openAI, elsewhere = "https://api.openai.com/v1", "http://provider.test/v1"
	auto, required := llm.ToolAmong(llm.ToolAuto, "f", "h"), llm.ToolAmong(llm.ToolRequired, "f", "h")
	for _, tt := range []struct {
		name   string
		base   string
		api    openai.API
		choice llm.ToolChoice
		set    func(*openai.Profile)
		want   string // tool_choice
		tools  string // the names that are sent
	}{
		{"OpenAI, chat", openAI, openai.APIChat, required, nil,
			`{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"h"}}]}}`, "f g h web_search"},
		{"OpenAI, responses", openAI, openai.APIResponses, auto, nil,
			`{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"f"},{"type":"function","name":"h"}]}`, "f g h web_search"},
		{"a name twice", openAI, openai.APIResponses, llm.ToolAmong(llm.ToolAuto, "f", "h", "f"), nil,
			`{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"f"},{"type":"function","name":"h"}]}`, "f g h web_search"},
		{"elsewhere, chat", elsewhere, openai.APIChat, required, nil, `"required"`, "f h"},
		{"elsewhere, responses", elsewhere, openai.APIResponses, auto, nil, `"auto"`, "f h"},
		{"words alone", openAI, openai.APIChat, required, func(p *openai.Profile) { p.ToolChoice = openai.ToolChoiceWords }, `"required"`, "f h"},
		{"auto alone", openAI, openai.APIResponses, required, func(p *openai.Profile) { p.ToolChoice = openai.ToolChoiceAuto }, ``, "f h"},
	} {
		w := &wire{body: `{"status":"completed","output":[],"choices":[{"message":{"content":"ok"},"finish_reason":"stop"}]}`}
		c := w.config()
		c.BaseURL, c.API, c.Key = tt.base, tt.api, "k"
		if tt.set != nil {
			p := openai.ProfileFor(tt.base, "m")
			tt.set(&p)
			c.Profile = &p
		}
		req := &llm.Request{Messages: []llm.Message{llm.User("hi")}, Tools: []llm.ToolDef{{Name: "f"}, {Name: "g"}, {Name: "h"}}}
		req.ToolChoice, req.HostedTools = tt.choice, []json.RawMessage{json.RawMessage(`{"type":"web_search"}`)}
		_, err := c.Model("m").Generate(t.Context(), req, nil)
		require.NoError(t, err, tt.name)
		var body struct {
			ToolChoice json.RawMessage `json:"tool_choice"`
			Tools      []struct {
				Type, Name string
				Function   struct{ Name string }
			}
		}
		require.NoError(t, json.Unmarshal([]byte(w.bodies[0]), &body))
		require.Equal(t, tt.want, string(body.ToolChoice), tt.name)
		var names []string
		for _, tool := range body.Tools {
			name := tool.Name + tool.Function.Name
			if name == "" {
				name = tool.Type
			}
			names = append(names, name)
		}
		require.Equal(t, tt.tools, strings.Join(names, " "), tt.name)
		if strings.Contains(tt.want, "allowed_tools") {
			parsed, err := llmtest.ParseRequest([]byte(w.bodies[0]))
			require.NoError(t, err, tt.name)
			mode, listed, _ := tt.choice.Among()
			slices.Sort(listed)
			require.Equal(t, llm.ToolAmong(mode, slices.Compact(listed)...), parsed.ToolChoice, tt.name)
		}
	}
}

// TestToolAmongIsRefused: what providers say to allowed_tools. The tools of the choice
// go alone, from now on and with the same mode, and the client learns nothing else: a
// named tool is still named.
func TestToolAmongIsRefused(t *testing.T) {
	t.Parallel()
	for _, message := range []string{
		"Invalid type for 'tool_choice': expected a string, but got an object instead.",
		"Invalid type for 'tool_choice': expected one of 'none', 'auto' or 'required', but got an object instead.",
		"Invalid value: 'allowed_tools'. Supported values are: 'function' and 'custom'.",
		"Unsupported value: 'tool_choice' does not support 'allowed_tools' with this model.",
		"tool_choice 'allowed_tools' is not supported with this model.",
		"Unsupported value for tool_choice.type: 'allowed_tools'.",
		"Invalid value for `tool_choice`: {'type': 'allowed_tools'}! Only named tools, \"none\", \"auto\" or \"required\" are supported.",
		"Expected field `function` in `tool_choice`. Correct usage: `{\"type\": \"function\", \"function\": {\"name\": \"my_function\"}}`",
		"[{'type': 'literal_error', 'loc': ('body', 'tool_choice', 'type'), 'msg': \"Input should be 'function'\", 'input': 'allowed_tools'}]",
		"tool_choice: unknown variant `allowed_tools`, expected `function`",
		"data did not match any variant of untagged enum ToolChoice",
		"json: cannot unmarshal object into Go struct field ChatRequest.tool_choice of type string",
	} {
		for _, api := range []openai.API{openai.APIChat, openai.APIResponses} {
			p := refusesFirst(http.StatusBadRequest, message, "")
			c := openai.Config{BaseURL: "http://provider.test/v1", Key: "k", API: api, Profile: &openai.Profile{AllowedTools: true}, HTTPClient: &http.Client{Transport: p}}
			m, notices := c.Model("m"), []string(nil)
			for _, choice := range []llm.ToolChoice{llm.ToolAmong(llm.ToolRequired, "g"), llm.ToolAmong(llm.ToolAuto, "g"), llm.ToolNamed("g")} {
				req := &llm.Request{Messages: []llm.Message{llm.User("hi")}, Tools: []llm.ToolDef{{Name: "f"}, {Name: "g"}}}
				req.ToolChoice = choice
				_, err := m.Generate(t.Context(), req, func(d llm.Delta) {
					if n, ok := d.(llm.Notice); ok {
						notices = append(notices, n.Text)
					}
				})
				require.NoError(t, err, message)
			}
			require.Equal(t, []string{"the provider refused the request; from now on a choice among tools goes with these tools alone"}, notices, message)
			require.Len(t, p.bodies, 4, message)
			require.Contains(t, p.bodies[0], `"allowed_tools"`)
			for i, body := range p.bodies[1:] {
				require.NotContains(t, body, `"allowed_tools"`, message)
				require.Contains(t, body, `"name":"g"`, message)
				require.Equal(t, i == 2, strings.Contains(body, `"name":"f"`), message)
				require.Contains(t, body, []string{`"tool_choice":"required"`, `"tool_choice":"auto"`, `"tool_choice":{"type":"function",`}[i], message)
			}
		}
	}
}

// TestToolAmongStays: a refusal that names allowed_tools among the supported values, or
// that is about another member, leaves the choice among tools as it is.
func TestToolAmongStays(t *testing.T) {
	t.Parallel()
	for _, message := range []string{
		"Invalid value: 'some'. Supported values are: 'function', 'allowed_tools', and 'custom'.",
		"Invalid type for 'metadata': expected an object, but got a string instead.",
	} {
		p := refusesFirst(http.StatusBadRequest, message, "")
		c := openai.Config{BaseURL: "http://provider.test/v1", Key: "k", Profile: &openai.Profile{AllowedTools: true}, HTTPClient: &http.Client{Transport: p}}
		req := &llm.Request{Messages: []llm.Message{llm.User("hi")}, Tools: []llm.ToolDef{{Name: "f"}, {Name: "g"}}}
		req.ToolChoice = llm.ToolAmong(llm.ToolAuto, "g")
		_, err := c.Model("m").Generate(t.Context(), req, nil)
		require.ErrorContains(t, err, message)
		require.Len(t, p.bodies, 1, message)
	}
}
