package openai_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// parametersAs returns the schema that a tool is sent with.
func parametersAs(t *testing.T, form openai.Schema, schema string) string {
	t.Helper()
	req := hello()
	req.Tools = []llm.ToolDef{{Name: "f", Schema: json.RawMessage(schema)}}
	body := sent(t, req, func(c *openai.Config) { c.Profile = &openai.Profile{Schema: form} })
	_, body, _ = strings.Cut(body, `"parameters":`)
	return strings.TrimSuffix(body, "}}]}")
}

func TestSchemaForms(t *testing.T) {
	t.Parallel()
	const empty = `{"type":"object","properties":{}}`
	for _, tt := range []struct {
		name     string
		form     openai.Schema
		in, want string
	}{
		{"nothing", openai.SchemaFull, ``, empty},
		{"null", openai.SchemaFull, `null`, empty},
		{"true", openai.SchemaFull, `true`, empty},
		{"no type", openai.SchemaFull, `{"description":"d"}`, `{"type":"object","description":"d","properties":{}}`},
		{"an object or null", openai.SchemaFull, `{"type":["object","null"]}`, `{"type":["object","null"],"properties":{}}`},
		{"another type", openai.SchemaFull, `{"type":"string"}`, `{"type":"string"}`},
		{"what is fine keeps its blanks", openai.SchemaFull, `{ "type": "object", "properties": {"a": {"type": "array", "items": {}}} }`, `{ "type": "object", "properties": {"a": {"type": "array", "items": {}}} }`},
		{"items in all places", openai.SchemaFull,
			`{"type":"object","properties":{"items":{"type":"array"}},"anyOf":[{"type":"array"}],"$defs":{"x":{"type":"array"}},"not":{"type":"array"},"enum":[{"type":"array"}],"default":{"type":"array"}}`,
			`{"type":"object","properties":{"items":{"type":"array","items":{}}},"anyOf":[{"type":"array","items":{}}],"$defs":{"x":{"type":"array","items":{}}},"not":{"type":"array","items":{}},"enum":[{"type":"array"}],"default":{"type":"array"}}`},
		{"a tuple has items", openai.SchemaFull, `{"type":"object","properties":{"a":{"type":"array","prefixItems":[{"type":"array"}]}}}`, `{"type":"object","properties":{"a":{"type":"array","prefixItems":[{"type":"array","items":{}}]}}}`},

		{"ids", openai.SchemaNoIDs, `{"$schema":"x","$id":"y","type":"object","properties":{"$id":{"type":"string","$id":"z"}}}`, `{"type":"object","properties":{"$id":{"type":"string"}}}`},
		{"bounds", openai.SchemaUnbounded, `{"type":"object","properties":{"format":{"type":"string","format":"uri","enum":["maxLength"]}},"required":["format"],"maxProperties":2}`,
			`{"type":"object","properties":{"format":{"type":"string","enum":["maxLength"]}},"required":["format"]}`},

		{"Gemini: references", openai.SchemaGemini,
			`{"type":"object","properties":{"a":{"$ref":"#/$defs/a","description":"here"},"b":{"allOf":[{"$ref":"#/$defs/a"}]},"c":{"$ref":"http://h.test/x"},"d":{"$ref":"#/$defs/none"},"e":{"$ref":"#/$defs/b~1c"}},"$defs":{"a":{"type":"string","description":"there"},"b/c":{"type":"integer"}}}`,
			`{"type":"object","properties":{"a":{"description":"here","type":"string"},"b":{"type":"string","description":"there"},"c":{"type":"object"},"d":{"type":"object"},"e":{"type":"integer"}}}`},
		{"Gemini: recursion", openai.SchemaGemini,
			`{"type":"object","properties":{"n":{"$ref":"#/$defs/n"}},"$defs":{"n":{"type":"object","properties":{"next":{"$ref":"#/$defs/n"},"v":{"type":"string"}},"required":["next","v","gone","v"]}}}`,
			`{"type":"object","properties":{"n":{"type":"object","properties":{"next":{"type":"object"},"v":{"type":"string"}},"required":["next","v"]}}}`},
		{"Gemini: the root in itself", openai.SchemaGemini, `{"type":"object","properties":{"a":{"$ref":"#"}}}`, `{"type":"object","properties":{"a":{"type":"object"}}}`},
		{"Gemini: types", openai.SchemaGemini,
			`{"type":"object","properties":{"a":{"type":["string","integer","null"]},"b":{"type":["null"]},"c":{"oneOf":[{"const":1},{"const":"x"}]},"d":{"enum":["a",null]},"e":{"enum":[1,2],"type":"integer"},"f":true,"g":{"type":"string","format":"uri"},"h":{"type":"string","format":"date-time"},"i":{"type":"array","items":[{}]}}}`,
			`{"type":"object","properties":{"a":{"nullable":true,"anyOf":[{"type":"string"},{"type":"integer"}]},"b":{"nullable":true},"c":{"anyOf":[{},{"enum":["x"],"type":"string"}]},"d":{"enum":["a"],"nullable":true,"type":"string"},"e":{"type":"integer"},"f":{},"g":{"type":"string"},"h":{"type":"string","format":"date-time"},"i":{"type":"array","items":{}}}}`},
		{"Gemini: allOf", openai.SchemaGemini,
			`{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"allOf":[{"properties":{"a":{"type":"integer"},"b":{"type":"string"}},"required":["b"]},{"minProperties":1}]}`,
			`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"required":["a","b"],"minProperties":1}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.JSONEq(t, tt.want, parametersAs(t, tt.form, tt.in))
			if tt.form == openai.SchemaFull {
				require.Equal(t, tt.want, parametersAs(t, tt.form, tt.in))
			}
		})
	}
}

// TestHostileSchemas: a schema from elsewhere costs little time and memory.
func TestHostileSchemas(t *testing.T) {
	t.Parallel()
	var bomb strings.Builder
	bomb.WriteString(`{"type":"object","properties":{"a":{"$ref":"#/$defs/d0"}},"$defs":{`)
	for i := range 60 {
		fmt.Fprintf(&bomb, `"d%d":{"type":"object","properties":{"x":{"$ref":"#/$defs/d%d"},"y":{"$ref":"#/$defs/d%d"}}},`, i, i+1, i+1)
	}
	bomb.WriteString(`"d60":{"type":"string"}}}`)
	deep, n := 9000, 1
	if raced { // on one goroutine, and the time that it takes then says nothing
		deep, n = deep/10, 10
	}
	for name, schema := range map[string]string{
		"references":  bomb.String(),
		"depth":       `{"type":"object","properties":{"a":` + strings.Repeat(`{"items":`, deep) + `{}` + strings.Repeat(`}`, deep) + `}}`,
		"many":        `{"type":"object","properties":{` + strings.Repeat(`"a":{"type":"array"},`, 20000/n) + `"b":{}}}`,
		"required":    `{"type":"object","properties":{"a":{}},"required":["a"` + strings.Repeat(`,"a"`, 100000/n) + `]}`,
		"a long path": `{"type":"object","properties":{"a":{"$ref":"#` + strings.Repeat(`/properties`, 10000/n) + `"}}}`,
	} {
		for _, form := range []openai.Schema{openai.SchemaFull, openai.SchemaNoIDs, openai.SchemaUnbounded, openai.SchemaGemini} {
			start := time.Now()
			got := parametersAs(t, form, schema)
			t.Logf("%s, %s: %v, %d bytes of %d", name, form, time.Since(start), len(got), len(schema))
			require.Less(t, time.Since(start), 20*time.Second, "%s, %s", name, form)
			require.Less(t, len(got), 4*len(schema)+1<<20, "%s, %s", name, form)
		}
	}
}

func FuzzSchema(f *testing.F) {
	for _, s := range []string{`{}`, `{"type":["a",null],"$ref":"#/$ref"}`, `{"allOf":[{"$ref":"#"},{"required":[1,"a"]}],"properties":{"a":{"enum":[null,{}]}}}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, schema string) {
		if !json.Valid([]byte(schema)) {
			t.Skip()
		}
		for _, form := range []openai.Schema{openai.SchemaFull, openai.SchemaNoIDs, openai.SchemaUnbounded, openai.SchemaGemini} {
			parametersAs(t, form, schema) // sent requires valid JSON
		}
	})
}

