package openai

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
)

// maxSchemaDepth limits the rewriting of schemas. Deeper schemas are sent unchanged.
const maxSchemaDepth = 64

// emptyParameters is the schema of a tool without arguments.
const emptyParameters = `{"type":"object","properties":{}}`

// parameters returns the schema of the arguments in the form that all providers take:
// an object with properties, and no list without items. A schema in this form is
// returned unchanged.
func parameters(schema json.RawMessage) json.RawMessage {
	if rawjson.Kind(schema) != '{' { // nothing, null, true
		return json.RawMessage(emptyParameters)
	}
	root := parseSchema(schema, 0)
	root.edit(addItems)
	if root.member("type") == nil {
		root.fields = append(fields{{"type", []byte(`"object"`)}}, root.fields...)
	}
	if root.isObject() && rawjson.IsNull(root.member("properties")) {
		root.fields.replace("properties", []byte(`{}`))
	}
	return unlessSame(schema, root.bytes())
}

// unlessSame returns made, or the original schema if both differ only in white space.
func unlessSame(schema, made json.RawMessage) json.RawMessage {
	var b bytes.Buffer
	if json.Compact(&b, schema) == nil && bytes.Equal(b.Bytes(), made) {
		return schema
	}
	return made
}

// addItems gives a list its items.
func addItems(s *schema) {
	if string(s.member("type")) == `"array"` && s.member("items") == nil && s.member("prefixItems") == nil {
		s.fields.raw("items", []byte(`{}`))
	}
}

// fit returns the schema in the form that the provider knows.
func (p *Profile) fit(full json.RawMessage) json.RawMessage {
	if p.Schema == SchemaFull && len(p.SchemaOmit) == 0 || rawjson.Kind(full) != '{' {
		return full
	}
	root := parseSchema(full, 0)
	switch p.Schema {
	case SchemaNoIDs:
		root.edit(drop("$schema", "$id"))
	case SchemaUnbounded:
		root.edit(drop(bounds...))
	case SchemaGemini:
		g := geminiSchema{root: full, room: maxInlined}
		g.rewrite(root, nil)
	case SchemaGrammar:
		grammar(full, root)
	}
	if len(p.SchemaOmit) > 0 {
		root.edit(drop(p.SchemaOmit...))
	}
	return unlessSame(full, root.bytes())
}

// bounds are the keywords that limit values without a statement about the type.
// llama.cpp cannot make a grammar of some of these keywords, and the grammars of the
// rest are too large.
var bounds = []string{
	"minLength", "maxLength", "pattern", "format", "minItems", "maxItems", "uniqueItems", "contains", "minContains", "maxContains",
	"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
	"minProperties", "maxProperties", "propertyNames", "patternProperties",
}

func drop(keywords ...string) func(*schema) {
	return func(s *schema) {
		s.fields = slices.DeleteFunc(s.fields, func(f field) bool { return slices.Contains(keywords, f.name) })
	}
}

// A schema is an object of JSON Schema whose members keep their order and, as
// far as nothing is done about them, their bytes.
type schema struct {
	fields fields
	depth  int
}

// parseSchema reads valid JSON. Only an object has members.
func parseSchema(data []byte, depth int) *schema {
	s := &schema{depth: depth}
	for name, v := range rawjson.Members(data) {
		s.fields.raw(name, v)
	}
	return s
}

func (s *schema) bytes() json.RawMessage { return s.fields.object() }

func (s *schema) member(name string) []byte {
	for _, f := range s.fields {
		if f.name == name {
			return f.value
		}
	}
	return nil
}

func (s *schema) isObject() bool {
	typ := s.member("type")
	return string(typ) == `"object"` || rawjson.Kind(typ) == '[' && strings.Contains(string(typ), `"object"`)
}

// edit does something to s and to all schemas inside.
func (s *schema) edit(do func(*schema)) {
	s.inner(func(v []byte) []byte {
		if rawjson.Kind(v) != '{' {
			return v
		}
		inside := parseSchema(v, s.depth+1)
		inside.edit(do)
		return inside.bytes()
	})
	do(s)
}

// inner replaces the subschemas of the keywords that hold schemas. A property can
// have the name of a keyword, and a value can look like a schema, so inner knows each
// keyword.
func (s *schema) inner(replace func([]byte) []byte) {
	if s.depth >= maxSchemaDepth {
		return
	}
	for i, f := range s.fields {
		switch f.name {
		case "properties", "patternProperties", "$defs", "definitions", "dependentSchemas":
			s.fields[i].value = eachMember(f.value, replace)
		case "additionalProperties", "unevaluatedProperties", "unevaluatedItems", "additionalItems",
			"contains", "propertyNames", "not", "if", "then", "else":
			s.fields[i].value = replace(f.value)
		case "prefixItems", "allOf", "anyOf", "oneOf":
			s.fields[i].value = each(f.value, replace)
		case "items":
			if rawjson.Kind(f.value) == '[' {
				s.fields[i].value = each(f.value, replace)
			} else {
				s.fields[i].value = replace(f.value)
			}
		}
	}
}

// each replaces the elements of an array. Any value that is not an array is returned
// unchanged.
func each(list []byte, replace func([]byte) []byte) []byte {
	if rawjson.Kind(list) != '[' {
		return list
	}
	var all [][]byte
	for v := range rawjson.Elements(list) {
		all = append(all, replace(v))
	}
	return array(all)
}

// eachMember does the same with the values of an object.
func eachMember(object []byte, replace func([]byte) []byte) []byte {
	if rawjson.Kind(object) != '{' {
		return object
	}
	var all fields
	for name, v := range rawjson.Members(object) {
		all.raw(name, replace(v))
	}
	return all.object()
}
