package demo

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// A schema is the part of a JSON Schema that the provider understands, with
// references, allOf and unions resolved. The [judge] checks all remaining keywords.
type schema struct {
	kinds    []string // the types of the value; empty means any type
	enum     []any    // also holds a const
	given    []any    // the default and the examples
	format   string
	encoding string // "base64"
	pattern  string
	about    string // the description

	minLength, maxLength int // -1 means no limit
	minItems, maxItems   int
	minProperties        int
	unique               bool
	bounds               map[string]json.Number // "minimum" …

	properties []llm.Member
	required   []string
	names      json.RawMessage // the schema of the properties' names
	others     json.RawMessage // the schema of other properties; nil means any or none
	prefix     []json.RawMessage
	items      json.RawMessage // nil means any items
}

// members is a JSON object in a schema. The order of properties matters, but not the
// order of keywords.
type members map[string]json.RawMessage

func membersOf(raw json.RawMessage) members {
	all, _ := llm.ParseMembers(raw) // true and false are schemas without members
	m := members{}
	for _, member := range all {
		m[member.Name] = json.RawMessage(member.Value)
	}
	return m
}

// A document is a schema with the targets of its references.
type document struct {
	root  json.RawMessage
	nodes int // the number of visited nodes
}

// maxNodes limits the unfolding of a schema.
const maxNodes = 1000

// resolve follows the pointer of a reference, such as "#/$defs/Node".
func (d *document) resolve(ref string) (json.RawMessage, bool) {
	raw := d.root
	path, ok := strings.CutPrefix(ref, "#")
	for step := range strings.SplitSeq(strings.TrimPrefix(path, "/"), "/") {
		if path == "" {
			break
		}
		raw = membersOf(raw)[strings.NewReplacer("~1", "/", "~0", "~").Replace(step)]
	}
	return raw, ok && raw != nil
}

// inside returns the references to the whole document; a recursive type has such
// references.
func (d *document) inside() []string {
	refs := []string{"#"}
	root := membersOf(d.root)
	for _, keyword := range []string{"$defs", "definitions"} {
		for name, def := range membersOf(root[keyword]) {
			if p := membersOf(def)["properties"]; p != nil && string(p) == string(root["properties"]) {
				refs = append(refs, "#/"+keyword+"/"+name)
			}
		}
	}
	return refs
}

// A form is one alternative of a schema with unions.
type form struct {
	members          // embedded: a form is read like any schema
	path    []string // the references on the path to this form
}

// forms returns the alternatives of a schema, with null last. A recursive schema has
// none, so the caller must do without a value.
func (d *document) forms(raw json.RawMessage, path []string) []form {
	if d.nodes++; d.nodes > maxNodes {
		return nil
	}
	m := membersOf(raw)
	all := []form{{members{}, path}}
	var ref string
	if json.Unmarshal(m["$ref"], &ref) == nil {
		target, ok := d.resolve(ref)
		switch {
		case slices.Contains(path, ref):
			return nil
		case ok:
			all = d.forms(target, append(slices.Clone(path), ref))
		}
	}
	for _, part := range list(m["allOf"]) {
		all = combine(all, d.forms(part, path))
	}
	for _, keyword := range []string{"anyOf", "oneOf"} {
		if branches := list(m[keyword]); branches != nil {
			var either []form
			for _, b := range branches {
				either = append(either, d.forms(b, path)...)
			}
			all = combine(all, either)
		}
	}
	for _, keyword := range []string{"$ref", "allOf", "anyOf", "oneOf"} {
		delete(m, keyword)
	}
	all = combine(all, []form{{m, path}})
	slices.SortStableFunc(all, func(a, b form) int { return rank(a) - rank(b) })
	return all
}

func rank(f form) int {
	if string(f.members["type"]) == `"null"` {
		return 1
	}
	return 0
}

// maxForms limits the forms, because unions multiply.
const maxForms = 16

// combine returns each form of the first list together with each form of the second
// list.
func combine(as, bs []form) []form {
	var all []form
	for _, a := range as {
		for _, b := range bs {
			if len(all) < maxForms {
				all = append(all, form{merge(a.members, b.members), longer(a.path, b.path)})
			}
		}
	}
	return all
}

func longer(a, b []string) []string {
	if len(a) > len(b) {
		return a
	}
	return b
}

