package tool_test

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	sj "github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/mutant"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestSchemaRepairs: common mistakes become a schema that strict providers accept, and
// are reported.
func TestSchemaRepairs(t *testing.T) {
	t.Parallel()
	type told = []string
	for _, tt := range []struct {
		name, schema, want string
		told               told
	}{
		{"names of types", `{"properties":{"a":{"type":"int"},"b":{"type":"any","description":"B"},"c":{"type":["str","None"]},"d":{"type":"STRING"},"e":{"type":"dict"},"f":{"type":"string|null"},"g":{"items":{"type":"float"}}}}`,
			`{"type":"object","properties":{"a":{"type":"integer"},"b":{"description":"B"},"c":{"type":["string","null"]},"d":{"type":"string"},"e":{"type":"object"},"f":{"type":["string","null"]},"g":{"items":{"type":"number"}}}}`,
			told{`/properties/a: type "int" is read as "integer"`, `/properties/b: type "any" is read as any value`, `/properties/c: type ["str","None"] is read as ["string","null"]`,
				`/properties/d: type "STRING" is read as "string"`, `/properties/e: type "dict" is read as "object"`, `/properties/f: type "string|null" is read as ["string","null"]`,
				`/properties/g/items: type "float" is read as "number"`}},
		{"the type of the arguments", `{"type":"dict","properties":{}}`, `{"type":"object","properties":{}}`, told{`type "dict" is read as "object"`}},
		{"no types", `{"properties":{"a":{"type":[]},"b":{"type":""}}}`, `{"type":"object","properties":{"a":{},"b":{}}}`,
			told{`/properties/a: type [] is left out`, `/properties/b: type "" is read as any value`}},
		{"keywords among the properties", `{"properties":{"a":{"properties":{"b":true,"required":["b"],"type":"object","description":"A"}},"required":["a"]}}`,
			`{"type":"object","properties":{"a":{"properties":{"b":true},"required":["b"],"type":"object","description":"A"}},"required":["a"]}`,
			told{`"required" among the properties is read as the keyword of the object`, `/properties/a: "required" among the properties is read as the keyword of the object`,
				`/properties/a: "type" among the properties is read as the keyword of the object`, `/properties/a: "description" among the properties is read as the keyword of the object`}},
		{"properties named like keywords", `{"properties":{"required":{"type":"string"},"type":{"enum":["a"]},"enum":true},"required":["required"]}`,
			`{"type":"object","properties":{"required":{"type":"string"},"type":{"enum":["a"]},"enum":true},"required":["required"]}`, nil},
		{"required of the properties", `{"required":["b"],"properties":{"a":{"type":"string","required":true},"b":{"required":"true"},"c":{"required":false},"d":{"items":{"required":true}}}}`,
			`{"type":"object","properties":{"a":{"type":"string"},"b":{},"c":{},"d":{"items":{}}},"required":["b","a"]}`,
			told{`required of property "a" is read as the keyword of the object`, `required of property "b" is read as the keyword of the object`, `required of property "c" is read as the keyword of the object`,
				`/properties/d/items: required is left out: it has no names`}},
		{"required as other than a list", `{"required":"a","properties":{"a":{"required":{},"properties":{}},"b":{"required":["x","x"]},"c":{"required":{"0":"y","2":"z"}}}}`,
			`{"type":"object","properties":{"a":{"properties":{}},"b":{"required":["x"]},"c":{"required":["y","z"]}},"required":["a"]}`,
			told{`required is read as a list of this one name`, `/properties/a: required is read as a list`, `/properties/b: required has each value once`, `/properties/c: required is read as a list`}},
		{"null", `{"properties":{"a":{"enum":null,"const":null,"description":null,"minimum":null,"anyOf":null,"additionalProperties":null},"b":null},"$defs":null}`,
			`{"type":"object","properties":{"a":{"const":null},"b":{}}}`,
			told{`"$defs": null is left out`, `/properties/a: "enum": null is left out`, `/properties/a: "description": null is left out`, `/properties/a: "minimum": null is left out`,
				`/properties/a: "anyOf": null is left out`, `/properties/a: "additionalProperties": null is left out`, `/properties/b: null is read as any value`}},
		{"enum", `{"properties":{"a":{"enum":"x"},"b":{"enum":[1,1.0,"1"]},"c":{"enum":{"1":"p","3":"q"}}}}`,
			`{"type":"object","properties":{"a":{"enum":["x"]},"b":{"enum":[1,"1"]},"c":{"enum":["p","q"]}}}`,
			told{`/properties/a: enum is read as a list of this one value`, `/properties/b: enum has each value once`, `/properties/c: enum is read as a list`}},
		{"empty lists for empty objects", `{"properties":{"a":{"properties":[],"additionalProperties":[]},"b":[]},"$defs":[]}`,
			`{"type":"object","properties":{"a":{"properties":{},"additionalProperties":{}},"b":{}},"$defs":{}}`,
			told{`$defs: [] is read as {}`, `/properties/a: properties: [] is read as {}`, `/properties/a/additionalProperties: [] is read as {}`, `/properties/b: [] is read as {}`}},
		{"numbers and booleans in strings", `{"additionalProperties":"False","properties":{"a":{"minimum":"0","maxLength":"1e1","uniqueItems":"true","exclusiveMaximum":true}}}`,
			`{"type":"object","properties":{"a":{"minimum":0,"maxLength":10,"uniqueItems":true}},"additionalProperties":false}`,
			told{`additionalProperties is read as the boolean in the string`, `/properties/a: minimum is read as the number in the string`, `/properties/a: exclusiveMaximum without maximum is left out`,
				`/properties/a: maxLength is read as the number in the string`, `/properties/a: uniqueItems is read as the boolean in the string`}},
		{"annotations", `{"properties":{"a":{"title":1,"description":["One.","Two."],"examples":"x","format":{},"deprecated":"yes"}}}`,
			`{"type":"object","properties":{"a":{"description":"One. Two.","examples":["x"]}}}`,
			told{`/properties/a: title is removed, because its value is not a string`, `/properties/a: description is read as one text`, `/properties/a: format is removed, because its value is not a string`,
				`/properties/a: deprecated is removed, because its value is not a boolean`, `/properties/a: examples is read as a list of this one`}},
		{"schemas in short", `{"properties":{"a":"string","b":"Any","c":"How many","d":{"items":"int"}}}`,
			`{"type":"object","properties":{"a":{"type":"string"},"b":{},"c":{"description":"How many"},"d":{"items":{"type":"integer"}}}}`,
			told{`/properties/a: "string" is read as a schema of this type`, `/properties/b: "Any" is read as a schema of this type`,
				`/properties/c: a text is read as the description of any value`, `/properties/d/items: "int" is read as a schema of this type`}},
		{"texts, of which some are named like keywords", `{"properties":{"title":"The title","name":"The name"}}`,
			`{"type":"object","properties":{"title":{"description":"The title"},"name":{"description":"The name"}}}`,
			told{`/properties/title: a text is read as the description of any value`, `/properties/name: a text is read as the description of any value`}},
		{"one schema where a list is due", `{"properties":{"a":{"anyOf":{"type":"string"}}}}`, `{"type":"object","properties":{"a":{"anyOf":[{"type":"string"}]}}}`,
			told{`/properties/a: anyOf is read as a list of this one schema`}},
		{"a reference to where the definition was", `{"properties":{"a":{"$ref":"#/$defs/D"},"b":{"$ref":"D"},"c":{"$ref":"#/components/schemas/D"}},"definitions":{"D":{"type":"string"}}}`,
			`{"type":"object","properties":{"a":{"$ref":"#/definitions/D"},"b":{"$ref":"#/definitions/D"},"c":{"$ref":"#/definitions/D"}},"definitions":{"D":{"type":"string"}}}`,
			told{`/properties/a: reference "#/$defs/D" leads nowhere and is read as "#/definitions/D"`, `/properties/b: reference "D" leads nowhere and is read as "#/definitions/D"`,
				`/properties/c: reference "#/components/schemas/D" leads nowhere and is read as "#/definitions/D"`}},
		{"a whole schema in another", `{"properties":{"a":{"$ref":"#/$defs/D","$defs":{"D":{"items":{"$ref":"#/$defs/E"}},"E":{"type":"string"}}},"b":{"$defs":{"E":{"type":"null"}}}}}`,
			`{"type":"object","properties":{"a":{"$ref":"#/properties/a/$defs/D","$defs":{"D":{"items":{"$ref":"#/properties/a/$defs/E"}},"E":{"type":"string"}}},"b":{"$defs":{"E":{"type":"null"}}}}}`,
			told{`/properties/a: reference "#/$defs/D" leads nowhere and is read as "#/properties/a/$defs/D"`,
				`/properties/a/$defs/D/items: reference "#/$defs/E" leads nowhere and is read as "#/properties/a/$defs/E"`}},
		{"below an $id", `{"properties":{"a":{"$ref":"#/$defs/D"}},"$defs":{"D":{"$id":"D","properties":{"h":{"$ref":"#/$defs/H"}}},"H":{"type":"string"}}}`,
			`{"type":"object","properties":{"a":{"$ref":"#/$defs/D"}},"$defs":{"D":{"properties":{"h":{"$ref":"#/$defs/H"}}},"H":{"type":"string"}}}`,
			told{`/$defs/D/properties/h: reference "#/$defs/H" leads nowhere and is read as "tool:///schema#/$defs/H"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			made, err := tool.NewRaw("x", "", json.RawMessage(tt.schema), echo)
			require.NoError(t, err)
			require.JSONEq(t, tt.want, string(made.Def().Schema))
			require.Equal(t, tt.told, made.SchemaRepairs())
			requireSendable(t, made)
			again := tool.Must(tool.NewRaw("x", "", made.Def().Schema, echo))
			require.Empty(t, again.SchemaRepairs())
		})
	}
}

// requireSendable requires that a strict provider accepts the schema.
func requireSendable(t *testing.T, made tool.Tool) {
	t.Helper()
	shown := made.Def().Schema
	c := sj.NewCompiler()
	c.DefaultDraft(sj.Draft2020)
	c.UseLoader(sj.SchemeURLLoader{})
	require.NoError(t, c.AddResource("test:///schema", read(shown)))
	_, err := c.Compile("test:///schema")
	require.NoError(t, err, "%s", shown)
}

// TestUnreadSchemas: what is not plain is an error, or is not shown.
func TestUnreadSchemas(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ schema, want, unchecked string }{
		{`{"properties":{"a":{"type":"thing","description":"A"},"b":{"$ref":"#/$defs/Gone","description":"B"},"c":{"$ref":"https://h.test/x.json"}},"required":["a"]}`,
			`{"type":"object","properties":{"a":{"description":"A"},"b":{"description":"B"},"c":{}},"required":["a"]}`, `schema: /properties/a/type: must be one of`},
		{`{"properties":{"a":{"required":[1],"minLength":-1,"pattern":3,"items":[{"type":"thing"}]},"b":7}}`,
			`{"type":"object","properties":{"a":{"prefixItems":[{}]},"b":{}}}`, `schema: /properties/`},
		{`{"properties":{"a":{"anyOf":[]},"b":{"not":3}},"additionalProperties":9}`, `{"type":"object","properties":{"a":{},"b":{"not":{}}},"additionalProperties":{}}`, `schema: /`},
	} {
		_, err := tool.NewRaw("x", "", json.RawMessage(tt.schema), echo)
		require.ErrorContains(t, err, tt.unchecked)
		made, err := tool.NewRaw("x", "", json.RawMessage(tt.schema), echo, tool.AllowUnchecked())
		require.NoError(t, err)
		require.ErrorContains(t, made.Unchecked(), tt.unchecked)
		require.JSONEq(t, tt.want, string(made.Def().Schema))
		requireSendable(t, made)
		_, _, err = made.Parse(`{"a":[true]}`)
		require.NoError(t, err)
	}
}

// TestWhatIsSentIsASchema: a broken schema is refused, or the sent schema is
// well-formed.
func TestWhatIsSentIsASchema(t *testing.T) {
	t.Parallel()
	const whole = `{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","properties":{"a":{"type":"string","enum":["x","y"],"minLength":1,"pattern":"^x"},
		"b":{"type":"array","items":{"$ref":"#/definitions/D"},"uniqueItems":true},"c":{"anyOf":[{"type":"null"},{"$ref":"#/components/schemas/C"}],"nullable":true},
		"d":{"type":"object","properties":{"e":{"type":"integer","minimum":0,"exclusiveMinimum":true}},"required":["e"],"additionalProperties":false}},
		"required":["a"],"definitions":{"D":{"id":"D","allOf":[{"title":"t"}],"not":{"const":1}}},"components":{"schemas":{"C":{"items":[{"type":"string"}]}}}}`
	odd := []string{`null`, `true`, `"x"`, `"true"`, `"int"`, `3`, `-1.5`, `[]`, `{}`, `[null]`, `["x","x"]`, `[{}]`, `{"x":1}`, `{"type":"any"}`, `"#/x"`}
	r := rand.New(rand.NewPCG(20260301, 7))
	sent := 0
	for range mutant.Some(1_000) {
		doc := read([]byte(whole)).(map[string]any)
		if r.IntN(2) == 0 {
			delete(doc, "$schema")
		}
		for range 1 + r.IntN(3) {
			breakOne(r, doc, odd)
		}
		raw, err := json.Marshal(doc)
		require.NoError(t, err)
		made, err := tool.NewRaw("x", "", raw, echo, tool.AllowUnchecked())
		if err != nil {
			require.LessOrEqual(t, len(err.Error()), 1200)
			continue
		}
		sent++
		requireSendable(t, made)
	}
	require.Greater(t, sent, mutant.Some(750))
}

// breakOne puts something odd in the place of one member at any depth.
func breakOne(r *rand.Rand, doc map[string]any, odd []string) {
	type spot struct {
		in   map[string]any
		name string
	}
	var spots []spot
	var visit func(v any)
	visit = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			for _, name := range slices.Sorted(maps.Keys(v)) {
				spots = append(spots, spot{v, name})
				visit(v[name])
			}
		case []any:
			for _, item := range v {
				visit(item)
			}
		}
	}
	visit(doc)
	if len(spots) > 0 {
		at := pick(r, spots)
		at.in[at.name] = read([]byte(pick(r, odd)))
	}
}
