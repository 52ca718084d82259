package tool_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool"
)

// takesA returns a tool whose property "a" has the schema, and reports whether
// it takes a value there.
func takesA(t testing.TB, schema string) func(value any) bool {
	t.Helper()
	x, err := tool.NewRaw("x", "", fmt.Appendf(nil, `{"properties":{"a":%s}}`, schema), echo)
	require.NoError(t, err)
	return func(value any) bool {
		args, err := json.Marshal(map[string]any{"a": value})
		require.NoError(t, err)
		_, _, err = x.Parse(string(args))
		return err == nil
	}
}

// TestPatternsAreECMAs: JSON Schema writes its expressions as ECMA-262 does.
func TestPatternsAreECMAs(t *testing.T) {
	t.Parallel()
	const spaces = "\t\n\v\f\r \u00a0\u1680\u2000\u2007\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
	type texts = []string
	tests := []struct {
		pattern    string
		fit, unfit texts
	}{
		{`^\s+$`, texts{spaces}, texts{"", "a", "\u0085", "\u180e", "\u200b"}},
		{`^\S+$`, texts{"a\x00\x08\x0e!\u009f\u00a1\u0085\u200b\ufffd😀"}, texts{"\u00a0", "\u2003", "\ufeff", "\v", " "}},
		{`^[\sx]+$`, texts{"x" + spaces}, texts{"y", "-"}},
		{`^[^\s]+$`, texts{"a-😀"}, texts{"\u00a0", " "}},
		{`^[^\S]+$`, texts{spaces}, texts{"a"}},
		{`^[\s\S]+$`, texts{spaces + "a\x00😀"}, texts{""}},
		{`^[\s-z]+$`, texts{" -z\u00a0"}, texts{"y", "\ufffd"}},
		{`^[a-\s]+$`, texts{"a- \u00a0"}, texts{"b", "!"}},
		{`^.$`, texts{"a", "\u0085", "\v", "😀", "\ufeff"}, texts{"\n", "\r", "\u2028", "\u2029", "ab"}},
		{`^[.]$`, texts{"."}, texts{"a"}},
		{`^\.[\].]\.$`, texts{"...", ".]."}, texts{".a.", "a.b"}},
		{`(?s)^a.b$`, texts{"a\nb"}, texts{"ab"}},
		{`^(?i:a.b)$`, texts{"AxB"}, texts{"A\rB"}},
		{`^[\w-]+\d\b$`, texts{"a-b1"}, texts{"é1", "a৪"}},
		{`^[\b]\cC\ca$`, texts{"\b\x03\x01"}, texts{"bCa"}},
		{`^[[:alpha:].]+$`, texts{"ab."}, texts{":", "1"}},
		{`^[[:]+$`, texts{"[:"}, texts{"a"}},
		{`^[^]$`, texts{"a", "\n"}, texts{"", "ab"}},
		{`[]`, nil, texts{"", "a", "]"}},
		{`^\Qa.\s\E.$`, texts{`a.\sx`}, texts{"ab x"}},
		{`^\\u0041\\s\\.$`, texts{`\u0041\s\x`}, texts{"A", `\A \x`}},
		{`^\\\u0041$`, texts{`\A`}, texts{`\\A`, `\u0041`}},
		{`^[\\u0041]$`, texts{`\`, "u", "4"}, texts{"A"}},
		{`^[\u4e00-\u9fa5]+$`, texts{"北京"}, texts{"Beijing"}},
		{`^\ud83d\ude00$`, texts{"😀"}, texts{"x"}},
		{`^[\ud83d\ude00-\ud83d\ude02]\u{1F600}$`, texts{"😁😀"}, texts{"\ufffd😀", "😀😁"}},
		// Patterns that Go does not support are not checked.
		{`^[\uD83C-\uDBFF\uDC00-\uDFFF]+$`, texts{"😀", "x"}, nil},
		{`^\u{110000}\u{-1}\u{`, texts{"x"}, nil},
		{`^(?!\.)x$`, texts{"anything"}, nil},
		{`^a{0,2000}$`, texts{"anything"}, nil},
		{`(a)\1`, texts{"anything"}, nil},
		{`\`, texts{"anything"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.pattern, func(t *testing.T) {
			t.Parallel()
			pattern, err := json.Marshal(tt.pattern)
			require.NoError(t, err)
			takes := takesA(t, `{"pattern":`+string(pattern)+`}`)
			for _, s := range tt.fit {
				require.True(t, takes(s), "%q", s)
			}
			for _, s := range tt.unfit {
				require.False(t, takes(s), "%q", s)
			}
		})
	}
}

// TestPatternIsToldAsWritten: errors quote a pattern as written, without the translation
// to Go.
func TestPatternIsToldAsWritten(t *testing.T) {
	t.Parallel()
	x := tool.Must(tool.NewRaw("x", "", json.RawMessage(`{"properties":{"a":{"pattern":"^\\s.\\u0041$"}}}`), echo))
	_, _, err := x.Parse(`{"a":"b"}`)
	requireProblems(t, err, "x", `/a: must match the regular expression ^\s.\u0041$; got the string "b"`)
}

// TestFormatRegex: what Go cannot read as an expression is refused by a tool of
// ours alone; an escaped backslash begins no other escape.
func TestFormatRegex(t *testing.T) {
	t.Parallel()
	x := tool.Must(takes[struct {
		P string `json:"p" jsonschema:"format=regex"`
	}]())
	for _, ok := range []string{`\\\\u1234`, `\\\\pL{2}`, `[\\\\p]`, `\\u1234`, `\\ud83d\\ude00`, `\\pL`} {
		_, _, err := x.Parse(`{"p":"` + ok + `"}`)
		require.NoError(t, err, ok)
	}
	_, _, err := x.Parse(`{"p":"("}`)
	requireProblems(t, err, "takes", `/p: must be a regular expression; got the string "("`)
}

// TestUnreadPatterns: a pattern that Go cannot compile forbids nothing, in any place.
// Other keywords still apply.
func TestUnreadPatterns(t *testing.T) {
	t.Parallel()
	type object = map[string]any
	tests := []struct {
		name, schema string
		fit, unfit   []any
	}{
		{"pattern", `{"type":"string","pattern":"^(?!a)"}`, []any{"a", "b"}, []any{1}},
		{"names", `{"patternProperties":{"^(?!x-)":{"type":"object"},"^n":{"type":"number"}},"additionalProperties":{"type":"string"}}`,
			[]any{object{"x-a": "s"}, object{"x-a": 1}, object{"n": 1}}, []any{object{"n": "s"}}},
		{"names below not", `{"not":{"patternProperties":{"^(?!x-)":{"type":"object"}}}}`, []any{object{"a": 1}, object{"x-a": 1}}, nil},
		{"not", `{"not":{"pattern":"^(?!a)"},"maxLength":2}`, []any{"a", "b"}, []any{"abc"}},
		{"deep below not", `{"not":{"properties":{"p":{"items":{"anyOf":[{"pattern":"^(?!a)"},{"type":"null"}]}}},"required":["p"]}}`,
			[]any{object{"p": []string{"a"}}}, nil},
		{"not of not", `{"not":{"not":{"pattern":"^(?!a)"}}}`, []any{"a", "b"}, nil},
		{"beside another not", `{"allOf":[{"not":{"pattern":"(?=a)"}},{"not":{"pattern":"^b"}}]}`, []any{"a"}, []any{"b"}},
		{"not by reference", `{"not":{"$ref":"#/properties/a/$defs/r"},"$defs":{"r":{"pattern":"^(?!a)"}}}`, []any{"a"}, nil},
		{"oneOf", `{"oneOf":[{"pattern":"^(?!a)"},{"pattern":"^a"}],"type":"string"}`, []any{"abc", "bcd"}, []any{1}},
		{"oneOf that fits none", `{"oneOf":[{"pattern":"^(?!a)","maxLength":2},{"pattern":"^a"}]}`, []any{"ab", "bc"}, []any{"bcd"}},
		{"oneOf beside anyOf", `{"oneOf":[{"pattern":"(?=a)"},{"maxLength":2}],"anyOf":[{"type":"string"},{"type":"null"}]}`, []any{"a", "b"}, []any{1}},
		{"if", `{"if":{"pattern":"^(?!a)"},"then":{"minLength":3},"else":{"maxLength":1}}`, []any{"a", "b", "bc", "bcd"}, nil},
		{"if and what it knows", `{"if":{"properties":{"k":{"pattern":"(?=a)"}}},"then":{"properties":{"a":{}}},"else":{"properties":{"b":{}}},"unevaluatedProperties":false}`,
			[]any{object{"k": "a", "a": 1, "b": 2}}, []any{object{"c": 1}}},
		{"then", `{"if":{"type":"string"},"then":{"pattern":"^(?!a)"},"else":{"minimum":3}}`, []any{"a", 3}, []any{2}},
		{"anyOf", `{"anyOf":[{"type":"string","pattern":"^(?!a)"},{"type":"number"}]}`, []any{"a", 1}, []any{true}},
		{"contains", `{"contains":{"pattern":"(?=a)"},"maxContains":1}`, []any{[]string{"a", "b"}}, []any{[]string{}}},
		{"propertyNames", `{"propertyNames":{"pattern":"^(?!a)"},"maxProperties":1}`, []any{object{"a": 1}}, []any{object{"a": 1, "b": 1}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			takes := takesA(t, tt.schema)
			for _, v := range tt.fit {
				require.True(t, takes(v), "%v", v)
			}
			for _, v := range tt.unfit {
				require.False(t, takes(v), "%v", v)
			}
		})
	}
}
