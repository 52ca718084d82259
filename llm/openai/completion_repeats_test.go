package openai_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// TestCopies is a message in a stream: it repeats the deltas, or stands in for them.
func TestCopies(t *testing.T) {
	t.Parallel()
	bare := func(m string) string { return `{"choices":[{"index":0,"message":` + m + `}]}` }
	last := func(m string) string { return `{"choices":[{"index":0,"message":` + m + `,"finish_reason":"stop"}]}` }
	beside := func(d, m string) string {
		return `{"choices":[{"index":0,"delta":` + d + `,"message":` + m + `,"finish_reason":null}]}`
	}
	text := func(s string) string { return delta(`{"content":"` + s + `"}`) }
	const f1, f2 = `{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":"}}`, `{"index":0,"function":{"arguments":"1}"}}`
	const f = `{"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}}`
	const g = `{"id":"b","type":"function","function":{"name":"g","arguments":"{}"}}`
	call, other := toolCall("a", "f", `{"x":1}`), toolCall("b", "g", "{}")
	for _, tt := range []struct {
		name   string
		chunks []string
		want   llm.Parts
		shown  string // the text; "": as the answer's
	}{
		{"the whole text", []string{text("It "), text("is 4."), last(`{"role":"assistant","content":"It is 4."}`)}, llm.Parts{llm.Text{Text: "It is 4."}}, ""},
		{"as parts", []string{text("It "), text("is 4."), last(`{"content":[{"type":"text","text":"It is "},{"type":"text","text":"4."}]}`)}, llm.Parts{llm.Text{Text: "It is 4."}}, ""},
		{"in an empty delta", []string{text("It "), text("is 4."), beside(`{"content":""}`, `{"content":"It is 4."}`), finishStop}, llm.Parts{llm.Text{Text: "It is 4."}}, ""},
		{"with more", []string{text("It "), last(`{"content":"It is 4."}`)}, llm.Parts{llm.Text{Text: "It is 4."}}, ""},
		{"without white space", []string{text("\\n It "), text("is 4.\\n"), last(`{"content":"It is 4."}`)}, llm.Parts{llm.Text{Text: "\n It is 4.\n"}}, ""},
		{"with more in front", []string{text("is 4."), last(`{"content":"It is 4."}`)}, llm.Parts{llm.Text{Text: "It is 4."}}, "is 4."},
		{"a piece that was there", []string{text("It "), text("is 4."), last(`{"content":"4."}`)}, llm.Parts{llm.Text{Text: "It is 4."}}, ""},
		{"without thinking", []string{text("<think>x</think>"), text("4"), last(`{"content":"4"}`)}, llm.Parts{llm.Text{Text: "<think>x</think>4"}}, ""},
		{"that says nothing", []string{text("4"), last(`{"role":"assistant","content":null}`)}, llm.Parts{llm.Text{Text: "4"}}, ""},
		{"that says nothing else", []string{text("4"), last(`{"content":"","tool_calls":null,"refusal":null}`)}, llm.Parts{llm.Text{Text: "4"}}, ""},
		{"that is another piece", []string{text("It "), last(`{"content":"is 4."}`)}, llm.Parts{llm.Text{Text: "It is 4."}}, ""},
		{"the last piece again", []string{text("4"), text("4"), last(`{"content":"44"}`)}, llm.Parts{llm.Text{Text: "44"}}, ""},
		{"reasoning", []string{delta(`{"reasoning_content":"a"}`), delta(`{"reasoning_content":"b"}`), text("4"), last(`{"reasoning_content":"ab","content":"4"}`)},
			llm.Parts{llm.Reasoning{Text: "ab", Field: "reasoning_content"}, llm.Text{Text: "4"}}, ""},
		{"reasoning under another name", []string{delta(`{"reasoning":"ab"}`), text("4"), last(`{"reasoning_content":"ab","content":"4"}`)},
			llm.Parts{llm.Reasoning{Text: "ab", Field: "reasoning"}, llm.Text{Text: "4"}}, ""},
		{"a refusal", []string{delta(`{"refusal":"n"}`), delta(`{"refusal":"o"}`), last(`{"refusal":"no"}`)}, llm.Parts{llm.Refusal{Text: "no"}}, ""},
		{"a call", []string{calls(f1), calls(f2), last(`{"content":null,"tool_calls":[` + f + `]}`)}, llm.Parts{call}, ""},
		{"a call that was cut", []string{calls(f1), last(`{"tool_calls":[` + f + `]}`)}, llm.Parts{call}, ""},
		{"a call without an id", []string{calls(strings.Replace(f1, `"id":"a",`, "", 1)), calls(f2), last(`{"tool_calls":[` + f + `]}`)}, llm.Parts{call}, ""},
		{"one more call", []string{text("x"), calls(f1), calls(f2), last(`{"content":"x","tool_calls":[` + f + `,` + g + `]}`)}, llm.Parts{llm.Text{Text: "x"}, call, other}, ""},
		{"calls in another order", []string{calls(f1), calls(f2), last(`{"tool_calls":[` + g + `,` + f + `]}`)}, llm.Parts{call, other}, ""},
		{"a call that only the message has", []string{text("x"), last(`{"content":"x","tool_calls":[` + f + `]}`)}, llm.Parts{llm.Text{Text: "x"}, call}, ""},
		{"a call that only the message beside has", []string{beside(`{"content":"x"}`, `{"content":"x","tool_calls":[`+f+`]}`), finishStop}, llm.Parts{llm.Text{Text: "x"}, call}, ""},
		{"the form before tools", []string{delta(`{"function_call":{"name":"f","arguments":"{\"x\""}}`), delta(`{"function_call":{"arguments":":1}"}}`), last(`{"function_call":{"name":"f","arguments":"{\"x\":1}"}}`)}, llm.Parts{toolCall("", "f", `{"x":1}`)}, ""},

		{"no deltas, pieces", []string{bare(`{"content":"ab"}`), bare(`{"content":"a"}`), last(`{"content":"b"}`)}, llm.Parts{llm.Text{Text: "abab"}}, ""},
		{"no deltas, totals", []string{bare(`{"content":"It "}`), bare(`{"content":"It is"}`), last(`{"content":"It is 4."}`)}, llm.Parts{llm.Text{Text: "It is 4."}}, ""},
		{"no deltas, pieces of a call", []string{bare(`{"tool_calls":[` + f1 + `]}`), bare(`{"tool_calls":[` + f2 + `]}`), finishStop}, llm.Parts{call}, ""},
		{"no deltas, totals of calls", []string{bare(`{"tool_calls":[` + f1 + `]}`), bare(`{"tool_calls":[` + f + `]}`), last(`{"tool_calls":[` + f + `,` + g + `]}`)}, llm.Parts{call, other}, ""},
		{"totals beside deltas", []string{beside(`{"content":"ab"}`, `{"content":"ab"}`), beside(`{"content":"ab"}`, `{"content":"abab"}`), beside(`{"content":""}`, `{"content":"abab"}`), finishStop}, llm.Parts{llm.Text{Text: "abab"}}, ""},
		{"pieces beside deltas", []string{beside(`{"content":"a"}`, `{"content":"a"}`), beside(`{"content":"b"}`, `{"content":"b"}`), finishStop}, llm.Parts{llm.Text{Text: "ab"}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			resp, deltas, err := ask(t, eventsOf(tt.chunks...), true)
			require.NoError(t, err)
			require.Equal(t, tt.want, resp.Message.Parts)
			var shown strings.Builder
			for _, d := range deltas {
				if d, ok := d.(llm.TextDelta); ok {
					shown.WriteString(d.Text)
				}
			}
			if tt.shown == "" {
				tt.shown = resp.Message.Text()
			}
			require.Equal(t, tt.shown, shown.String())
		})
	}
}

