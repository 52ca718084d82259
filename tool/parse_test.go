package tool_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/mutant"
	"github.com/seed-916e8f6a/toolloop/tool"
)

func anything(t testing.TB) tool.Tool {
	t.Helper()
	made, err := tool.NewRaw("anything", "", nil, echo)
	require.NoError(t, err)
	return made
}

func TestParseIsCanonical(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want string }{
		{"white space and order", " {\n\t\"b\" : [ 1 , true , null , { } , [ ] ] ,\r\"a\":\"x\" } ", `{"b":[1,true,null,{},[]],"a":"x"}`},
		{"strings in one spelling", `{"a\u0041":"\u00e9\ud83d\ude00\/\b\f\n\r\t\"\\<>&\u2028\u0001"}`,
			"{\"aA\":\"é😀/\\u0008\\u000c\\n\\r\\t\\\"\\\\<>&\u2028\\u0001\"}"},
		{"whole numbers", `{"n":[1.0,1e2,-1.50e1,0.1e1,100e-2,0e5,-0,-0.0,1E+2,20e-1,7e0,-3E-0]}`, `{"n":[1,100,-15,1,1,0,0,0,100,2,7,-3]}`},
		{"large whole numbers", `{"n":[9007199254740993,18446744073709551615,1.8446744073709551615e19,1e19,1e20,12345678901234567890123]}`,
			`{"n":[9007199254740993,18446744073709551615,18446744073709551615,10000000000000000000,1e20,12345678901234567890123]}`},
		{"fractions stay", `{"n":[0.1,1.50,1.5e0,1e-1,-2.5E-3,1e300]}`, `{"n":[0.1,1.50,1.5e0,1e-1,-2.5E-3,1e300]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, _, err := anything(t).Parse(tt.in)
			require.NoError(t, err)
			require.Equal(t, tt.want, string(got))
			again, _, err := anything(t).Parse(string(got))
			require.NoError(t, err)
			require.Equal(t, tt.want, string(again))
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, in, want string }{
		{"cut off in an object", `{"a":1`, "its JSON ends too early (cut off?)"},
		{"cut off after a colon", `{"a":`, "its JSON ends too early (cut off?)"},
		{"cut off in a name", `{"a`, "its JSON ends too early (cut off?)"},
		{"cut off before a colon", `{"a"`, "its JSON ends too early (cut off?)"},
		{"cut off after a comma", `{"a":1,`, "its JSON ends too early (cut off?)"},
		{"cut off in an array", `{"a":[1,`, "its JSON ends too early (cut off?)"},
		{"cut off in a string", `{"a":"x`, "its JSON ends too early (cut off?)"},
		{"cut off in an escape", `{"a":"x\`, "its JSON ends too early (cut off?)"},
		{"cut off in \\u", `{"a":"x\u00`, "its JSON ends too early (cut off?)"},
		{"cut off in a literal", `{"a":tr`, "its JSON ends too early (cut off?)"},
		{"cut off in a number", `{"a":-`, "its JSON ends too early (cut off?)"},
		{"two objects", `{"a":1}{"a":2}`, "there is more after the end of its JSON, at byte 8; send exactly one JSON object"},
		{"array", `[1,2]`, "its arguments are an array of 2 items, not a JSON object"},
		{"number", `3`, "its arguments are the number 3, not a JSON object"},
		{"string", `"Beijing"`, `its arguments are the string "Beijing", not a JSON object`},
		{"half an object in a string", `"{\"a\":1"`, "its arguments are a string that holds JSON, not a JSON object"},
		{"two objects in a string", `"{\"a\":1}{\"a\":2}"`, "its arguments are a string that holds JSON, not a JSON object"},
		{"two objects in a fence", "```json\n{\"a\":1}\n{\"a\":2}\n```", "there is more after the end of its JSON, at byte 9; send exactly one JSON object"},

		{"prose", `Sure! {"a":1}`, `its JSON is malformed at byte 1, at the top level: got "S" where a JSON value was expected`},
		{"single quotes", `{'a':1}`, `its JSON is malformed at byte 2, at the top level: got "'" where a property name in double quotes was expected`},
		{"a comma without an element", `{,}`, `its JSON is malformed at byte 2, at the top level: got "," where a property name in double quotes was expected`},
		{"two commas", `{"a":[1,,2]}`, `its JSON is malformed at byte 9, at /a/1: got "," where a JSON value was expected`},
		{"two commas at the end", `{"a":1,,}`, `its JSON is malformed at byte 8, at the top level: got "," where a property name in double quotes was expected`},
		{"a comma behind the end", `{"a":1},`, "there is more after the end of its JSON, at byte 8; send exactly one JSON object"},
		{"an object in a comment's place", "{\"a\":1}\n// or\n{\"a\":2}", "there is more after the end of its JSON, at byte 15; send exactly one JSON object"},
		{"a comment to the end of the line, which is all", `{"a":1, // one "b":2}`, "its JSON ends too early (cut off?)"},
		{"a comment that does not end", `{"a":1 /* one}`, "its JSON ends too early (cut off?)"},
		{"a division", "{\"a\":7 // 2\n}", `its JSON is malformed at byte 8, at the top level: got "/" where a comma or } was expected`},
		{"a slash", `{"a":7/2}`, `its JSON is malformed at byte 7, at the top level: got "/" where a comma or } was expected`},
		{"a cut behind a comma and a comment", "{\"a\":1, // one\n", "its JSON ends too early (cut off?)"},
		{"no colon", `{"a" 1}`, `its JSON is malformed at byte 6, at the top level: got "1" where a colon was expected`},
		{"no comma", `{"a":{"b":[1 2]}}`, `its JSON is malformed at byte 14, at /a/b: got "2" where a comma or ] was expected`},
		{"Python", `{"a":True}`, `its JSON is malformed at byte 6, at /a: got "T" where a JSON value was expected`},
		{"a line break behind a backslash", "{\"a\":\"x\\\ny\"}", `a string at /a holds an unknown escape; write \\ for a backslash`},
		{"a line break in a string that does not end", "{\"a\":\"x\n, \"b\": 2}", `its JSON is malformed at byte 12, at the top level: got "b" where a comma or } was expected`},
		{"unknown escape", `{"a":"C:\dir"}`, `a string at /a holds an unknown escape; write \\ for a backslash`},
		{"malformed \\u", `{"a":"\u00zz"}`, `a string at /a holds a malformed \u escape`},
		{"half of a pair", `{"a":["\ud83d"]}`, `a string at /a/0 holds \ud83d, half of a surrogate pair, which is not a character`},
		{"half of a pair before text", `{"a":"\ud83dx"}`, `a string at /a holds \ud83d, half of a surrogate pair, which is not a character`},
		{"half of a pair before an escape", `{"a":"\uD83D\u0041"}`, `a string at /a holds \ud83d, half of a surrogate pair, which is not a character`},
		{"the halves of a pair in the wrong order", `{"a":"\ude00\ud83d"}`, `a string at /a holds \ude00, half of a surrogate pair, which is not a character`},
		{"half of a pair in a name", `{"\ud83d":1}`, `a string at the top level holds \ud83d, half of a surrogate pair, which is not a character`},
		{"cut off in a pair", `{"a":"\ud83d`, "its JSON ends too early (cut off?)"},
		{"cut off between the halves of a pair", `{"a":"\ud83d\`, "its JSON ends too early (cut off?)"},
		{"leading zero", `{"a":007}`, "the number 007 at /a is malformed"},
		{"fraction without digits", `{"a":1.}`, "the number 1. at /a is malformed"},
		{"plus", `{"a":1e+}`, "the number 1e+ at /a is malformed"},
		{"duplicate", `{"amount":1,"amount":2}`, `duplicate property "amount" at the top level`},
		{"duplicate by an escape", `{"x":[{"a":1,"\u0061":2}]}`, `duplicate property "a" at /x/0`},
		{"huge exponent", `{"amount":1e1000001}`, "the number 1e1000001 at /amount has an exponent out of range"},
		{"tiny exponent", `{"amount":1e-99999999999999999999}`, "the number 1e-99999999999999999999 at /amount has an exponent out of range"},
		{"UTF-8", "{\"a\":\"\xff\"}", "its JSON is not valid UTF-8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := anything(t).Parse(tt.in)
			e, ok := errors.AsType[*tool.Error](err)
			require.True(t, ok)
			require.Equal(t, tool.InvalidJSON, e.Failure)
			require.Equal(t, "The call was rejected: "+tt.want+".\nSend the call again with its arguments as one complete JSON object.", e.Message)
		})
	}
}

// TestSchemaWithHalfOfAPair: who cut a description in the middle of a character
// did not mean to lose the tool.
func TestSchemaWithHalfOfAPair(t *testing.T) {
	t.Parallel()
	x := tool.Must(tool.NewRaw("x", "", json.RawMessage(`{"properties":{"a":{"description":"smile \ud83d"}}}`), echo))
	require.Equal(t, `{"type":"object","properties":{"a":{"description":"smile `+"\uFFFD"+`"}}}`, string(x.Def().Schema))
}

func TestDuplicateAmongManyProperties(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range 40 {
		fmt.Fprintf(&b, `"p%d":%d,`, i, i)
	}
	_, _, err := anything(t).Parse("{" + b.String() + `"q":1}`)
	require.NoError(t, err)
	for _, name := range []string{"p0", "p20", "p39"} {
		_, _, err = anything(t).Parse("{" + b.String() + `"` + name + `":1}`)
		require.ErrorContains(t, err, `duplicate property "`+name+`"`)
	}
}

func TestNullsForOptionalProperties(t *testing.T) {
	t.Parallel()
	raw := tool.Must(tool.NewRaw("raw", "", json.RawMessage(`{"properties":{
		"must":{"type":"string"}, "may":{"type":"string"}, "null":{"type":["string","null"]}, "any":{},
		"list":{"type":"array","items":{"properties":{"x":{"type":"integer"}}}},
		"pair":{"prefixItems":[{"properties":{"x":{"type":"integer"}}}]},
		"map":{"additionalProperties":{"properties":{"x":{"type":"integer"}}}},
		"ref":{"$ref":"#/$defs/r"}, "opt":{"anyOf":[{"$ref":"#/$defs/r"},{"type":"null"}]},
		"all":{"allOf":[{"properties":{"x":{"type":"integer"}}}]}
		},"required":["must"],"$defs":{"r":{"properties":{"x":{"type":"integer"}}}}}`), echo))
	got, _, err := raw.Parse(`{"must":"m","may":null,"null":null,"any":null,"unknown":null,
		"list":[{"x":null},null],"pair":[{"x":null}],"map":{"k":{"x":null}},"ref":{"x":null},"opt":{"x":null},"all":{"x":null}}`)
	require.NoError(t, err)
	require.Equal(t, `{"must":"m","null":null,"any":null,"unknown":null,`+
		`"list":[{},null],"pair":[{}],"map":{"k":{}},"ref":{},"opt":{},"all":{}}`, string(got))

	_, _, err = raw.Parse(`{"must":null}`)
	require.ErrorContains(t, err, "/must: must be string, got null")
}

// FuzzParse requires that accepted text is JSON with the same meaning, that the output
// is a fixed point, and that errors are short.
func FuzzParse(f *testing.F) {
	seeds := [][]byte{}
	for _, seed := range []string{
		``, `{}`, `null`, `{"a":1.0,"b":[true,null,{"c":"\ud83d\ude00"}]}`, `{"a":1e400}`, `{"a":1e1000001}`, `{"a"`,
		"{\"a\":\"x\ty\", // one\n\"b\":[1,/* two */],}# three", `{"a":1}{"a":2}`, `{"a":1,"a":2}`, `{"n":-0.0e-5}`, `"{}"`, `{"a":"\u12"}`, "{\"a\":\"\x01\"}", `{"a":0.10e1}`,
	} {
		seeds = append(seeds, []byte(seed))
	}
	for _, seed := range append(seeds, mutant.Of(seeds, 3000)...) {
		f.Add(string(seed))
	}
	any := anything(f)
	f.Fuzz(func(t *testing.T, written string) {
		args, _, err := any.Parse(written)
		if err != nil {
			e, ok := errors.AsType[*tool.Error](err)
			require.True(t, ok)
			require.True(t, utf8.ValidString(e.Message))
			require.LessOrEqual(t, len(e.Message), 1200)
			return
		}
		if strings.TrimSpace(written) == "" {
			written = "{}"
		}
		for { // a whole that is a string was unwrapped
			written = plain(written)
			var inner string
			if json.Unmarshal([]byte(written), &inner) != nil || inner == "" {
				break
			}
			written = inner
		}
		again, _, err := any.Parse(string(args))
		require.NoError(t, err)
		require.Equal(t, string(args), string(again))
		require.True(t, json.Valid([]byte(written)))
		require.True(t, same(decoded(t, written), decoded(t, string(args))), "%s became %s", written, args)
	})
}

var loosely = regexp.MustCompile(`(?s)"(?:[^"\\]|\\.)*"|(?://|#)[^\r\n]*|/\*.*?(?:\*/|$)|,`)

// plain returns the strict JSON of text that is almost JSON.
func plain(written string) string {
	comma := -1
	var out []byte
	end := func(token string) {
		if comma >= 0 && strings.ContainsAny(token[:1], "]}") {
			out[comma] = ' '
		}
		comma = -1
	}
	for written != "" {
		at := loosely.FindStringIndex(written)
		if at == nil {
			at = []int{len(written), len(written)}
		}
		if between := strings.TrimSpace(written[:at[0]]); between != "" {
			end(between)
		}
		out = append(out, written[:at[0]]...)
		switch token := written[at[0]:at[1]]; {
		case strings.HasPrefix(token, `"`):
			comma = -1
			for _, c := range []byte(token) {
				if c < ' ' {
					out = fmt.Appendf(out, `\u%04x`, c)
				} else {
					out = append(out, c)
				}
			}
		case token == ",":
			comma = len(out)
			out = append(out, ',')
		default:
			out = append(out, ' ')
		}
		written = written[at[1]:]
	}
	return string(out)
}

func decoded(t *testing.T, s string) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader([]byte(s)))
	d.UseNumber()
	var v any
	require.NoError(t, d.Decode(&v))
	if v == nil {
		return map[string]any{}
	}
	return v
}

// same compares what encoding/json decoded, numbers by their value.
func same(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		n, ok := b.(json.Number)
		x, _ := strconv.ParseFloat(string(a), 64)
		y, _ := strconv.ParseFloat(string(n), 64)
		return ok && x == y
	case []any:
		l, ok := b.([]any)
		if !ok || len(a) != len(l) {
			return false
		}
		for i := range a {
			if !same(a[i], l[i]) {
				return false
			}
		}
		return true
	case map[string]any:
		m, ok := b.(map[string]any)
		if !ok || len(a) != len(m) {
			return false
		}
		for k := range a {
			if !same(a[k], m[k]) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a, b)
}

func TestNullForOptionalPropertiesOfManyRows(t *testing.T) {
	type row struct {
		A string `json:"a"`
		B string `json:"b,omitempty"`
		C int    `json:"c"`
	}
	x := tool.Must(takes[struct {
		Rows []row `json:"rows"`
	}]())
	one := `{"a":"x","b":null,"c":1}`
	args, _, err := x.Parse(`{"rows":[` + strings.Repeat(one+",", 19_999) + one + `]}`)
	require.NoError(t, err)
	require.NotContains(t, string(args), "null")
}
