package openai_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// eitherAPI is an answer in the form of both APIs.
const eitherAPI = `{"status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"ok"}]}],"choices":[{"message":{"content":"ok"},"finish_reason":"stop"}]}`

// refusesFirst returns a provider that refuses the first request and answers later requests
// on either API.
func refusesFirst(status int, message, code string) *picky {
	return &picky{rules: []rule{{first(), message}}, status: status, code: code, answer: eitherAPI}
}

// model returns a model that uses the API and does not retry.
func (p *picky) model(api openai.API) llm.Model {
	c := p.config()
	c.API = api
	return c.Model("m")
}

// thoughtful is a conversation in which the model has reasoned before a call.
func thoughtful() *llm.Request {
	const body = `{"id":"resp_1","status":"completed","output":[{"id":"rs_1","type":"reasoning","summary":[],"encrypted_content":"abc"},{"id":"fc_1","type":"function_call","call_id":"call_1","name":"f","arguments":"{}"}]}`
	w := &wire{body: body}
	c := w.config()
	c.API = openai.APIResponses
	req := &llm.Request{Messages: []llm.Message{llm.User("hi")}, Tools: []llm.ToolDef{{Name: "f"}}}
	resp, err := c.Model("m").Generate(context.Background(), req, nil)
	if err != nil {
		panic(err)
	}
	result := llm.Message{Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: "call_1", Name: "f", Parts: llm.Parts{llm.Text{Text: "done"}}}}}
	req.Messages = append(req.Messages, resp.Message, result)
	return req
}

// TestRefusalsThatNameTheOtherAPI: the request goes there, and so do all later ones.
func TestRefusalsThatNameTheOtherAPI(t *testing.T) {
	t.Parallel()
	for _, message := range []string{
		"Function tools with reasoning_effort are not supported for gpt-5.4 in /v1/chat/completions. Please use /v1/responses instead.",
		"Function tools with reasoning_effort are not supported for gpt-5.6-sol in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'.",
		"This model is only supported in v1/responses and not in v1/chat/completions.",
	} {
		p := refusesFirst(400, message, "")
		m, notices := p.model(openai.APIAuto), 0
		for range 2 {
			resp, err := m.Generate(t.Context(), thoughtful(), func(d llm.Delta) {
				if _, ok := d.(llm.Notice); ok {
					notices++
				}
			})
			require.NoError(t, err)
			require.Equal(t, "ok", resp.Message.Text())
		}
		require.Equal(t, []string{"/v1/chat/completions", "/v1/responses", "/v1/responses"}, p.paths)
		require.Equal(t, 1, notices)
	}
}

// TestOneAPIOnly: a server without the other API keeps its own, and a caller who
// has chosen is obeyed.
func TestOneAPIOnly(t *testing.T) {
	t.Parallel()
	const message = "To use function tools, use /v1/responses or set reasoning_effort to 'none'."
	p := refusesFirst(400, message, "")
	p.missing = "/v1/responses"
	m := p.model(openai.APIAuto)
	_, err := m.Generate(t.Context(), thoughtful(), nil)
	require.ErrorContains(t, err, message)
	_, err = m.Generate(t.Context(), thoughtful(), nil)
	require.NoError(t, err)
	require.Equal(t, []string{"/v1/chat/completions", "/v1/responses", "/v1/chat/completions"}, p.paths)

	p = refusesFirst(400, message, "")
	_, err = p.model(openai.APIChat).Generate(t.Context(), thoughtful(), nil)
	require.ErrorContains(t, err, message)
	require.Equal(t, []string{"/v1/chat/completions"}, p.paths)
}