// merge joins the members of two schemas that both apply.
func merge(a, b members) members {
	m := maps.Clone(a)
	for name, value := range b {
		switch old := m[name]; {
		case old == nil:
			m[name] = value
		case name == "properties":
			m[name] = spliced(old, value, '{', '}')
		case name == "required":
			m[name] = spliced(old, value, '[', ']')
		default:
			m[name] = value
		}
	}
	return m
}

// spliced joins two JSON objects or two arrays.
func spliced(a, b json.RawMessage, begin, end byte) json.RawMessage {
	inner := func(raw json.RawMessage) string {
		s := strings.TrimSpace(string(raw))
		return strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(s, string(begin)), string(end)))
	}
	x, y := inner(a), inner(b)
	if x != "" && y != "" {
		x += ","
	}
	return json.RawMessage(string(begin) + x + y + string(end))
}

func list(raw json.RawMessage) []json.RawMessage {
	var all []json.RawMessage
	_ = json.Unmarshal(raw, &all) // other JSON values have no items
	return all
}

// defaulted matches a default in a description.
var defaulted = regexp.MustCompile(`(?i)\bdefaults?(?: to| is|:)?\s+("[^"]*"|[^\s,;]*[^\s,;.])`)

// valueOf returns a text as a JSON value, such as a number, or as a string.
func valueOf(text string) any {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) != nil || dec.More() {
		return text
	}
	return v
}

// read returns the understood part of a form.
func (f form) read() schema {
	s := schema{
		minLength: -1, maxLength: -1, minItems: -1, maxItems: -1, minProperties: -1,
		bounds: map[string]json.Number{},
		kinds:  f.kinds(),
		names:  f.members["propertyNames"],
		prefix: list(f.members["prefixItems"]),
	}
	for name, into := range map[string]any{
		"enum": &s.enum, "format": &s.format, "contentEncoding": &s.encoding, "pattern": &s.pattern, "description": &s.about,
		"minLength": &s.minLength, "maxLength": &s.maxLength, "minItems": &s.minItems, "maxItems": &s.maxItems,
		"minProperties": &s.minProperties, "uniqueItems": &s.unique, "required": &s.required,
	} {
		f.get(name, into)
	}
	for _, name := range []string{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"} {
		var n json.Number
		if f.get(name, &n) {
			s.bounds[name] = n
		}
	}
	var only any
	if f.get("const", &only) {
		s.enum = []any{only}
	}
	if f.get("default", &only) {
		s.given = append(s.given, only)
	}
	if m := defaulted.FindStringSubmatch(s.about); m != nil && s.given == nil {
		s.given = append(s.given, valueOf(m[1]))
	}
	var examples []any
	f.get("examples", &examples)
	s.given = append(s.given, examples...)
	s.properties, _ = llm.ParseMembers(f.members["properties"])
	s.others = f.schemaAt("additionalProperties")
	s.items = f.schemaAt("items")
	if tuple := list(f.members["items"]); tuple != nil { // the syntax of older drafts
		s.prefix, s.items = tuple, f.schemaAt("additionalItems")
	}
	return s
}

// get decodes a keyword. Numbers keep their text.
func (f form) get(name string, into any) bool {
	raw, ok := f.members[name]
	if !ok {
		return false
	}
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.UseNumber()
	return dec.Decode(into) == nil
}

// schemaAt returns a keyword whose value is an object.
func (f form) schemaAt(name string) json.RawMessage {
	if raw := f.members[name]; strings.HasPrefix(string(raw), "{") {
		return raw
	}
	return nil
}

// kinds returns the types of the values, by the keyword type or by other keywords.
func (f form) kinds() []string {
	var one string
	var some []string
	switch {
	case f.get("type", &one):
		return []string{one}
	case f.get("type", &some):
		if i := slices.Index(some, "null"); i >= 0 { // null is the last choice
			some = append(slices.Delete(some, i, i+1), "null")
		}
		return some
	case f.members["properties"] != nil || f.members["required"] != nil:
		return []string{"object"}
	case f.members["items"] != nil || f.members["prefixItems"] != nil:
		return []string{"array"}
	case f.members["format"] != nil || f.members["pattern"] != nil || f.members["minLength"] != nil || f.members["maxLength"] != nil:
		return []string{"string"}
	}
	for _, name := range []string{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"} {
		if f.members[name] != nil {
			return []string{"number"}
		}
	}
	return nil
}

func (s schema) is(kind string) bool { return slices.Contains(s.kinds, kind) }
