package tool_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestWireCopy compares the shown schema with the validation.
func TestWireCopy(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 100)
	for _, tt := range []struct{ name, schema, want string }{
		{"dropped at the top", `{"$schema":"http://json-schema.org/draft-07/schema#","$id":"http://h.test/s","title":"Args","$comment":"c","type":"object","properties":{}}`,
			`{"type":"object","properties":{}}`},
		{"properties named like keywords",
			`{"type":"object","properties":{"title":{"type":"string","title":"T"},"default":{"type":"integer","default":3},"id":{"type":"string"},"$id":{"$comment":"c"},"properties":{"type":"object","properties":{"title":{"title":"t"}}}},"required":["title"]}`,
			`{"type":"object","properties":{"title":{"type":"string"},"default":{"type":"integer","description":"Default: 3."},"id":{"type":"string"},"$id":{},"properties":{"type":"object","properties":{"title":{}}}},"required":["title"]}`},
		{"values that look like schemas",
			`{"type":"object","properties":{"a":{"enum":[{"title":"x"}]},"b":{"const":{"default":1}},"c":{"examples":[{"title":"y"}]}}}`,
			`{"type":"object","properties":{"a":{"enum":[{"title":"x"}]},"b":{"const":{"default":1}},"c":{"examples":[{"title":"y"}]}}}`},
		{"defaults",
			`{"type":"object","properties":{"a":{"description":"Size","default":10},"b":{"description":"Size. ","default":"x\"y"},"c":{"default":null},"d":{"default":{"k":[1,true]},"type":"object"},"e":{"default":"` + long + `"}}}`,
			`{"type":"object","properties":{"a":{"description":"Size. Default: 10."},"b":{"description":"Size. Default: \"x\\\"y\"."},"c":{},"d":{"type":"object","description":"Default: {\"k\":[1,true]}."},"e":{"description":"Default: \"` + long[:2*79] + `…."}}}`},
		{"every place that holds a schema",
			`{"type":"object","properties":{"a":{"items":{"title":"t"},"prefixItems":[{"title":"t"}],"contains":{"title":"t"},"unevaluatedItems":{"title":"t"},"anyOf":[{"title":"t"}],"oneOf":[{"title":"t"}],"allOf":[{"title":"t"}],` +
				`"not":{"title":"t"},"if":{"title":"t"},"then":{"title":"t"},"else":{"title":"t"},"additionalProperties":{"title":"t"},"propertyNames":{"title":"t"},"patternProperties":{"title":{"title":"t"}},` +
				`"dependentSchemas":{"title":{"title":"t"}},"dependencies":{"title":["title"]},"unevaluatedProperties":{"title":"t"},"contentSchema":{"title":"t"}}},"$defs":{"title":{"title":"t"}},"definitions":{"title":{"title":"t"}}}`,
			`{"type":"object","properties":{"a":{"items":{},"prefixItems":[{}],"contains":{},"unevaluatedItems":{},"anyOf":[{}],"oneOf":[{}],"allOf":[{}],` +
				`"not":{},"if":{},"then":{},"else":{},"additionalProperties":{},"propertyNames":{},"patternProperties":{"title":{}},` +
				`"dependentSchemas":{"title":{}},"dependencies":{"title":["title"]},"unevaluatedProperties":{},"contentSchema":{}}},"$defs":{"title":{}},"definitions":{"title":{}}}`},
		{"references by id become pointers",
			`{"type":"object","properties":{"a":{"$ref":"x"},"b":{"$ref":"x#/$defs/y"},"c":{"$ref":"#/$defs/a~1b"}},"$defs":{"a/b":{"$id":"x","type":"object","properties":{"s":{"$ref":"#/$defs/y"},"t":{"$ref":"#"}},"$defs":{"y":{"type":"string"}}}}}`,
			`{"type":"object","properties":{"a":{"$ref":"#/$defs/a~1b"},"b":{"$ref":"#/$defs/a~1b/$defs/y"},"c":{"$ref":"#/$defs/a~1b"}},"$defs":{"a/b":{"type":"object","properties":{"s":{"$ref":"#/$defs/a~1b/$defs/y"},"t":{"$ref":"#/$defs/a~1b"}},"$defs":{"y":{"type":"string"}}}}}`},
		{"references relative to an id",
			`{"$id":"https://h.test/dir/root.json","properties":{"a":{"$ref":"root.json#/$defs/A"},"b":{"$ref":"https://h.test/dir/root.json#/$defs/A"},"c":{"$ref":"/dir/other.json"},"d":{"$ref":"#/$defs/A"},"e":{"$ref":"root.json"}},"$defs":{"A":{"type":"integer"},"B":{"$id":"other.json","$ref":"root.json#/$defs/A"}}}`,
			`{"type":"object","properties":{"a":{"$ref":"#/$defs/A"},"b":{"$ref":"#/$defs/A"},"c":{"$ref":"#/$defs/B"},"d":{"$ref":"#/$defs/A"},"e":{"$ref":"#/$defs/arguments"}},"$defs":{"A":{"type":"integer"},"B":{"$ref":"#/$defs/A"},` +
				`"arguments":{"properties":{"a":{"$ref":"#/$defs/A"},"b":{"$ref":"#/$defs/A"},"c":{"$ref":"#/$defs/B"},"d":{"$ref":"#/$defs/A"},"e":{"$ref":"#/$defs/arguments"}}}}}`},
		{"a reference at the top, as zod-to-json-schema writes it",
			`{"$ref":"#/definitions/Foo","definitions":{"Foo":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}},"$schema":"http://json-schema.org/draft-07/schema#"}`,
			`{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}`},
		{"a reference at the top to what is used elsewhere",
			`{"$ref":"#/$defs/Node","description":"A tree","$defs":{"Node":{"description":"A node","properties":{"kids":{"items":{"$ref":"#/$defs/Node"}},"leaf":{"$ref":"#/$defs/Leaf"}},"type":["object","null"]},"Leaf":{"type":"string"}}}`,
			`{"type":"object","description":"A tree","properties":{"kids":{"items":{"$ref":"#/$defs/Node"}},"leaf":{"$ref":"#/$defs/Leaf"}},"$defs":{"Node":{"description":"A node","properties":{"kids":{"items":{"$ref":"#/$defs/Node"}},"leaf":{"$ref":"#/$defs/Leaf"}},"type":["object","null"]},"Leaf":{"type":"string"}}}`},
		{"a reference at the top to a reference",
			`{"$ref":"#/$defs/A","required":["b"],"$defs":{"A":{"$ref":"#/$defs/B"},"B":{"$id":"b","properties":{"b":{"$ref":"#/$defs/C"}},"$defs":{"C":{"type":"string"}}}}}`,
			`{"type":"object","properties":{"b":{"$ref":"#/$defs/B/$defs/C"}},"required":["b"],"$defs":{"B":{"properties":{"b":{"$ref":"#/$defs/B/$defs/C"}},"$defs":{"C":{"type":"string"}}}}}`},
		{"a reference at the top beside which nothing counts",
			`{"$schema":"http://json-schema.org/draft-07/schema#","$ref":"#/definitions/A","required":["x"],"properties":{"y":{}},"definitions":{"A":{"properties":{"a":{}}},"B":{}}}`,
			`{"type":"object","properties":{"a":{}},"definitions":{"B":{}}}`},
		{"a reference at the top that cannot be replaced",
			`{"$ref":"#/$defs/A","required":["x"],"$defs":{"A":{"properties":{"a":{}},"required":["a"]}}}`,
			`{"type":"object","properties":{},"$ref":"#/$defs/A","required":["x"],"$defs":{"A":{"properties":{"a":{}},"required":["a"]}}}`},
		{"a reference at the top to a union",
			`{"$ref":"#/$defs/A","$defs":{"A":{"anyOf":[{"properties":{"a":{}}},{}]}}}`,
			`{"type":"object","properties":{},"$ref":"#/$defs/A","$defs":{"A":{"anyOf":[{"properties":{"a":{}}},{}]}}}`},
		{"a reference at the top to itself", `{"$ref":"#"}`, `{"type":"object","properties":{},"$ref":"#"}`},
		{"what older drafts say",
			`{"$schema":"http://json-schema.org/draft-04/schema#","properties":{"n":{"minimum":0,"exclusiveMinimum":true,"maximum":9,"exclusiveMaximum":true},"m":{"minimum":0,"exclusiveMinimum":false},` +
				`"t":{"items":[{"type":"string"},{"items":[{"type":"number"}]}],"additionalItems":false},"u":{"items":[{}],"additionalItems":{"type":"string"}},"l":{"items":{},"additionalItems":false},` +
				`"r":{"$ref":"#/properties/t/items/1/items/0"},"s":{"$ref":"#/properties/u/additionalItems"}},"required":[]}`,
			`{"type":"object","properties":{"n":{"exclusiveMinimum":0,"exclusiveMaximum":9},"m":{"minimum":0},` +
				`"t":{"prefixItems":[{"type":"string"},{"prefixItems":[{"type":"number"}]}],"items":false},"u":{"prefixItems":[{}],"items":{"type":"string"}},"l":{"items":{},"additionalItems":false},` +
				`"r":{"$ref":"#/properties/t/prefixItems/1/prefixItems/0"},"s":{"$ref":"#/properties/u/items"}}}`},
		{"names that say where a schema stands",
			`{"$schema":"http://json-schema.org/draft-07/schema#","$id":"http://h.test/root.json","properties":{"a":{"$id":"#/properties/a","items":{"$id":"http://h.test/root.json#/properties/a/items"}}}}`,
			`{"type":"object","properties":{"a":{"items":{}}}}`},
		{"the id of draft-04",
			`{"$schema":"http://json-schema.org/draft-04/schema#","type":"object","properties":{"a":{"$ref":"#x"},"id":{"id":"#x","type":"string"}}}`,
			`{"type":"object","properties":{"a":{"$ref":"#/properties/id"},"id":{"type":"string"}}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			made, err := tool.NewRaw("x", "", json.RawMessage(tt.schema), echo)
			require.NoError(t, err)
			require.JSONEq(t, tt.want, string(made.Def().Schema))
			again, err := tool.NewRaw("x", "", made.Def().Schema, echo)
			require.NoError(t, err, "what is shown is a schema")
			require.Equal(t, string(made.Def().Schema), string(again.Def().Schema))
		})
	}
}

// TestDefaultsAreTold: a default is told and not applied.
func TestDefaultsAreTold(t *testing.T) {
	t.Parallel()
	made := tool.Must(takes[struct {
		Size int    `json:"size,omitempty" jsonschema:"default=10,title=Size" jsonschema_description:"Page size"`
		Sort string `json:"sort,omitempty" jsonschema:"default=name"`
	}]())
	require.Equal(t, `{"type":"object","properties":{"size":{"type":"integer","description":"Page size. Default: 10."},`+
		`"sort":{"type":"string","description":"Default: \"name\"."}},"additionalProperties":false}`, string(made.Def().Schema))
	args, _, err := made.Parse(`{}`)
	require.NoError(t, err)
	require.Equal(t, `{}`, string(args))
}