// TestSchemaGrammar has what llama.cpp makes no grammar of.
func TestSchemaGrammar(t *testing.T) {
	t.Parallel()
	const any = `["string","number","boolean","object","array","null"]`
	for _, tt := range []struct{ name, full, want string }{
		{"nothing to do", `{"type":"object","properties":{"a":{"type":["string","null"]},"b":{},"c":{"enum":["x"]}},"required":["a"],"additionalProperties":false}`, ""},
		{"true and false", `{"type":"object","properties":{"a":true,"b":false,"c":{"anyOf":[true,false,{"type":"string"}]},"d":{"type":"array","items":true},"e":{"type":"object","additionalProperties":true}}}`,
			`{"type":"object","properties":{"a":{},"c":{"anyOf":[{},{"type":"string"}]},"d":{"type":"array","items":{}},"e":{"type":"object","additionalProperties":true}}}`},
		{"lists of nothing", `{"type":"object","properties":{"a":{"type":"string","oneOf":[false]},"b":{"type":"array","prefixItems":[true,{"type":"string"}],"items":false}}}`,
			`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"array","prefixItems":[{},{"type":"string"}]}}}`},
		{"the whole", `{"type":"object","properties":{"sub":{"$ref":"#"},"n":{"type":"integer","minimum":1}},"required":["n"]}`,
			`{"type":"object","properties":{"sub":{"$ref":"#/$defs/self"},"n":{"type":"integer"}},"required":["n"],"$defs":{"self":{"type":"object","properties":{"sub":{"$ref":"#/$defs/self"},"n":{"type":"integer"}},"required":["n"]}}}`},
		{"the whole, and a definition of that name", `{"type":"object","properties":{"a":{"$ref":"#/$defs/self"},"b":{"$ref":"#"}},"$defs":{"self":true}}`,
			`{"type":"object","properties":{"a":{"$ref":"#/$defs/self"},"b":{"$ref":"#/$defs/self_"}},"$defs":{"self":{},"self_":{"type":"object","properties":{"a":{"$ref":"#/$defs/self"},"b":{"$ref":"#/$defs/self_"}}}}}`},
		{"references", `{"type":"object","properties":{"a":{"$ref":"#/$defs/A"},"b":{"$ref":"#anchor"},"c":{"$ref":"#/$defs/a~1b","description":"C"},"d":{"$ref":"#/$defs/no"}},"$defs":{"A":{"type":"string"},"a/b":{"type":"string"}}}`,
			`{"type":"object","properties":{"a":{"$ref":"#/$defs/A"},"b":{},"c":{"description":"C","type":` + any + `},"d":{}},"$defs":{"A":{"type":"string"},"a/b":{"type":"string"}}}`},
		{"nothing that it knows", `{"type":"object","properties":{"a":{"description":"Anything."},"b":{"not":{"type":"null"}},"c":{"if":{"type":"string"},"then":{"minLength":1},"title":"C"}}}`,
			`{"type":"object","properties":{"a":{"description":"Anything.","type":` + any + `},"b":{},"c":{"title":"C","type":` + any + `}}}`},
		{"names of keywords", `{"type":"object","properties":{"not":{"type":"string"},"pattern":{"type":"string","pattern":"x"},"items":false}}`,
			`{"type":"object","properties":{"not":{"type":"string"},"pattern":{"type":"string"}}}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, cmp.Or(tt.want, tt.full), parametersAs(t, openai.SchemaGrammar, tt.full))
		})
	}
}