// TestRefusedReasoning: what providers say when reasoning goes back that they do
// not take. It goes without then, from now on, and the call before it stays.
func TestRefusedReasoning(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status        int
		message, code string
	}{
		{400, "Item 'rs_1' of type 'reasoning' was provided without its required following item.", ""},
		{400, "Item 'msg_1' of type 'message' was provided without its required 'reasoning' item: 'rs_1'.", ""},
		{404, "Item with id 'rs_1' not found. Items are not persisted when `store` is set to false. Try again with `store` set to true, or remove this item from your input.", ""},
		{400, "Item with id 'rs_1' not found", ""},
		{400, "The encrypted content for item rs_1 could not be verified. Reason: Encrypted content item_id did not match the target item id.", ""},
		{400, "The encrypted content abc could not be verified.", "invalid_encrypted_content"},
		{400, "Something else.", "invalid_encrypted_content"},
		{400, "Encrypted content is not supported with this model.", ""},
		{400, "Invalid 'input[1].id': ''. Expected an ID that begins with 'rs'.", ""},
		{400, "Duplicate item found with id rs_1. Remove duplicate items from your input and try again.", ""},
		{401, "input item ID does not belong to this connection", ""},
		{400, "item['content'] is not an array", ""},
		{400, "missing required field `summary`", ""},
		{422, "data did not match any variant of untagged enum ModelInput", ""},
		{400, "unknown input item type: reasoning", ""},
	} {
		p := refusesFirst(tt.status, tt.message, tt.code)
		m := p.model(openai.APIResponses)
		for range 2 {
			_, err := m.Generate(t.Context(), thoughtful(), nil)
			require.NoError(t, err, tt.message)
		}
		require.Len(t, p.bodies, 3, tt.message)
		require.Contains(t, p.bodies[0], `{"id":"rs_1","type":"reasoning","summary":[],"encrypted_content":"abc"},{"type":"function_call"`, tt.message)
		for _, body := range p.bodies[1:] {
			require.NotContains(t, body, `"reasoning","summary"`, tt.message)
			require.Contains(t, body, `"call_id":"call_1"`, tt.message)
		}
	}
}

// TestReasoningGoesHome: reasoning goes back to the endpoint that it came from, and
// to no other; a message that was edited goes without.
func TestReasoningGoesHome(t *testing.T) {
	t.Parallel()
	sent := func(base string, edit func(*llm.Request)) string {
		p := &picky{answer: eitherAPI}
		req := thoughtful()
		edit(req)
		c := openai.Config{BaseURL: base, Key: "k", API: openai.APIResponses, HTTPClient: &http.Client{Transport: p}}
		_, err := c.Model("m").Generate(t.Context(), req, nil)
		require.NoError(t, err)
		return p.bodies[0]
	}
	stay := func(*llm.Request) {}
	require.Contains(t, sent("http://provider.test/v1", stay), "encrypted_content\":\"abc")
	require.NotContains(t, sent("http://other.test/v1", stay), "abc")
	require.NotContains(t, sent("http://provider.test/v1", func(r *llm.Request) {
		r.Messages[1].Parts = llm.Parts{llm.ToolCall{ID: "call_1", Name: "f", Arguments: `{"n":1}`}}
	}), "abc")
	require.NotContains(t, sent("http://provider.test/v1", func(r *llm.Request) {
		r.Messages[1].Parts = append(llm.Parts{llm.Text{Text: "more"}}, r.Messages[1].Parts...)
	}), "abc")
}

