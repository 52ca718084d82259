package openai

import (
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
)

// maxInlined limits the size of the inlined references of one schema. A small schema
// can refer to itself so often that the result fills the memory.
const maxInlined = 64 << 10

// geminiKeywords are the keywords of Gemini. Gemini refuses a request with any
// further keyword. Source: the message Schema of the API.
var geminiKeywords = []string{
	"type", "format", "title", "description", "nullable", "default", "example", "enum",
	"items", "minItems", "maxItems", "properties", "required", "propertyOrdering", "minProperties", "maxProperties",
	"minimum", "maximum", "minLength", "maxLength", "pattern", "anyOf",
}

// geminiFormats are the formats that Gemini takes.
var geminiFormats = []string{`"date-time"`, `"enum"`, `"int32"`, `"int64"`, `"float"`, `"double"`}

// A geminiSchema rewrites one schema. A rule without an equivalent is left out, so
// the result allows more than the schema.
type geminiSchema struct {
	root []byte
	room int // bytes that references may still become
}

// rewrite rewrites s. open lists the references around s.
func (g *geminiSchema) rewrite(s *schema, open []string) {
	if s.depth >= maxSchemaDepth {
		s.fields = fields{{"type", []byte(`"object"`)}}
		return
	}
	open = g.spread(s, g.resolve(s, open))
	rename(s, "oneOf", "anyOf")
	if v := s.member("const"); v != nil {
		s.fields.replace("enum", array([][]byte{v}))
	}
	oneType(s)
	textEnum(s)
	s.fields = slices.DeleteFunc(s.fields, unknownToGemini)
	addItems(s)
	s.inner(func(v []byte) []byte {
		if rawjson.Kind(v) != '{' {
			return []byte(`{}`) // true, and false cannot be said
		}
		inside := parseSchema(v, s.depth+1)
		g.rewrite(inside, open)
		return inside.bytes()
	})
	onlyKnown(s)
}

func unknownToGemini(f field) bool {
	switch {
	case !slices.Contains(geminiKeywords, f.name):
		return true
	case f.name == "format":
		return !slices.Contains(geminiFormats, string(f.value))
	}
	return f.name == "items" && rawjson.Kind(f.value) == '[' // a list for a tuple
}

// resolve puts what a reference names in its place, and returns the references
// within which s stands then. What stands beside it stays. A reference in
// itself, or one too many, is any object.
func (g *geminiSchema) resolve(s *schema, open []string) []string {
	for ref := rawjson.Text(s.member("$ref")); ref != ""; ref = rawjson.Text(s.member("$ref")) {
		drop("$ref")(s)
		target := g.find(ref)
		if g.room -= len(target); target == nil || g.room < 0 || slices.Contains(open, ref) {
			s.fields.replace("type", []byte(`"object"`))
			return open
		}
		open = append(open[:len(open):len(open)], ref)
		for _, f := range parseSchema(target, 0).fields {
			if s.member(f.name) == nil {
				s.fields.raw(f.name, f.value)
			}
		}
	}
	return open
}

// find follows a JSON pointer within the schema, and no other reference.
func (g *geminiSchema) find(ref string) []byte {
	path, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		return nil
	}
	v := g.root
	for name := range strings.SplitSeq(path, "/") {
		v = rawjson.Member(v, strings.NewReplacer("~1", "/", "~0", "~").Replace(name))
	}
	if rawjson.Kind(v) != '{' {
		return nil
	}
	return v
}

// spread puts the members of the schemas in allOf beside it, unless there are
// such; properties and required are put together.
func (g *geminiSchema) spread(s *schema, open []string) []string {
	list := s.member("allOf")
	drop("allOf")(s)
	for v := range rawjson.Elements(list) {
		part := parseSchema(v, s.depth)
		open = g.resolve(part, open)
		for _, f := range part.fields {
			switch have := s.member(f.name); {
			case have == nil:
				s.fields.raw(f.name, f.value)
			case f.name == "properties" && rawjson.Kind(have) == '{':
				s.fields.replace(f.name, united(have, f.value))
			case f.name == "required":
				s.fields.replace(f.name, array(slices.AppendSeq(slices.Collect(rawjson.Elements(have)), rawjson.Elements(f.value))))
			}
		}
	}
	return open
}

// united returns an object with the members of both, of two of a name the first.
func united(a, b []byte) []byte {
	var all fields
	seen := map[string]bool{}
	for _, object := range [][]byte{a, b} {
		for name, v := range rawjson.Members(object) {
			if !seen[name] {
				all.raw(name, v)
			}
			seen[name] = true
		}
	}
	return all.object()
}

func rename(s *schema, from, to string) {
	if v := s.member(from); v != nil && s.member(to) == nil {
		s.fields.replace(to, v)
	}
}

// oneType makes a list of types one, and null a mark beside it.
func oneType(s *schema) {
	list := s.member("type")
	if rawjson.Kind(list) != '[' {
		return
	}
	var types [][]byte
	for t := range rawjson.Elements(list) {
		if string(t) == `"null"` {
			s.fields.replace("nullable", []byte(`true`))
			continue
		}
		types = append(types, t)
	}
	switch len(types) {
	case 0:
		drop("type")(s)
	case 1:
		s.fields.replace("type", types[0])
	default:
		for i, t := range types {
			types[i] = fields{{"type", t}}.object()
		}
		drop("type")(s)
		if s.member("anyOf") == nil {
			s.fields.raw("anyOf", array(types))
		}
	}
}

// textEnum leaves enums to strings, as there are no others.
func textEnum(s *schema) {
	var texts [][]byte
	for v := range rawjson.Elements(s.member("enum")) {
		switch {
		case rawjson.Kind(v) == '"':
			texts = append(texts, v)
		case rawjson.IsNull(v):
			s.fields.replace("nullable", []byte(`true`))
		default:
			drop("enum")(s)
			return
		}
	}
	if len(texts) == 0 {
		drop("enum")(s)
		return
	}
	s.fields.replace("enum", array(texts))
	if s.member("type") == nil {
		s.fields.raw("type", []byte(`"string"`))
	}
}

// onlyKnown leaves in required what is a property, and each once.
func onlyKnown(s *schema) {
	required := s.member("required")
	if required == nil {
		return
	}
	properties := map[string]bool{}
	for name := range rawjson.Members(s.member("properties")) {
		properties[name] = true
	}
	var known [][]byte
	for name := range rawjson.Elements(required) {
		if properties[rawjson.Text(name)] {
			known = append(known, name)
			delete(properties, rawjson.Text(name))
		}
	}
	if len(known) == 0 {
		drop("required")(s)
		return
	}
	s.fields.replace("required", array(known))
}
