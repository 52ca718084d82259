package tool_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool"
)

const payments = `{"properties":{"p":{"oneOf":[
	{"type":"object","properties":{"kind":{"const":"card"},"number":{"type":"string"},"cents":{"type":"integer"}},"required":["kind","number"]},
	{"$ref":"#/$defs/gift"}]}},
	"$defs":{"gift":{"type":"object","properties":{"kind":{"enum":["gift","voucher"]},"note":{"type":"string"},"for":{"$ref":"#/properties/p"}},"required":["kind"]}}}`

// Unions are repaired like other schemas if a constant selects the branch.
func TestRepairsInTheBranchThatATagNames(t *testing.T) {
	t.Parallel()
	x := tool.Must(tool.NewRaw("x", "", json.RawMessage(payments), echo))
	for _, tt := range []struct {
		in, want string
		repairs  []string
	}{
		{`{"p":{"kind":"gift","note":null}}`, `{"p":{"kind":"gift"}}`, []string{"/p/note: " + nullOut}},
		{`{"p":{"note":null,"kind":"voucher","for":{"kind":"card","number":"1","cents":"3"}}}`, `{"p":{"kind":"voucher","for":{"kind":"card","number":"1","cents":3}}}`,
			[]string{"/p/note: " + nullOut, "/p/for/cents: " + toNumber}},
		{`{"p":"{\"kind\":\"card\",\"number\":\"1\",\"cents\":null}"}`, `{"p":{"kind":"card","number":"1"}}`, []string{"/p: " + unwrapped, "/p/cents: " + nullOut}},
		{`{"p":{"kind":"card","number":"1","note":null}}`, `{"p":{"kind":"card","number":"1","note":null}}`, nil},
	} {
		args, repairs, err := x.Parse(tt.in)
		require.NoError(t, err, tt.in)
		require.Equal(t, tt.want, string(args))
		require.Equal(t, tt.repairs, repairs)
	}
}

// Without a distinguishing constant, the intended branch is unknown.
func TestNoRepairsInABranchThatMayNotBeMeant(t *testing.T) {
	t.Parallel()
	for name, branches := range map[string]string{
		"no constants":     `{"type":"object","properties":{"n":{"type":"integer"}}},{"type":"object","properties":{"m":{"type":"integer"}}}`,
		"shared constants": `{"properties":{"k":{"enum":["a","b"]},"n":{"type":"integer"}}},{"properties":{"k":{"enum":["a","c"]}},"required":["z"]}`,
		"an open branch":   `{"properties":{"k":{"const":"a"},"n":{"type":"integer"}}},{"properties":{"k":{"const":"b"}}},{"required":["z"]}`,
	} {
		x := tool.Must(tool.NewRaw("x", "", json.RawMessage(`{"properties":{"p":{"anyOf":[`+branches+`]}}}`), echo))
		_, repairs, err := x.Parse(`{"p":{"k":"a","n":"3","m":"4"}}`)
		require.Error(t, err, name)
		require.Empty(t, repairs)
	}
	x := tool.Must(tool.NewRaw("x", "", json.RawMessage(payments), echo))
	_, _, err := x.Parse(`{"p":{"note":null}}`)
	require.Error(t, err, "no tag")
}