// TestResponsesDialects: what compatible servers refuse on this API. The second
// request goes without the refused form, keeps all else, and so do later requests;
// one notice tells.
func TestResponsesDialects(t *testing.T) {
	t.Parallel()
	picture := llm.Message{Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: "call_1", Name: "f", Parts: llm.Parts{
		llm.Text{Text: "seen"}, llm.Image{URL: "https://a.example/p.png"},
	}}}}
	for _, tt := range []struct {
		name    string
		status  int
		message string
		edit    func(*llm.Request)
		refused string // in the first body alone
		instead string // in all later bodies
	}{
		{"store, as OpenAI says it", 400, "Unknown parameter: 'store'.", nil, `"store":false`, `"include"`},
		{"store, pydantic", 422, `[{'type': 'extra_forbidden', 'loc': ('body', 'store'), 'msg': 'Extra inputs are not permitted', 'input': False}]`, nil, `"store":false`, `"include"`},
		{"store, Go", 400, `json: unknown field "store"`, nil, `"store":false`, `"include"`},
		{"include", 400, "Unknown parameter: 'include'.", nil, `"include"`, `"store":false`},
		{"include, pydantic", 422, `[{'type': 'extra_forbidden', 'loc': ('body', 'include'), 'msg': 'Extra inputs are not permitted'}]`, nil, `"include"`, `"store":false`},
		{"include, a value", 400, "Invalid value: 'reasoning.encrypted_content'. include is not supported with this model.", nil, `"include"`, `"store":false`},
		{"encrypted reasoning that nobody sent", 400, "Encrypted content is not supported with this model.", nil, `"include"`, `"store":false`},
		{"metadata, xAI behind a gateway", 422, "metadata is not supported by grok-4.6", func(r *llm.Request) { r.Metadata = map[string]string{"a": "b"} }, `"metadata"`, `"store":false`},
		{"strict", 400, "Unknown parameter: 'tools[0].strict'.", nil, `"strict":false`, `"name":"f"`},
		{"strict, pydantic", 422, `[{'type': 'extra_forbidden', 'loc': ('body', 'tools', 0, 'function', 'strict'), 'msg': 'Extra inputs are not permitted'}]`, nil, `"strict":false`, `"name":"f"`},
		{"developer, OpenAI's words", 400, "Invalid value: 'developer'. Supported values are: 'assistant', 'system', and 'user'. (role)", developer, `"role":"developer"`, `"role":"system"`},
		{"developer, a template", 500, "Unexpected message role.", developer, `"role":"developer"`, `"role":"system"`},
		{"summary", 400, "Your organization must be verified to generate reasoning summaries.", func(r *llm.Request) { r.ReasoningSummary = "auto" }, `"summary":"auto"`, `"store":false`},
		{"effort, Ollama", 400, `"tiny-tools" does not support thinking`, func(r *llm.Request) { r.ReasoningEffort = "high" }, `"effort":"high"`, `"store":false`},
		{"effort, OpenAI", 400, "Unsupported parameter: 'reasoning.effort' is not supported with this model.", func(r *llm.Request) { r.ReasoningEffort = "high" }, `"effort":"high"`, `"store":false`},
		{"a list as a result", 400, "Invalid type for 'input[2].output': expected a string, but got an array instead.", func(r *llm.Request) { r.Messages[2] = picture }, `"input_image"`, `seen`},
		{"a picture in a result", 400, "input_image is not allowed in function output", func(r *llm.Request) { r.Messages[2] = picture }, `"input_image"`, `seen`},
		{"a hosted item, Ollama", 400, `input[1]: unknown input item type: "web_search_call"`, searched, `"web_search_call"`, `"call_id":"call_1"`},
		{"a hosted item, llama.cpp", 400, "Cannot determine type of 'item'", searched, `"web_search_call"`, `"call_id":"call_1"`},
		{"a hosted item, not stored", 404, "Item with id 'ws_1' not found. Items are not persisted when `store` is set to false.", searched, `"web_search_call"`, `"call_id":"call_1"`},
		{"a hosted item without its reasoning", 400, "Item 'ws_1' of type 'web_search_call' was provided without its required 'reasoning' item: 'rs_1'.", searched, `"web_search_call"`, `"call_id":"call_1"`},
		{"parallel_tool_calls", 400, "Unknown parameter: 'parallel_tool_calls'.", func(r *llm.Request) { r.ParallelToolCalls = new(false) }, `"parallel_tool_calls"`, `"store":false`},
		{"a named tool", 400, "tool_choice must be a string", func(r *llm.Request) { r.ToolChoice = llm.ToolNamed("f") }, `"tool_choice":{`, `"tool_choice":"required"`},
		{"safety_identifier", 400, "Unrecognized request argument supplied: safety_identifier", func(r *llm.Request) { r.SafetyIdentifier = "u" }, `"safety_identifier"`, `"store":false`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := refusesFirst(tt.status, tt.message, "")
			m, notices := p.model(openai.APIResponses), 0
			for range 2 {
				req := thoughtful()
				if tt.edit != nil {
					tt.edit(req)
				}
				_, err := m.Generate(t.Context(), req, func(d llm.Delta) {
					if _, ok := d.(llm.Notice); ok {
						notices++
					}
				})
				require.NoError(t, err)
			}
			require.Len(t, p.bodies, 3)
			require.Contains(t, p.bodies[0], tt.refused)
			for _, body := range p.bodies[1:] {
				require.NotContains(t, body, tt.refused)
				require.Contains(t, body, tt.instead)
				require.Contains(t, body, `"function_call_output"`)
			}
			require.Equal(t, 1, notices)
		})
	}
}

func developer(r *llm.Request) {
	r.Messages = append(r.Messages, llm.Message{Role: llm.RoleDeveloper, Parts: llm.Parts{llm.Text{Text: "d"}}}, llm.User("go on"))
}

// searched lets the model have searched the web before its call.
func searched(r *llm.Request) {
	extra := &r.Messages[1].Extra[0]
	extra.Value = strings.Replace(extra.Value, `{"id":"rs_1"`, `{"id":"ws_1","type":"web_search_call","status":"completed"},{"id":"rs_1"`, 1)
}
