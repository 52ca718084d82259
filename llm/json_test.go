package llm_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/mutant"
	"github.com/seed-916e8f6a/toolloop/llm"
)

var extra = []llm.Member{
	{Name: "cache_control", Value: `{ "type": "<ephemeral>" }`},
	{Name: "n", Value: "9007199254740993"},
	{Name: "n", Value: "1.0e2"},
	{Name: "type", Value: "null"},
	{Name: "parts", Value: "[]"},
}

// everyPart has each kind of part, full and bare.
var everyPart = []llm.Part{
	llm.Text{Text: "a < b & \u2028 \"c\"", Extra: extra},
	llm.Text{},
	llm.Reasoning{Text: "Hm.", Field: "reasoning_content", Extra: extra},
	llm.Refusal{Text: "No.", Extra: extra},
	llm.Image{URL: "https://example.com/a.png?x=1&y=2", Detail: "low", Extra: extra},
	llm.Image{Data: []byte{0, 255, 1}, MediaType: "image/png"},
	llm.Audio{Data: []byte("RIFF"), Format: "wav", ID: "a1", Transcript: "hello", Extra: extra},
	llm.File{ID: "f1", Name: "a.pdf", Data: []byte("%PDF"), MediaType: "application/pdf", Extra: extra},
	llm.ToolCall{ID: "call_1", Name: "f", Arguments: "{\"a\": <not JSON", Extra: extra},
	llm.ToolCall{},
	llm.ToolResult{CallID: "call_1", Name: "f", Parts: llm.Parts{llm.Text{Text: "22"}, llm.Image{URL: "u"}}, IsError: true, Extra: extra},
	llm.ToolResult{},
	llm.RawPart{JSON: `{"type":"hologram", "n":9007199254740993, "of":"<b>"}`},
}

// TestMessageJSON: what is written reads back to an equal value, whichever
// encoder of encoding/json wrote it.
func TestMessageJSON(t *testing.T) {
	t.Parallel()
	messages := []llm.Message{
		{},
		{Role: llm.RoleUser, Parts: llm.Parts{}},
		llm.System("You are <terse>."),
		llm.User("hi", llm.Image{URL: "u"}),
		{Role: llm.RoleAssistant, Parts: everyPart, Extra: extra},
	}
	for _, p := range everyPart {
		messages = append(messages, llm.Message{Role: llm.RoleAssistant, Parts: llm.Parts{p}})
	}
	for _, m := range messages {
		escaped, err := json.Marshal(m)
		require.NoError(t, err)
		var plain bytes.Buffer
		enc := json.NewEncoder(&plain)
		enc.SetEscapeHTML(false)
		require.NoError(t, enc.Encode(m))
		for _, data := range [][]byte{escaped, plain.Bytes()} {
			var back llm.Message
			require.NoError(t, json.Unmarshal(data, &back))
			require.Equal(t, m, back, "%s", data)
		}
	}
}

func TestMessageJSONForm(t *testing.T) {
	t.Parallel()
	m := llm.Message{
		Role:  llm.RoleAssistant,
		Parts: llm.Parts{llm.Text{Text: "It is 22 °C."}, llm.ToolCall{ID: "c", Name: "f", Arguments: `{"a":1}`}},
		Extra: []llm.Member{{Name: "annotations", Value: "[]"}},
	}
	data, err := json.Marshal(m)
	require.NoError(t, err)
	require.Equal(t, `{"role":"assistant","parts":[{"type":"text","text":"It is 22 °C."},`+
		`{"type":"tool_call","id":"c","name":"f","arguments":"{\"a\":1}"}],"extra":[{"name":"annotations","value":"[]"}]}`, string(data))
}

// TestUnknownMembers: what another version wrote beside what is known survives
// being read and written.
func TestUnknownMembers(t *testing.T) {
	t.Parallel()
	const written = `{"role":"user","mood":{"a":1},"type":"m","parts":[{"type":"text","text":"hi","TEXT":"other","color":"red"},{"type":"smell","of":"tea"}]}`
	want := llm.Message{
		Role: llm.RoleUser,
		Parts: llm.Parts{
			llm.Text{Text: "hi", Extra: []llm.Member{{Name: "TEXT", Value: `"other"`}, {Name: "color", Value: `"red"`}}},
			llm.RawPart{JSON: `{"type":"smell","of":"tea"}`},
		},
		Extra: []llm.Member{{Name: "mood", Value: `{"a":1}`}, {Name: "type", Value: `"m"`}},
	}
	var m llm.Message
	require.NoError(t, json.Unmarshal([]byte(written), &m))
	require.Equal(t, want, m)
	data, err := json.Marshal(m)
	require.NoError(t, err)
	var again llm.Message
	require.NoError(t, json.Unmarshal(data, &again))
	require.Equal(t, want, again)
}

func TestMessageJSONRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, json string }{
		{"no object", `[]`},
		{"parts no list", `{"role":"user","parts":"hi"}`},
		{"part no object", `{"role":"user","parts":["hi"]}`},
		{"text no string", `{"role":"user","parts":[{"type":"text","text":1}]}`},
		{"type no string", `{"role":"user","parts":[{"type":1}]}`},
		{"of Chat Completions", `{"role":"user","content":"hi"}`},
		{"raw without json", `{"role":"user","parts":[{"type":"raw"}]}`},
		{"raw that is no object", `{"role":"user","parts":[{"type":"raw","json":"{\"a\":1 l"}]}`},
		{"raw of null", `{"role":"user","parts":[{"type":"raw","json":"null"}]}`},
		{"null for a part", `{"role":"user","parts":[null]}`},
		{"bad base64", `{"role":"user","parts":[{"type":"image","data":"?"}]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Error(t, json.Unmarshal([]byte(tt.json), new(llm.Message)))
		})
	}
	_, err := json.Marshal(llm.User("", nil))
	require.ErrorContains(t, err, "part 0: <nil> is not a part")
	_, err = json.Marshal(llm.User("", llm.RawPart{JSON: "{"}))
	require.ErrorContains(t, err, "part 0: raw part: EOF")
	_, err = json.Marshal(llm.User("", llm.RawPart{JSON: "5"}))
	require.ErrorContains(t, err, "part 0: raw part: got 5, want a JSON object")
}

func TestParseMembers(t *testing.T) {
	t.Parallel()
	got, err := llm.ParseMembers([]byte(` { "a" : 1.50 , "a":{"b": [1, 2]}, "\u0063":null } `))
	require.NoError(t, err)
	require.Equal(t, []llm.Member{{Name: "a", Value: "1.50"}, {Name: "a", Value: `{"b": [1, 2]}`}, {Name: "c", Value: "null"}}, got)
	for _, bad := range []string{"", "[]", `"a"`, "{", `{"a"`, `{"a":1`, `{"a":1}{`, `{"a":1} x`, `{"a":1}]`} {
		_, err := llm.ParseMembers([]byte(bad))
		require.Error(t, err, "%q", bad)
	}
}

func FuzzMessageJSON(f *testing.F) {
	data, err := json.Marshal(llm.Message{Role: llm.RoleAssistant, Parts: everyPart, Extra: extra})
	require.NoError(f, err)
	seeds := [][]byte{data, []byte(`{"role":"user","parts":[{"type":"x"}],"extra":null,"y":[]}`)}
	for _, seed := range append(seeds, mutant.Of(seeds, 3000)...) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var m, back llm.Message
		if json.Unmarshal(data, &m) != nil {
			return
		}
		again, err := json.Marshal(m)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(again, &back))
		once, err := json.Marshal(back)
		require.NoError(t, err)
		require.Equal(t, string(again), string(once))
	})
}
