package openai

import (
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
)

// ungrammatical are the keywords that llama.cpp ignores or refuses. llama.cpp refuses
// a schema of only such keywords. Source:
// https://github.com/ggml-org/llama.cpp/blob/master/common/json-schema-to-grammar.cpp,
// read 2026-11-29.
var ungrammatical = append(slices.Clone(bounds),
	"not", "if", "then", "else", "dependentSchemas", "dependentRequired", "dependencies",
	"unevaluatedProperties", "unevaluatedItems", "additionalItems",
	"$schema", "$id", "$comment", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor",
)

// kinded are the keywords from which llama.cpp derives the kind of a schema.
var kinded = []string{"type", "$ref", "oneOf", "anyOf", "allOf", "const", "enum", "properties", "items", "prefixItems"}

// anyType is a schema for everything, where {} cannot stand.
const anyType = `["string","number","boolean","object","array","null"]`

// A grammarSchema rewrites one schema. A rule without an equivalent is left out, so
// the result allows more than the schema.
type grammarSchema struct {
	root []byte
	self string // the definition that stands for the whole
	used bool   // something refers to it
}

// grammar rewrites the whole schema.
func grammar(full []byte, root *schema) {
	g := grammarSchema{root: full, self: "self"}
	for rawjson.Member(rawjson.Member(full, "$defs"), g.self) != nil {
		g.self += "_"
	}
	g.rewrite(root)
	if !g.used {
		return
	}
	whole := schema{fields: slices.Clone(root.fields)}
	drop("$defs", "definitions")(&whole)
	defs := parseSchema(root.member("$defs"), 0)
	defs.fields.raw(g.self, whole.bytes())
	root.fields.replace("$defs", defs.bytes())
}

func (g *grammarSchema) rewrite(s *schema) {
	drop(ungrammatical...)(s)
	for i, f := range s.fields {
		switch f.name {
		case "properties":
			s.fields[i].value = withoutFalse(f.value)
		case "anyOf", "oneOf", "allOf":
			s.fields[i].value = array(slices.DeleteFunc(slices.Collect(rawjson.Elements(f.value)), isFalse))
		}
	}
	s.fields = slices.DeleteFunc(s.fields, func(f field) bool {
		switch f.name {
		case "$ref":
			return !g.known(rawjson.Text(f.value))
		case "anyOf", "oneOf", "allOf":
			return string(f.value) == "[]"
		}
		return f.name == "items" && rawjson.Kind(f.value) != '{' && rawjson.Kind(f.value) != '['
	})
	addItems(s)
	if rawjson.Text(s.member("$ref")) == "#" {
		s.fields.replace("$ref", rawjson.AppendString(nil, "#/$defs/"+g.self))
		g.used = true
	}
	if len(s.fields) > 0 && !slices.ContainsFunc(s.fields, func(f field) bool { return slices.Contains(kinded, f.name) }) && rawjson.Kind(s.member("additionalProperties")) != '{' {
		s.fields.raw("type", []byte(anyType))
	}
	closed := s.member("additionalProperties")
	s.inner(func(v []byte) []byte {
		if rawjson.Kind(v) != '{' {
			if v := string(v); v == "true" || v == "false" {
				return []byte(`{}`)
			}
			return v
		}
		inside := parseSchema(v, s.depth+1)
		g.rewrite(inside)
		return inside.bytes()
	})
	if closed != nil && rawjson.Kind(closed) != '{' { // there a boolean is known
		s.fields.replace("additionalProperties", closed)
	}
}

func isFalse(v []byte) bool { return string(v) == "false" }

// withoutFalse leaves out the properties that nothing fits.
func withoutFalse(properties []byte) []byte {
	if rawjson.Kind(properties) != '{' {
		return properties
	}
	var all fields
	for name, v := range rawjson.Members(properties) {
		if !isFalse(v) {
			all.raw(name, v)
		}
	}
	return all.object()
}

// known reports a reference that llama.cpp finds: it reads no escapes.
func (g *grammarSchema) known(ref string) bool {
	if ref == "#" {
		return true
	}
	path, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		return false
	}
	v := g.root
	for name := range strings.SplitSeq(path, "/") {
		v = rawjson.Member(v, name)
	}
	return v != nil
}
