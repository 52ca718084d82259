package llmtest_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/faketb"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

// called is a conversation in which two tools were called.
func called(more ...llm.Message) []llm.Message {
	return append([]llm.Message{
		llm.User("hi"),
		llm.Assistant("", llm.ToolCall{ID: "a", Name: "f", Arguments: "{}"}, llm.ToolCall{ID: "b", Name: "g", Arguments: `{"n":1}`}),
	}, more...)
}

func resultOf(id string) llm.Message { return result(llm.ToolCall{ID: id}, "42") }

func TestWhatBreaksTheProtocol(t *testing.T) {
	t.Parallel()
	arguments := func(text string) []llm.Message {
		return []llm.Message{llm.Assistant("", llm.ToolCall{ID: "a", Name: "f", Arguments: text}), resultOf("a")}
	}
	for name, c := range map[string]struct {
		messages []llm.Message
		tools    []llm.ToolDef
		want     string
	}{
		"no result":            {messages: called(), want: "the last message: the call of f a has no result"},
		"one result":           {messages: called(resultOf("a")), want: "the last message: the call of g b has no result"},
		"a result is left out": {messages: called(resultOf("a"), llm.User("so?")), want: "messages[3]: a message of the user, where the result of the call of g b is due"},
		"results change order": {messages: called(resultOf("b"), resultOf("a")), want: `messages[2]: a result for "b", but the next result must answer the call of f a`},
		"a result twice":       {messages: called(resultOf("a"), resultOf("a")), want: `messages[3]: a result for "a", but the next result must answer the call of g b`},
		"one result more":      {messages: called(resultOf("a"), resultOf("b"), resultOf("b")), want: `messages[4]: a result for "b", but no call waits for a result`},
		"result without call":  {messages: []llm.Message{llm.User("hi"), resultOf("a")}, want: `messages[1]: a result for "a", but no call waits for a result`},
		"something between":    {messages: called(resultOf("a"), llm.System("x"), resultOf("b")), want: "messages[3]: a message of the system, where the result of the call of g b is due"},
		"no JSON":              {messages: arguments("no json"), want: "messages[0]: the arguments of the call of f a are not a JSON object: no json"},
		"cut JSON":             {messages: arguments(`{"a":`), want: `messages[0]: the arguments of the call of f a are not a JSON object: {"a":`},
		"no object":            {messages: arguments("[]"), want: "messages[0]: the arguments of the call of f a are not a JSON object: []"},
		"no role":              {messages: []llm.Message{{}}, want: `messages[0]: unknown role ""`},
		"call of the user":     {messages: []llm.Message{llm.User("", llm.ToolCall{Name: "f"})}, want: "messages[0]: a llm.ToolCall in a message of the user"},
		"result of the user":   {messages: []llm.Message{llm.User("", llm.ToolResult{})}, want: "messages[0]: a result in a message of the user"},
		"empty audio":          {messages: []llm.Message{llm.User("hi", llm.Audio{Format: "wav"})}, want: "messages[0]: part 1: the audio has no Data"},
		"empty file":           {messages: []llm.Message{llm.User("hi"), llm.User("", llm.File{Name: "f"})}, want: "messages[1]: part 0: the file has neither ID nor Data"},
		"two in a message": {
			messages: called(llm.Message{Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: "a"}, llm.ToolResult{CallID: "b"}}}),
			want:     "messages[2]: a message of a tool holds one result and nothing else",
		},
		"two tools of a name": {
			messages: []llm.Message{llm.User("hi")}, tools: []llm.ToolDef{{Name: "f"}, {Name: "g"}, {Name: "f"}}, want: `two tools are named "f"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			req := &llm.Request{Model: "m", Messages: c.messages, Tools: c.tools}
			m := llmtest.NewScript(llmtest.Text("a"))
			_, failure := m.Generate(t.Context(), req, nil)
			e, ok := errors.AsType[*llm.APIError](failure)
			require.True(t, ok)
			require.Equal(t, "protocol", e.Code)
			require.False(t, e.Retryable())
			require.Contains(t, e.Message+"\n", "request 1 breaks the protocol: "+c.want+":\n  model m")
			require.EqualError(t, m.Done(), "llmtest: 1 of 1 step not used:\n  step 1: \"a\"\nllmtest: 1 request broke the protocol")

			tb := new(faketb.TB)
			got := tb.Run(func(tb testing.TB) { _, _ = llmtest.Script(tb).Generate(t.Context(), req, nil) })
			require.Equal(t, []string{"llmtest: " + e.Message}, got)
		})
	}
}

func TestWhatKeepsTheProtocol(t *testing.T) {
	t.Parallel()
	for name, messages := range map[string][]llm.Message{
		"results":             called(resultOf("a"), resultOf("b")),
		"and on":              called(resultOf("a"), resultOf("b"), llm.Assistant("so"), llm.System("x"), llm.User("y"), llm.User("z")),
		"calls of one id":     {llm.Assistant("", llm.ToolCall{ID: "a", Name: "f"}, llm.ToolCall{ID: "a", Name: "f"}), resultOf("a"), resultOf("a")},
		"the same id again":   append(called(resultOf("a"), resultOf("b")), called(resultOf("a"), resultOf("b"))...),
		"the assistant alone": {llm.Assistant("hi")},
		"no arguments":        {llm.Assistant("", llm.ToolCall{ID: "a", Name: "f", Arguments: " null "}), resultOf("a")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := llmtest.Script(t, llmtest.Text("a")).Generate(t.Context(), &llm.Request{Messages: messages}, nil)
			require.NoError(t, err)
		})
	}
}

// On the wire a provider's refusal says the same.
func TestProtocolOnTheWire(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ body, want string }{
		"no result": {
			`{"model":"m","messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]}]}`,
			"request 1 breaks the protocol: the last message: the call of f a has no result:\n  model m\n  assistant: calls f({}) a",
		},
		"two tools of a name": {
			`{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"f"}}]}`,
			"request 1 breaks the protocol: two tools are named \"f\":\n  model m, tools f f\n  user: \"hi\"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tb := new(faketb.TB)
			got := tb.Run(func(tb testing.TB) {
				resp := chat(t, llmtest.Script(tb).Serve(), c.body)
				require.Equal(t, 400, resp.StatusCode)
				var doc struct {
					Error struct{ Message, Code string }
				}
				require.NoError(t, json.Unmarshal([]byte(readAll(t, resp)), &doc))
				require.Equal(t, c.want, doc.Error.Message)
				require.Equal(t, "protocol", doc.Error.Code)
			})
			require.Equal(t, []string{"llmtest: " + c.want}, got)
		})
	}
}