// TestCopiedMembers: the members of a message replace those of the deltas.
func TestCopiedMembers(t *testing.T) {
	t.Parallel()
	resp, _, err := ask(t, eventsOf(
		delta(`{"reasoning_details":[{"text":"a","index":0}],"x":1}`), delta(`{"reasoning_details":[{"text":"b","index":0}],"content":"c"}`),
		`{"choices":[{"message":{"content":"c","reasoning_details":[{"text":"ab","signature":"s"}],"x":null},"finish_reason":"stop"}]}`), true)
	require.NoError(t, err)
	require.Equal(t, llm.Message{
		Role: llm.RoleAssistant, Parts: llm.Parts{llm.Text{Text: "c"}},
		Extra: []llm.Member{member("reasoning_details", `[{"text":"ab","signature":"s"}]`), member("x", "1")},
	}, resp.Message)
}

// TestCallsOfOneIndex are whole calls that share what tells calls apart.
func TestCallsOfOneIndex(t *testing.T) {
	t.Parallel()
	piece := func(members, arguments string) string {
		return calls(`{` + members + `"function":{"name":"f","arguments":` + arguments + `}}`)
	}
	const one, two = `"{\"a\":1}"`, `"{\"a\":2}"`
	a, b := toolCall("", "f", `{"a":1}`), toolCall("", "f", `{"a":2}`)
	withID := func(id string, c llm.ToolCall) llm.ToolCall { c.ID = id; return c }
	for _, tt := range []struct {
		name   string
		chunks []string
		want   []llm.ToolCall
	}{
		{"an index and no id", []string{piece(`"index":0,`, one), piece(`"index":0,`, two)}, []llm.ToolCall{a, b}},
		{"three", []string{piece(`"index":0,`, one), piece(`"index":0,`, two), piece(`"index":0,`, one)}, []llm.ToolCall{a, b, a}},
		{"in one chunk", []string{calls(`{"index":0,"function":{"name":"f","arguments":`+one+`}}`, `{"index":0,"function":{"name":"f","arguments":`+two+`}}`)}, []llm.ToolCall{a, b}},
		{"objects", []string{piece(`"index":0,`, `{"a":1}`), piece(`"index":0,`, `{"a":2}`)}, []llm.ToolCall{a, b}},
		{"the second in pieces", []string{piece(`"index":0,`, one), piece(`"index":0,`, `"{\"a\""`), calls(`{"index":0,"function":{"arguments":":2}"}}`)}, []llm.ToolCall{a, b}},
		{"the first has an id", []string{piece(`"index":0,"id":"x",`, one), piece(`"index":0,`, two)}, []llm.ToolCall{withID("x", a), b}},
		{"the second has an id", []string{piece(`"index":0,`, one), piece(`"index":0,"id":"x",`, two)}, []llm.ToolCall{a, withID("x", b)}},
		{"one id for both", []string{piece(`"index":0,"id":"x",`, one), piece(`"index":0,"id":"x",`, two)}, []llm.ToolCall{withID("x", a), withID("x", b)}},
		{"one id and no index", []string{piece(`"id":"x",`, one), piece(`"id":"x",`, two)}, []llm.ToolCall{withID("x", a), withID("x", b)}},
		{"the form before tools", []string{delta(`{"function_call":{"name":"f","arguments":` + one + `}}`), delta(`{"function_call":{"name":"f","arguments":` + two + `}}`)}, []llm.ToolCall{a, b}},
		{"a copy", []string{piece(`"index":0,`, one), piece(`"index":0,`, `"{ \"a\": 1 }"`)}, []llm.ToolCall{a}},
		{"a copy with the id", []string{piece(`"index":0,`, one), piece(`"index":0,"id":"x",`, one)}, []llm.ToolCall{withID("x", a)}},
		{"a copy in pieces that repeat the name", []string{piece(`"index":0,`, one), piece(`"index":0,`, `"{\"a\""`), piece(`"index":0,`, `":1}"`)}, []llm.ToolCall{a}},
		{"a copy in the form before tools", []string{delta(`{"function_call":{"name":"f","arguments":` + one + `},"tool_calls":[{"id":"x","function":{"name":"f","arguments":` + one + `}}]}`)}, []llm.ToolCall{withID("x", a)}},
		{"another in the form before tools", []string{delta(`{"function_call":{"name":"f","arguments":` + two + `},"tool_calls":[{"id":"x","function":{"name":"f","arguments":` + one + `}}]}`)}, []llm.ToolCall{withID("x", a), b}},
		{"a placeholder", []string{piece(`"index":0,`, `"{}"`), piece(`"index":0,`, one)}, []llm.ToolCall{toolCall("", "f", `{}{"a":1}`)}},
		{"null before the arguments", []string{piece(`"index":0,`, `"null"`), piece(`"index":0,`, one)}, []llm.ToolCall{a}},
		{"no name", []string{piece(`"index":0,`, one), calls(`{"index":0,"function":{"arguments":` + two + `}}`)}, []llm.ToolCall{toolCall("", "f", `{"a":1}{"a":2}`)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			resp, _, err := ask(t, eventsOf(append(tt.chunks, finishStop)...), true)
			require.NoError(t, err)
			require.Equal(t, tt.want, resp.Message.Calls())
		})
	}
}
