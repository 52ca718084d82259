package tool_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool"
)

type repairedArgs struct {
	Count  int               `json:"count,omitempty"`
	Rate   float64           `json:"rate,omitempty"`
	On     bool              `json:"on,omitempty"`
	Text   string            `json:"text,omitempty"`
	Small  int8              `json:"small,omitempty"`
	List   []int             `json:"list,omitempty"`
	Inner  *repairedArgs     `json:"inner,omitempty"`
	Labels map[string]int    `json:"labels,omitempty"`
	Any    any               `json:"any,omitempty"`
	Quoted int               `json:"quoted,string,omitempty"`
	Names  map[string]string `json:"names,omitempty"`
	Level  int               `json:"level,omitempty" jsonschema:"enum=1,enum=2"`
}

const (
	unwrapped = "a string was replaced by the JSON in its text"
	toNumber  = "a string became the number in its text"
	toBoolean = "a string became the boolean in its text"
	nullOut   = "null was removed"

	escaped    = "line breaks or control characters in a string were escaped"
	noComma    = "the comma after the last element was removed"
	noComments = "comments were removed"
	mended     = "line breaks, commas or comments in the text of the string were repaired"
)

func TestParseRepairs(t *testing.T) {
	t.Parallel()
	x := tool.Must(takes[repairedArgs]())
	for _, tt := range []struct {
		name, in, want string
		repairs        []string
	}{
		{"nothing wrong", `{"count":1.0,"text":"3","any":"3","quoted":"7"}`, `{"count":1,"text":"3","any":"3","quoted":"7"}`, nil},
		{"nothing", " \n", `{}`, []string{"an empty text became {}"}},
		{"null", "null", `{}`, []string{"null became {}"}},
		{"fence", "```json\n{\"count\":1}\n```", `{"count":1}`, []string{"a Markdown fence was removed"}},
		{"bare fence", "\n```\r\n{\"text\":\"```\"}```\n", "{\"text\":\"```\"}", []string{"a Markdown fence was removed"}},
		{"a line break and a tab in a string", "{\"text\":\"one\ntwo\\n\tthree\",\"inner\":{\"text\":\"\x00\r\n\"}}", `{"text":"one\ntwo\n\tthree","inner":{"text":"\u0000\r\n"}}`,
			[]string{"/text: " + escaped, "/inner/text: " + escaped}},
		{"a line break in a name", "{\"names\":{\"a\nb\":\"c\"}}", `{"names":{"a\nb":"c"}}`, []string{"/names: " + escaped}},
		{"commas behind the last element", `{"list":[1,2 , ],"inner":{"count":1,},}`, `{"list":[1,2],"inner":{"count":1}}`, []string{"/list: " + noComma, "/inner: " + noComma, noComma}},
		{"comments", "// a call\n{/* how\nmany */\"count\":/**/1, # that many\r\"text\":\"// http://x.test # /* */\" // no\n}// 2", `{"count":1,"text":"// http://x.test # /* */"}`, []string{noComments}},
		{"a comment and a comma", "{\"count\":1, // that many\n}", `{"count":1}`, []string{noComments, noComma}},
		{"a comment behind a number", "{\"count\":1// that many\n}", `{"count":1}`, []string{noComments}},
		{"a fence, commas and a comment", "```json\n{\"list\":[1,],} // done\n```", `{"list":[1]}`, []string{"/list: " + noComma, noComma, noComments, "a Markdown fence was removed"}},
		{"not quite JSON in a string", `{"inner":"{\"text\":\"a\nb\",}","list":"[1,2,] // two"}`, `{"inner":{"text":"a\nb"},"list":[1,2]}`,
			[]string{"/inner: " + unwrapped, "/inner: " + mended, "/list: " + unwrapped, "/list: " + mended}},
		{"the whole in a string, and not quite JSON", `"{\"text\":\"a\tb\",}"`, `{"text":"a\tb"}`, []string{unwrapped, mended}},
		{"whole in a string", `"{\"count\":1}"`, `{"count":1}`, []string{unwrapped}},
		{"whole in a string in a string", `"\"{\\\"count\\\":1}\""`, `{"count":1}`, []string{unwrapped}},
		{"integer", `{"count":"3"}`, `{"count":3}`, []string{"/count: " + toNumber}},
		{"whole spelled otherwise", `{"count":"3.0","small":"1e2"}`, `{"count":3,"small":100}`, []string{"/count: " + toNumber, "/small: " + toNumber}},
		{"number", `{"rate":"-2.50"}`, `{"rate":-2.50}`, []string{"/rate: " + toNumber}},
		{"boolean", `{"on":"false"}`, `{"on":false}`, []string{"/on: " + toBoolean}},
		{"enum", `{"level":"2"}`, `{"level":2}`, []string{"/level: " + toNumber}},
		{"array", `{"list":"[1,2]"}`, `{"list":[1,2]}`, []string{"/list: " + unwrapped}},
		{"items", `{"list":["1",2]}`, `{"list":[1,2]}`, []string{"/list/0: " + toNumber}},
		{"object and what is in it", `{"inner":"{\"count\":\"4\",\"inner\":{\"on\":\"true\"}}"}`, `{"inner":{"count":4,"inner":{"on":true}}}`,
			[]string{"/inner: " + unwrapped, "/inner/count: " + toNumber, "/inner/inner/on: " + toBoolean}},
		{"map", `{"labels":{"a/b":"1"},"names":{"n":"1"}}`, `{"labels":{"a/b":1},"names":{"n":"1"}}`, []string{"/labels/a~1b: " + toNumber}},
		{"null of an optional", `{"count":null,"list":null,"inner":{"text":null}}`, `{"list":null,"inner":{}}`,
			[]string{"/count: " + nullOut, "/inner/text: " + nullOut}},
		{"many", `{"list":["1","2","3","4","5","6","7","8","9","10"]}`, `{"list":[1,2,3,4,5,6,7,8,9,10]}`,
			[]string{"/list/0: " + toNumber, "/list/1: " + toNumber, "/list/2: " + toNumber, "/list/3: " + toNumber,
				"/list/4: " + toNumber, "/list/5: " + toNumber, "/list/6: " + toNumber, "/list/7: " + toNumber, "and 2 more"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			args, repairs, err := x.Parse(tt.in)
			require.NoError(t, err)
			require.Equal(t, tt.want, string(args))
			require.Equal(t, tt.repairs, repairs)
			again, repairs, err := x.Parse(string(args))
			require.NoError(t, err)
			require.Equal(t, tt.want, string(again))
			require.Empty(t, repairs)
		})
	}
}