// TestItemIDs: the ids of messages and of hosted items are checked as those of reasoning
// and calls are.
func TestItemIDs(t *testing.T) {
	t.Parallel()
	const search = `{"type":"web_search_call","id":"ws_1"}`
	message := func(id string) string {
		return `{"type":"message","role":"assistant","id":"` + id + `","content":[{"type":"output_text","text":"a"}]}`
	}
	const user = `{"type":"message","role":"user","content":"hi"}`
	for _, tt := range []struct{ items, want string }{
		{message("msg_1") + "," + search, ""},
		{search + "," + user + "," + search, "Duplicate item found with id ws_1."},
		{message("msg_1") + "," + user + "," + message("msg_1"), "Duplicate item found with id msg_1."},
		{message("rs_1"), "Invalid 'id': 'rs_1'. Expected an ID that begins with 'msg'."},
		{message(""), "Invalid 'id': ''. Expected an ID that begins with 'msg'."},
		{`{"type":"web_search_call","id":""}`, "Invalid 'id': ''. Expected an ID that is not empty."},
	} {
		req, err := llmtest.ParseRequest([]byte(`{"model":"m","input":[` + user + "," + tt.items + `]}`))
		require.NoError(t, err, tt.items)
		_, err = llmtest.NewScript(llmtest.Text("a")).Generate(t.Context(), req, nil)
		if tt.want == "" {
			require.NoError(t, err, tt.items)
			continue
		}
		require.ErrorContains(t, err, tt.want, tt.items)
	}
}
