package tool_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestRawSchemasMeanWhatTheySay checks the shown schema, and the arguments that are
// valid.
func TestRawSchemasMeanWhatTheySay(t *testing.T) {
	t.Parallel()
	type list = []string
	for _, tt := range []struct {
		name, schema, want string
		fit, unfit         list
	}{
		{"an id that is not a keyword without a draft",
			`{"type":"object","properties":{"n":{"$ref":"#/definitions/Def"}},"definitions":{"Def":{"id":"Def","properties":{"h":{"$ref":"#/definitions/H"}}},"H":{"type":"string"}}}`,
			`{"type":"object","properties":{"n":{"$ref":"#/definitions/Def"}},"definitions":{"Def":{"properties":{"h":{"$ref":"#/definitions/H"}}},"H":{"type":"string"}}}`,
			list{`{"n":{"h":"a"}}`}, list{`{"n":{"h":1}}`}},
		{"an id that is not a keyword of the draft",
			`{"$schema":"http://json-schema.org/draft-07/schema#","properties":{"n":{"$ref":"#/definitions/D"}},"definitions":{"D":{"id":"http://h.test/d","properties":{"h":{"$ref":"#/definitions/H"}}},"H":{"type":"string"}}}`,
			`{"type":"object","properties":{"n":{"$ref":"#/definitions/D"}},"definitions":{"D":{"properties":{"h":{"$ref":"#/definitions/H"}}},"H":{"type":"string"}}}`,
			list{`{"n":{"h":"a"}}`}, list{`{"n":{"h":1}}`}},
		{"an id of draft-04",
			`{"$schema":"http://json-schema.org/draft-04/schema#","properties":{"n":{"$ref":"#/definitions/D"}},"definitions":{"D":{"id":"http://h.test/d","properties":{"h":{"$ref":"#/definitions/H"}},"definitions":{"H":{"type":"null"}}},"H":{"type":"string"}}}`,
			`{"type":"object","properties":{"n":{"$ref":"#/definitions/D"}},"definitions":{"D":{"properties":{"h":{"$ref":"#/definitions/D/definitions/H"}},"definitions":{"H":{"type":"null"}}},"H":{"type":"string"}}}`,
			list{`{"n":{"h":null}}`}, list{`{"n":{"h":"a"}}`}},
		{"anchors", `{"properties":{"a":{"$ref":"#x"},"b":{"$ref":"d#x"}},"$defs":{"A":{"$anchor":"x","type":"string"},"D":{"$id":"d","$defs":{"B":{"$anchor":"x","type":"null"}}}}}`,
			`{"type":"object","properties":{"a":{"$ref":"#/$defs/A"},"b":{"$ref":"#/$defs/D/$defs/B"}},"$defs":{"A":{"type":"string"},"D":{"$defs":{"B":{"type":"null"}}}}}`,
			list{`{"a":"x","b":null}`}, list{`{"a":1}`, `{"b":"x"}`}},
		{"dynamic references that depend on an id", `{"$schema":"https://json-schema.org/draft/2020-12/schema","properties":{"a":{"$ref":"l"}},"$defs":{"s":{"$dynamicAnchor":"i","type":"string"},
				"l":{"$id":"l","items":{"$dynamicRef":"#i"},"$defs":{"i":{"$dynamicAnchor":"i"}}}}}`,
			`{"type":"object","properties":{"a":{"$ref":"#/$defs/l"}},"$defs":{"s":{"type":"string"},"l":{"items":{},"$defs":{"i":{}}}}}`, list{`{"a":["x"]}`}, list{`{"a":[1]}`}},
		{"what stands beside a reference of draft-07", `{"$schema":"http://json-schema.org/draft-07/schema#","properties":{"a":{"$ref":"#/definitions/D","maxItems":1,"description":"A"}},"definitions":{"D":{"type":"array"}}}`,
			`{"type":"object","properties":{"a":{"$ref":"#/definitions/D","description":"A"}},"definitions":{"D":{"type":"array"}}}`, list{`{"a":[1,2]}`}, list{`{"a":1}`}},
		{"the whole without a type", `{"properties":{"foo":{"$ref":"#"}},"additionalProperties":false}`,
			`{"type":"object","properties":{"foo":{"$ref":"#/$defs/arguments"}},"additionalProperties":false,
				"$defs":{"arguments":{"properties":{"foo":{"$ref":"#/$defs/arguments"}},"additionalProperties":false}}}`,
			list{`{"foo":false}`, `{"foo":{"foo":[1]}}`, `{}`}, list{`{"bar":false}`, `{"foo":{"bar":1}}`}},
		{"the whole that may be null", `{"type":["object","null"],"properties":{"next":{"$ref":"#"}},"required":["next"]}`,
			`{"type":"object","properties":{"next":{"$ref":"#/$defs/arguments"}},"required":["next"],
				"$defs":{"arguments":{"type":["object","null"],"properties":{"next":{"$ref":"#/$defs/arguments"}},"required":["next"]}}}`,
			list{`{"next":null}`, `{"next":{"next":null}}`}, list{`{"next":1}`, `{"next":{}}`}},
		{"the whole that is nullable", `{"type":"object","nullable":true,"properties":{"next":{"$ref":"#"}},"required":["next"]}`,
			`{"type":"object","properties":{"next":{"$ref":"#/$defs/arguments"}},"required":["next"],
				"$defs":{"arguments":{"type":["object","null"],"properties":{"next":{"$ref":"#/$defs/arguments"}},"required":["next"]}}}`,
			list{`{"next":null}`}, list{`{"next":1}`}},
		{"the whole with a choice", `{"type":"object","properties":{"a":{"$ref":"#"},"b":{"type":"integer"}},"anyOf":[{"required":["a"]},{"required":["b"]}],"$defs":{"arguments":{}}}`,
			`{"type":"object","properties":{"a":{"$ref":"#/$defs/arguments_"},"b":{"type":"integer"}},"$defs":{"arguments":{},
				"arguments_":{"type":"object","properties":{"a":{"$ref":"#/$defs/arguments_"},"b":{"type":"integer"}},"anyOf":[{"required":["a"]},{"required":["b"]}]}}}`,
			list{`{"a":{"b":1}}`}, list{`{}`, `{"a":{}}`}},
		{"the whole that is an object already", `{"type":"object","properties":{"kids":{"items":{"$ref":"#"}}}}`, `{"type":"object","properties":{"kids":{"items":{"$ref":"#"}}}}`,
			list{`{"kids":[{}]}`}, list{`{"kids":[1]}`}},
		{"components of OpenAPI",
			`{"properties":{"a":{"$ref":"#/components/schemas/A"}},"components":{"schemas":{"A":{"type":"object","properties":{"s":{"type":"string","nullable":true,"title":"S"},
				"n":{"type":"number","minimum":0,"exclusiveMinimum":true},"t":{"items":[{"type":"string"},{"$ref":"#/components/schemas/B"}]}}},"B":{"type":"integer","default":3}}}}`,
			`{"type":"object","properties":{"a":{"$ref":"#/$defs/A"}},"$defs":{"A":{"type":"object","properties":{"s":{"type":["string","null"]},
				"n":{"type":"number","exclusiveMinimum":0},"t":{"prefixItems":[{"type":"string"},{"$ref":"#/$defs/B"}]}}},"B":{"type":"integer","description":"Default: 3."}}}`,
			list{`{"a":{"s":null,"n":0.1,"t":["a",1]}}`}, list{`{"a":{"n":0}}`, `{"a":{"t":[1]}}`, `{"a":{"t":["a","b"]}}`}},
		{"components that the top refers to",
			`{"$ref":"#/components/schemas/A","components":{"schemas":{"A":{"type":"object","properties":{"b":{"$ref":"#/components/schemas/B"}}},"B":{"type":"integer","nullable":true}}}}`,
			`{"type":"object","properties":{"b":{"$ref":"#/$defs/B"}},"$defs":{"B":{"type":["integer","null"]}}}`,
			list{`{"b":null}`, `{"b":1}`}, list{`{"b":"a"}`}},
		{"definitions in no keyword, one within another",
			`{"properties":{"a":{"$ref":"#/x-types/A"},"b":{"$ref":"#/x-types/A/of/C"},"c":{"$ref":"#/responses/ok/schema"}},"$defs":{"A":{"const":1}},
				"x-types":{"A":{"items":{"$ref":"#/x-types/B"},"of":{"C":{"type":"string","nullable":true}}},"B":{"items":[{"type":"string"}]}},"responses":{"ok":{"code":200,"schema":{"type":"integer"}}}}`,
			`{"type":"object","properties":{"a":{"$ref":"#/$defs/A_2"},"b":{"$ref":"#/$defs/C"},"c":{"$ref":"#/$defs/schema"}},"$defs":{"A":{"const":1},
				"A_2":{"items":{"$ref":"#/$defs/B"},"of":{"C":{"type":"string","nullable":true}}},"B":{"prefixItems":[{"type":"string"}]},"C":{"type":["string","null"]},"schema":{"type":"integer"}}}`,
			list{`{"a":[["a",1]],"b":null,"c":1}`}, list{`{"a":[[1]]}`, `{"b":1}`, `{"c":"a"}`}},
		{"components that nobody refers to", `{"properties":{"components":{"type":"string"}},"components":{"schemas":{"A":{}}}}`, `{"type":"object","properties":{"components":{"type":"string"}}}`,
			list{`{"components":"a"}`}, list{`{"components":1}`}},
		{"allOf whose properties are all that may come",
			`{"type":"object","properties":{"a":{"type":"string"}},"required":["a","b"],"allOf":[{"$ref":"#/$defs/B"},{"properties":{"c":{"type":"null"}},"required":["a"]}],"unevaluatedProperties":false,
				"$defs":{"B":{"type":"object","properties":{"b":{"type":"integer"}},"required":["b"]}}}`,
			`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer"},"c":{"type":"null"}},"required":["a","b"],"unevaluatedProperties":false,
				"$defs":{"B":{"type":"object","properties":{"b":{"type":"integer"}},"required":["b"]}}}`,
			list{`{"a":"x","b":1}`, `{"a":"x","b":1,"c":null}`}, list{`{"a":"x"}`, `{"a":"x","b":1,"d":1}`, `{"a":"x","b":"y"}`}},
		{"allOf that says more of properties", `{"properties":{"a":{}},"allOf":[{"patternProperties":{"^x":{"type":"string"}}}],"unevaluatedProperties":false}`, `{"type":"object","properties":{"a":{}}}`,
			list{`{"a":1,"x1":"s"}`}, list{`{"b":1}`, `{"x1":1}`}},
		{"a choice of what may come", `{"properties":{"a":{}},"oneOf":[{"properties":{"b":{"type":"integer"}},"required":["b"]},{"properties":{"c":{}},"required":["c"]}],"unevaluatedProperties":false}`,
			`{"type":"object","properties":{"a":{}}}`, list{`{"b":1}`, `{"a":1,"c":2}`}, list{`{}`, `{"b":1,"d":1}`}},
		{"allOf alone", `{"allOf":[{"properties":{"a":{"type":"string"}},"required":["a"]}]}`, `{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}`,
			list{`{"a":"x"}`}, list{`{}`, `{"a":1}`}},
		{"allOf of which a closed top forbids a part", `{"properties":{"a":true,"b":{"minimum":1}},"allOf":[{"properties":{"a":{"type":"string"},"b":{"maximum":2},"c":{}}}],"additionalProperties":false}`,
			`{"type":"object","properties":{"a":{"type":"string"},"b":{"minimum":1}},"additionalProperties":false}`,
			list{`{"a":"x","b":2}`}, list{`{"c":1}`, `{"a":1}`, `{"b":3}`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			made, err := tool.NewRaw("x", "", json.RawMessage(tt.schema), echo)
			require.NoError(t, err)
			require.Empty(t, made.SchemaRepairs())
			require.JSONEq(t, tt.want, string(made.Def().Schema))
			requireSendable(t, made)
			for _, args := range tt.fit {
				_, repairs, err := made.Parse(args)
				require.NoError(t, err, args)
				require.Empty(t, repairs)
			}
			for _, args := range tt.unfit {
				_, _, err := made.Parse(args)
				require.Error(t, err, args)
			}
		})
	}
}