func TestProblemsOfUnions(t *testing.T) {
	t.Parallel()
	either := `{"type":"object","properties":{"a":{"type":"string"},"b":{},"c":{}},"anyOf":[{"required":["a"]},{"required":["b","c"]}]}`
	mixed := `{"properties":{"p":{"anyOf":[{"type":"string"},{"type":"null"},
		{"type":"object","properties":{"v":{"const":1},"k":{"const":"one"}},"required":["k"]},{"type":"object","properties":{"v":{"const":1},"k":{"const":"two"}},"required":["k"]}]}}}`
	closed := `{"type":"object","properties":{"path":{"type":"string"},"mode":{"type":"integer"}},"required":["path"],"additionalProperties":false},
		{"type":"object","properties":{"url":{"type":"string"},"depth":{"type":"integer"}},"required":["url","depth"],"additionalProperties":false},{"$ref":"#/$defs/text"}`
	keyed := `{"properties":{"p":{"anyOf":[` + closed + `]},"l":{"type":"array","items":{"oneOf":[` + closed + `,{"type":"null"}]}}},
		"$defs":{"text":{"type":"object","properties":{"text":{"type":"string"},"in":{"$ref":"#/properties/p"}},"required":["text"],"unevaluatedProperties":false}}}`
	open := `{"properties":{"p":{"oneOf":[{"properties":{"a":{"type":"integer"},"k":{}},"required":["a"]},{"properties":{"b":{"type":"integer"},"k":{}},"required":["b"]},{"properties":{"c":{"type":"integer"},"k":{}},"required":["c"]}]}}}`
	for _, tt := range []struct{ schema, in, want string }{
		{keyed, `{"p":{"path":1}}`, `/p/path: must be string, got the number 1`},
		{keyed, `{"p":{"path":"a","mode":"x"}}`, `/p/mode: must be integer, got the string "x"`},
		{keyed, `{"p":{"url":"a"}}`, `/p: required property "depth" is missing (integer)`},
		{keyed, `{"p":{"text":1}}`, `/p/text: must be string, got the number 1`},
		{keyed, `{"p":{"text":"a","in":{"path":2}}}`, `/p/in/path: must be string, got the number 2`},
		{keyed, `{"l":[null,{"url":"a","depth":1.5}]}`, `/l/1/depth: must be integer, got the number 1.5`},
		{keyed, `{"p":{}}`, `/p: must have "path", or "depth" and "url", or "text"; got an empty object`},
		{keyed, `{"p":{"txt":"a"}}`, `/p: must have "path", or "depth" and "url", or "text"; got an object with keys [txt]`},
		{open, `{"p":{"b":"x"}}`, `/p/b: must be integer, got the string "x"`},
		{open, `{"p":{"k":1}}`, `/p: must have "a", or "b", or "c"; got an object with keys [k]`},
		{open, `{"p":{"a":"x","b":"y"}}`, `/p: matches none of its 3 allowed forms; got an object with keys [a, b]`},
		{payments, `{"p":{"kind":"crd","number":"1"}}`, `/p/kind: must be one of "card", "gift", "voucher"; got the string "crd"; did you mean "card"?`},
		{payments, `{"p":{"kind":null}}`, `/p/kind: must be one of "card", "gift", "voucher"; got null`},
		{payments, `{"p":{"kind":"gift","for":{"kind":"x"}}}`, `/p/for/kind: must be one of "card", "gift", "voucher"; got the string "x"`},
		{payments, `{"p":{}}`, `/p: required property "kind" is missing; it must be one of "card", "gift", "voucher"`},
		{payments, `{"p":{"kind":"card"}}`, `/p: required property "number" is missing (string)`},
		{mixed, `{"p":{"k":"twoo"}}`, `/p/k: must be one of "one", "two"; got the string "twoo"; did you mean "two"?`},
		{mixed, `{"p":{}}`, `/p: required property "k" is missing; it must be one of "one", "two"`},
		{mixed, `{"p":{"k":"one","v":2}}`, `/p/v: must be 1; got the number 2`},
		{either, `{}`, `(top level): must have "a", or "b" and "c"; got an empty object`},
		{either, `{"b":1}`, `(top level): must have "a", or "c"; got an object with keys [b]`},
	} {
		x := tool.Must(tool.NewRaw("x", "", json.RawMessage(tt.schema), echo))
		_, _, err := x.Parse(tt.in)
		requireProblems(t, err, "x", tt.want)
	}
}

// blocks is a schema of a document as editors have it: thirty kinds of blocks with
// texts of three kinds, and blocks in blocks.
func blocks() string {
	var texts, kinds []string
	for _, kind := range []string{"text", "mention", "equation"} {
		texts = append(texts, strings.ReplaceAll(`{"type":"object","properties":{"type":{"const":"@"},"@":{"type":"object","properties":{"content":{"type":"string"}},"required":["content"]},
			"annotations":{"type":"object","properties":{"bold":{"type":"boolean"},"color":{"enum":["default","red"]}}}},"required":["type","@"],"additionalProperties":false}`, "@", kind))
	}
	for i := range 30 {
		kinds = append(kinds, strings.ReplaceAll(`{"type":"object","properties":{"object":{"const":"block"},"type":{"const":"@"},"@":{"type":"object","properties":{
			"texts":{"type":"array","items":{"$ref":"#/$defs/text"}},"color":{"type":"string"},"children":{"type":"array","items":{"$ref":"#/$defs/block"}}},"required":["texts"]}},
			"required":["type","@"],"additionalProperties":false}`, "@", fmt.Sprint("k", i)))
	}
	return `{"properties":{"blocks":{"type":"array","items":{"$ref":"#/$defs/block"}}},"$defs":{
		"text":{"oneOf":[` + strings.Join(texts, ",") + `]},"block":{"oneOf":[` + strings.Join(kinds, ",") + `]}}}`
}

func TestManyVariantsAreNotTooComplex(t *testing.T) {
	x := tool.Must(tool.NewRaw("x", "", json.RawMessage(blocks()), echo))
	var list []string
	for i := range 600 {
		list = append(list, strings.ReplaceAll(`{"object":"block","type":"@","@":{"texts":[{"type":"text","text":{"content":"hello world"}},
			{"type":"equation","equation":{"content":"x"},"annotations":{"bold":true,"color":"red"}}],"color":"red",
			"children":[{"type":"k29","k29":{"texts":[{"type":"mention","mention":{"content":"c"}}]}}]}}`, "@", fmt.Sprint("k", i%30)))
	}
	in := `{"blocks":[` + strings.Join(list, ",") + `]}`
	bounded(t, func() {
		_, repairs, err := x.Parse(in)
		require.NoError(t, err)
		require.Empty(t, repairs)
	})
}
