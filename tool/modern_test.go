package tool_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestSchemaOfNoDraft: a schema without "$schema" may use keywords of an older draft.
func TestSchemaOfNoDraft(t *testing.T) {
	t.Parallel()
	type list = []any
	tests := []struct {
		name, schema string
		fit, unfit   []any
	}{
		{"a tuple", `{"items":[{"type":"number"},{"type":"string"}],"additionalItems":false}`, []any{list{1, "a"}, list{1}}, []any{list{"a"}, list{1, "a", 2}}},
		{"an open tuple", `{"items":[{"type":"number"}]}`, []any{list{1, "a"}}, []any{list{"a"}}},
		{"an empty tuple", `{"items":[],"additionalItems":{"type":"string"}}`, []any{list{}, list{"a"}}, []any{list{1}}},
		{"an exclusive minimum", `{"minimum":0,"exclusiveMinimum":true}`, []any{0.1}, []any{0, -1}},
		{"an exclusive maximum", `{"maximum":9,"exclusiveMaximum":true,"minimum":0,"exclusiveMinimum":false}`, []any{0, 8}, []any{9, -1}},
		{"both, and what came later", `{"items":[{"maximum":9,"exclusiveMaximum":true}],"contains":{"const":1},"minContains":2}`, []any{list{1, 1}}, []any{list{1}, list{9, 1, 1}}},
		{"a reference into a tuple", `{"items":[{"type":"number"},{"$ref":"#/properties/a/items/0"}]}`, []any{list{1, 2}}, []any{list{1, "a"}}},
		{"a name", `{"allOf":[{"$ref":"#n"}],"definitions":{"n":{"$id":"#n","type":"number"}}}`, []any{1}, []any{"a"}},
		{"a name that says where it stands", `{"$id":"#/properties/a","type":"string"}`, []any{"a"}, []any{1}},
		{"an address that is none", `{"$id":"a b:c","type":"string"}`, []any{"a"}, []any{1}},
		{"a format is not held", `{"items":[{"format":"email"}]}`, []any{list{"nobody"}}, nil},
		{"an unknown draft", `{"$schema":"draft3","items":[{"type":"number"}]}`, []any{list{1}}, []any{list{"a"}}},
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

// TestSchemaOfAnyDraftThatIsWrong: the error is about the schema as written.
func TestSchemaOfAnyDraftThatIsWrong(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ schema, want string }{
		{`{"properties":{"a":{"items":[{"type":"thing"}]}}}`, `tool "x": schema: /properties/a/items: must be boolean or object, got an array of 1 item`},
		{`{"properties":{"a":{"minimum":1,"exclusiveMinimum":true},"b":{"type":"thing"}}}`, `tool "x": schema: /properties/a/exclusiveMinimum: must be number, got true`},
		{`{"$schema":"https://json-schema.org/draft/2020-12/schema","properties":{"a":{"items":[{}]}}}`, `tool "x": schema: /properties/a/items: must be boolean or object, got an array of 1 item`},
	} {
		_, err := tool.NewRaw("x", "", json.RawMessage(tt.schema), echo)
		require.EqualError(t, err, tt.want, tt.schema)
	}
	_, err := tool.NewRaw("x", "", json.RawMessage(`{"$schema":"http://json-schema.org/draft-04/schema#","required":[],"properties":{"a":{"required":[]}}}`), echo)
	require.NoError(t, err)
}
