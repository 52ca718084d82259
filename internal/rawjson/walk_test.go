package rawjson_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/mutant"
	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
)

// FuzzWalk compares a walk with encoding/json: both find the same members and the same
// elements. Text that is not JSON ends the walk and does no harm.
func FuzzWalk(f *testing.F) {
	var corpus [][]byte
	for _, seed := range []string{
		`{}`, ` { } `, `{"a":1}`, `{"a":1,"a":"2"}`, "{\r\n\t\"a\" : [ 1 , {\"b\":\"]}\"} ] ,\"c\":-1.5e3,\"d\":null , \"\\u0065\":true}\n",
		`{"\"\\":"\\\"","é":"\ud800"}`, "{\"a\xff\":\"b\xff\"}", `[1]`, `"a"`, `7`, ``, `{"a"`, `{"a":`, `{"a":[`, `{"a":"`, `{"a":"\`, `{,:]}`, `{"a":1}}`,
		`[]`, ` [ 1 , "a,]" ,{"b":[]}, null ]`, `[1}`, `[}`, `[,`, `{]`, `"\\\"\/\b\f\n\r\t\u00e9\u000a"`, `"a\u12"`, `"\u+123"`, `"\u1_23"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\x"`, `"\"`, `"a"b"`, "\"a\nb\"", `"é\n" `, "\"\xff\\n\"", `{"a" 1 2}`, `[1 2]`,
	} {
		corpus = append(corpus, []byte(seed))
	}
	for _, seed := range append(corpus, mutant.Of(corpus, 300)...) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		members := map[string]json.RawMessage{}
		for name, value := range rawjson.Members(text) {
			members[name] = value
		}
		elements := []json.RawMessage{}
		for value := range rawjson.Elements(text) {
			elements = append(elements, value)
		}
		var object map[string]json.RawMessage
		if json.Unmarshal(text, &object) == nil && object != nil {
			require.Equal(t, object, members)
			for name, value := range object {
				require.Equal(t, []byte(value), rawjson.Member(text, name))
			}
		}
		var array []json.RawMessage
		if json.Unmarshal(text, &array) == nil && array != nil {
			require.Equal(t, array, elements)
		}
		if rawjson.Kind(text) == '"' {
			var want string
			_ = json.Unmarshal(text, &want)
			require.Equal(t, want, rawjson.Text(text))
		}
		var s string
		if json.Valid(text) && json.Unmarshal(text, &s) == nil {
			require.Equal(t, s, rawjson.Text(text[rawjson.SpaceEnd(text, 0):]))
		}
	})
}

// TestValues has a value of each type.
func TestValues(t *testing.T) {
	t.Parallel()
	type facts struct {
		Text, Scalar string
		Null, Empty  bool
	}
	for raw, want := range map[string]facts{
		``:          {Null: true, Empty: true},
		`null`:      {Null: true, Empty: true},
		`true`:      {Scalar: "true"},
		`-1.5`:      {Scalar: "-1.5"},
		`""`:        {Empty: true},
		`"a"`:       {Text: "a", Scalar: "a"},
		`"a\"é"`:    {Text: `a"é`, Scalar: `a"é`},
		"\"\xff\"":  {Text: "\uFFFD", Scalar: "\uFFFD"},
		`[ ]`:       {Empty: true},
		`[1]`:       {},
		"{\n}":      {Empty: true},
		`{"a":"b"}`: {},
	} {
		got := facts{rawjson.Text([]byte(raw)), rawjson.Scalar([]byte(raw)), rawjson.IsNull([]byte(raw)), rawjson.IsEmpty([]byte(raw))}
		require.Equal(t, want, got, raw)
		require.Equal(t, want.Text, string(rawjson.RawText([]byte(raw))), raw)
	}
}

// TestAppendString: a written string is read back, and has only the necessary escapes.
func TestAppendString(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                       `""`,
		"a \"b\" \\ <é>&\u2028😀": `"a \"b\" \\ <é>&` + "\u2028" + `😀"`,
		"\n\r\t\b\x00\x1f\x7f":   `"\n\r\t\u0008\u0000\u001f` + "\x7f" + `"`,
		"a\xff\xfeb\xe2\x82":     `"a` + "\uFFFD\uFFFDb\uFFFD\uFFFD" + `"`,
	} {
		got := rawjson.AppendString([]byte("x"), text)
		require.Equal(t, "x"+want, string(got))
		var back string
		require.NoError(t, json.Unmarshal(got[1:], &back))
		require.Equal(t, string([]rune(text)), back)
	}
}