// Text with several interpretations, and repairs that lose data, are errors for the
// model.
func TestParseGuessesNothing(t *testing.T) {
	t.Parallel()
	x := tool.Must(takes[repairedArgs]())
	for _, in := range []string{
		`{"count":1}{"count":2}`, `{"count":1`, "```json\n{\"count\":1}", "a ```\n{}\n```", "```\n[]\n```", "```\n{}\n```\n```\n{}\n```",
		`{"count":"3 "}`, `{"count":"+3"}`, `{"count":"03"}`, `{"count":"0x3"}`, `{"count":"3.5"}`, `{"count":"three"}`, `{"count":""}`,
		`{"count":true}`, `{"count":"true"}`, `{"count":[3]}`, `{"rate":"NaN"}`, `{"rate":"1e999"}`, `{"small":"300"}`, `{"on":"True"}`, `{"on":1}`, `{"on":"1"}`,
		`{"text":3}`, `{"text":true}`, `{"list":1}`, `{"list":"1,2"}`, `{"list":"[1,2"}`, `{"list":"{}"}`, `{"inner":"[]"}`, `{"inner":"{\"count\":1,\"count\":2}"}`,
		`{"level":"3"}`, `{"quoted":7}`, `{"count":"null"}`, `{'count':1}`, `{"on":True}`,
	} {
		_, repairs, err := x.Parse(in)
		require.Error(t, err, in)
		require.Empty(t, repairs)
	}
}

func TestRawParseRepairs(t *testing.T) {
	t.Parallel()
	x := tool.Must(tool.NewRaw("raw", "", json.RawMessage(`{"$defs":{"n":{"type":"integer"}},"properties":{
		"ref":{"$ref":"#/$defs/n"},"maybe":{"anyOf":[{"type":"integer"},{"type":"null"}]},"either":{"anyOf":[{"type":"integer"},{"type":"string"}]},
		"open":{"oneOf":[{"minimum":1},{"type":"boolean"}]},"types":{"type":["boolean","number"]},"all":{"allOf":[{"type":"integer"}]},
		"pair":{"prefixItems":[{"type":"integer"},{"type":"string"}]},"loop":{"$ref":"#/properties/loop"}}}`),
		func(_ context.Context, args json.RawMessage) (json.RawMessage, error) { return args, nil }))
	args, repairs, err := x.Parse(`{"ref":"1","maybe":"2","either":"3","types":"4","all":"5","pair":["6","7"],"types2":"8"}`)
	require.NoError(t, err)
	require.JSONEq(t, `{"ref":1,"maybe":2,"either":"3","types":4,"all":5,"pair":[6,"7"],"types2":"8"}`, string(args))
	require.Len(t, repairs, 5)
	_, _, err = x.Parse(`{"open":"x"}`)
	require.NoError(t, err) // minimum does not apply to a string
	_, _, err = x.Parse(`{"loop":"1"}`)
	require.Error(t, err)
}

func TestMembersThatAPatternBearsOnAreNotAdditional(t *testing.T) {
	t.Parallel()
	x := tool.Must(tool.NewRaw("raw", "", json.RawMessage(
		`{"patternProperties":{"^zip_":{},"^s_":{"type":"string"}},"additionalProperties":{"type":"integer"}}`), echo))
	args, repairs, err := x.Parse(`{"zip_home":"12345","s_a":"6","n":"7"}`)
	require.NoError(t, err)
	require.Equal(t, `{"zip_home":"12345","s_a":"6","n":7}`, string(args))
	require.Equal(t, []string{"/n: a string became the number in its text"}, repairs)
}
