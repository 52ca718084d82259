package openai_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// TestRepairs is the table of what is repaired in the arguments of a call, and
// of what is not: then they are what came, byte for byte.
func TestRepairs(t *testing.T) {
	t.Parallel()
	twice := func(text string) string { return string(must(json.Marshal(text))) }
	const object = `{"a": "x"}`
	for _, tt := range []struct {
		name      string
		fragments []string
		want      string // empty: as it came
		notice    string
	}{
		{name: "an object", fragments: []string{object}},
		{name: "an object in pieces", fragments: []string{`{"a`, `": "x"`, `}`}},
		{name: "nothing", fragments: []string{""}, want: "{}"},
		{name: "blanks", fragments: []string{" ", "\n"}, want: "{}"},
		{name: "null", fragments: []string{"nu", "ll "}, want: "{}"},

		{name: "encoded twice", fragments: []string{twice(object)}, want: object, notice: "encoded more than once"},
		{name: "encoded three times", fragments: []string{twice(twice(object))}, want: object, notice: "encoded more than once"},
		{name: "encoded four times", fragments: []string{twice(twice(twice(object)))}, want: object, notice: "encoded more than once"},
		{name: "encoded five times", fragments: []string{twice(twice(twice(twice(object))))}},
		{name: "a string", fragments: []string{`"x"`}},
		{name: "a string of nothing", fragments: []string{`""`}},
		{name: "a string of null", fragments: []string{`"null"`}},
		{name: "a string of a list", fragments: []string{`"[1]"`}},
		{name: "a string of what is almost an object", fragments: []string{`"{\"a\":"`}},
		{name: "half a string", fragments: []string{`"{}`}},
		{name: "a list", fragments: []string{`[1]`}},
		{name: "a number", fragments: []string{`1`}},

		{name: "running totals", fragments: []string{`{`, `{"a": `, object}, want: object, notice: "sent more than once"},
		{name: "running totals, the last one twice", fragments: []string{`{`, `{"a": `, object, object}, want: object, notice: "sent more than once"},
		{name: "running totals of what is encoded twice", fragments: []string{`"{`, `"{}"`}, want: `{}`, notice: "sent more than once"},
		{name: "running totals that are cut off", fragments: []string{`{`, `{"a": `}},
		{name: "running totals with another in between", fragments: []string{`{`, `{"b`, object}},
		{name: "sent again", fragments: []string{`{"a"`, `: "x"}`, object}, want: object, notice: "sent more than once"},
		{name: "sent again with other white space", fragments: []string{`{"a"`, `: "x"}`, `{"a":"x"}`}, want: object, notice: "sent more than once"},
		{name: "sent again, with another value", fragments: []string{`{"a"`, `: "x"}`, `{"a":"y"}`}},
		{name: "three times in one fragment", fragments: []string{object + object + "\n" + object}, want: object, notice: "sent more than once"},
		{name: "twice and a half", fragments: []string{object + object + `{"a`}},
		{name: "twice and something", fragments: []string{object + object + "</tool_call>"}},
		{name: "strings twice", fragments: []string{`"x""x"`}},
		{name: "encoded twice, and twice there", fragments: []string{twice(object) + twice(object)}, want: object, notice: "sent more than once"},
		{name: "lists twice", fragments: []string{`[1][1]`}},
		{name: "a tag behind", fragments: []string{object, "</tool_call>"}},
		{name: "honest growth", fragments: []string{`{"a":"`, `a`, `aa`, `aaa`, `"}`}},
		{name: "honest totals", fragments: []string{`1`, `11`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			pieces := []string{calls(`{"index":0,"id":"1","function":{"name":"f"}}`)}
			for _, f := range tt.fragments {
				pieces = append(pieces, calls(`{"index":0,"function":{"arguments":`+twice(f)+`}}`))
			}
			resp, deltas, err := ask(t, eventsOf(append(pieces, finishStop)...), true)
			require.NoError(t, err)
			want := tt.want
			if want == "" {
				want = strings.Join(tt.fragments, "")
			}
			require.Equal(t, []llm.ToolCall{toolCall("1", "f", want)}, resp.Message.Calls())
			requireNotice(t, tt.notice, deltas)
		})
	}
}

// requireNotice wants one notice with text in it, or none if text is empty.
func requireNotice(t *testing.T, text string, deltas []llm.Delta) {
	t.Helper()
	var notices []string
	for _, d := range deltas {
		if n, ok := d.(llm.Notice); ok {
			notices = append(notices, n.Text)
		}
	}
	if text == "" {
		require.Empty(t, notices)
		return
	}
	require.Len(t, notices, 1)
	require.Contains(t, notices[0], text)
}

// TestNames is which tool a name means.
func TestNames(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, want string }{
		{"f", "f"},
		{"functions.f", "f"},
		{" f\n", "f"},
		{" functions.f ", "f"},
		{"functions.g", "functions.g"}, // which is declared
		{"functions.functions.f", "functions.functions.f"},
		{"function.f", "function.f"},
		{"f:0", "f:0"},
		{"F", "F"},
		{"functions.", "functions."},
		{"functions. f", "functions. f"},
		{"h", "h"},
	} {
		for _, stream := range []bool{false, true} {
			call := `{"id":"1","index":0,"function":{"name":` + string(must(json.Marshal(tt.name))) + `,"arguments":"{}"}}`
			w := &wire{body: `{"choices":[{"message":{"tool_calls":[` + call + `]}}]}`}
			if stream {
				w = eventsOf(calls(call), finishStop)
			}
			req := hello()
			req.Stream = stream
			req.Tools = []llm.ToolDef{{Name: "f"}, {Name: "g"}, {Name: "functions.g"}}
			var deltas []llm.Delta
			resp, err := w.config().Model("m").Generate(t.Context(), req, func(d llm.Delta) { deltas = append(deltas, d) })
			require.NoError(t, err)
			require.Equal(t, []llm.ToolCall{toolCall("1", tt.want, "{}")}, resp.Message.Calls(), tt.name)
			notice := ""
			if tt.name != tt.want {
				notice = "the model called it"
			}
			requireNotice(t, notice, deltas)
		}
	}
}

// TestEchoedNames is a name without index, id and arguments behind a whole call:
// the next call, unless nothing follows and the name is the same.
func TestEchoedNames(t *testing.T) {
	t.Parallel()
	f, g := `{"function":{"name":"f","arguments":"{}"}}`, `{"function":{"name":"g"}}`
	again, more := `{"function":{"name":"f","arguments":""}}`, `{"function":{"arguments":"{\"a\":1}"}}`
	for _, tt := range []struct {
		name   string
		pieces []string
		want   []string
	}{
		{"another name", []string{f, g}, []string{"f{}", "g{}"}},
		{"the same name, and nothing more", []string{f, again, again}, []string{"f{}"}},
		{"the same name, and arguments", []string{f, again, more}, []string{"f{}", `f{"a":1}`}},
		{"the same name and arguments", []string{f, f}, []string{"f{}", "f{}"}},
		{"in one chunk", []string{f + "," + again}, []string{"f{}", "f{}"}},
		{"with an id", []string{f, `{"id":"2","function":{"name":"f"}}`}, []string{"f{}", "f{}"}},
	} {
		var chunks, got []string
		for _, p := range tt.pieces {
			chunks = append(chunks, calls(p))
		}
		resp, _, err := ask(t, eventsOf(append(chunks, finishStop)...), true)
		require.NoError(t, err, tt.name)
		for _, c := range resp.Message.Calls() {
			got = append(got, c.Name+c.Arguments)
		}
		require.Equal(t, tt.want, got, tt.name)
	}
}
