package openai_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// sentBack returns the next request of a conversation with the answer, and its notices.
func sentBack(t *testing.T, api openai.API, profile *openai.Profile, answer llm.Message) (body string, notices []string) {
	t.Helper()
	p := &picky{answer: eitherAPI}
	c := openai.Config{BaseURL: "http://provider.test/v1", Key: "k", API: api, Profile: profile, HTTPClient: &http.Client{Transport: p}}
	_, err := c.Model("m").Generate(t.Context(), &llm.Request{Messages: []llm.Message{llm.User("hi"), answer, llm.User("make it blue")}}, func(d llm.Delta) {
		if n, ok := d.(llm.Notice); ok {
			notices = append(notices, n.Text)
		}
	})
	require.NoError(t, err)
	return p.bodies[0], notices
}

// TestResponsesItemsAlone: items of hosted tools go back without a text or a call
// beside them, unless the server refuses such items. A call that waits for an output
// stays at home, because OpenAI refuses a call without an output.
func TestResponsesItemsAlone(t *testing.T) {
	t.Parallel()
	const (
		reasoning = `{"id":"rs_1","type":"reasoning","summary":[],"encrypted_content":"abc"}`
		picture   = `{"id":"ig_1","type":"image_generation_call","status":"completed","result":"AAAA"}`
		approval  = `{"id":"mcpr_1","type":"mcp_approval_request","server_label":"docs","name":"ask","arguments":"{}"}`
		custom    = `{"id":"ctc_1","type":"custom_tool_call","call_id":"call_9","name":"f","input":"x"}`
		shell     = `{"id":"sh_1","type":"shell_call","call_id":"call_8","action":{"commands":["ls"]}}`
		shellDone = `{"id":"sho_1","type":"shell_call_output","call_id":"call_8","output":[]}`
		empty     = `{"id":"msg_1","type":"message","role":"assistant","content":[]}`
		first     = `"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"hi"}]},`
		last      = `{"type":"message","role":"user","content":[{"type":"input_text","text":"make it blue"}]}]`
	)
	none := openai.Profile{NoReasoningItems: true}
	for _, tt := range []struct {
		name    string
		output  []string
		profile openai.Profile
		want    string
		notices []string
	}{
		{"a picture", []string{picture}, openai.Profile{}, picture + ",", nil},
		{"reasoning and an empty message", []string{reasoning, picture, empty}, openai.Profile{}, reasoning + "," + picture + ",", nil},
		{"an approval", []string{approval}, openai.Profile{}, approval + ",", nil},
		{"with its output", []string{shell, shellDone}, openai.Profile{}, shell + "," + shellDone + ",", nil},
		{"without its output", []string{reasoning, custom}, openai.Profile{}, "", []string{`the custom_tool_call "call_9" was left out: it has no output`}},
		{"reasoning alone", []string{reasoning}, openai.Profile{}, "", nil},
		{"refused", []string{reasoning, picture}, none, "", nil},
	} {
		w := wholeAnswer(false, tt.output)
		c := w.config()
		c.API = openai.APIResponses
		resp, err := c.Model("m").Generate(t.Context(), hello(), nil)
		require.NoError(t, err, tt.name)
		body, notices := sentBack(t, openai.APIResponses, &tt.profile, resp.Message)
		require.Contains(t, body, first+tt.want+last, tt.name)
		require.Equal(t, tt.notices, notices, tt.name)
	}
}

// TestPartsOfTheModelChangeTheWire: an answer from Chat Completions loses no part on the
// Responses API without a notice.
func TestPartsOfTheModelChangeTheWire(t *testing.T) {
	t.Parallel()
	said := func(text string) string {
		return `{"type":"message","role":"assistant","content":[{"type":"output_text","text":"` + text + `"}]}`
	}
	for _, tt := range []struct {
		part    llm.Part
		want    string
		notices []string
	}{
		{llm.Audio{ID: "a", Transcript: "spoken"}, said("spoken"), nil},
		{llm.Audio{ID: "a"}, "", []string{"audio of the model without a transcript was left out: the Responses API takes none back"}},
		{llm.RawPart{JSON: `{"type":"chart"}`}, "", []string{"a llm.RawPart of the model was left out: the Responses API has no form for it"}},
	} {
		body, notices := sentBack(t, openai.APIResponses, nil, llm.Assistant("", tt.part))
		require.Contains(t, body, tt.want)
		require.Equal(t, tt.notices, notices)
	}
}

// TestOpenReasoningChangesTheWire: a provider that wants reasoning_content back beside a
// call gets the open reasoning of the Responses API. A summary is no reasoning.
func TestOpenReasoningChangesTheWire(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]string{"content": `"reasoning_content":"thought"`, "summary": ""} {
		answer := llm.Assistant("x", llm.Reasoning{Text: "thought", Field: field}, llm.ToolCall{ID: "c", Name: "f", Arguments: "{}"})
		body, _ := sentBack(t, openai.APIChat, &openai.Profile{Echo: []string{"reasoning_content"}}, answer)
		require.Contains(t, body, want)
		if want == "" {
			require.NotContains(t, body, "thought")
		}
	}
}
