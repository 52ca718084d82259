package tool

import (
	"bytes"
	"slices"
	"strings"
)

// compileRaw compiles a schema that is not ours. Many say nothing of their draft
// and are written as an older one, or OpenAPI 3.0, would have it: those are read
// as draft 2020-12 would say it. To take them for the older draft would hold
// formats that nobody asked for, and drop what came later.
func compileRaw(doc *value) (*validator, error) {
	valid, err := compile(doc, nil)
	if err == nil || doc.has("$schema") {
		return valid, err
	}
	newer := doc.clone()
	modernize(newer)
	if bytes.Equal(newer.json(), doc.json()) {
		return nil, err
	}
	if valid, none := compile(newer, nil); none == nil {
		return valid, nil
	}
	return nil, err // about the schema as it was written
}

// modernize writes what a schema has of older drafts as draft 2020-12 does:
// "items" that differ by their place, exclusive bounds that are booleans beside
// others, and names in "$id".
func modernize(root *value) {
	repoint(root, root)
	upgrade(root)
}

func upgrade(s *value) {
	s.inner(func(below *value, _ ...string) { upgrade(below) })
	exclusive(s)
	if name, ok := strings.CutPrefix(s.get("$id").str(), "#"); ok && name != "" {
		s.remove("$id")
		s.set("$anchor", text(name))
	}
	if !isTuple(s) {
		return
	}
	if len(s.get("items").items) == 0 {
		s.remove("items")
	}
	for i, m := range s.members {
		if name, ok := tupleNames[m.name]; ok {
			s.members[i].name = name
		}
	}
}

// exclusive writes the bounds of draft-04, where exclusiveMinimum is a boolean
// beside minimum, as all later drafts do.
func exclusive(s *value) {
	for _, keyword := range []string{"exclusiveMinimum", "exclusiveMaximum"} {
		b := s.get(keyword)
		inclusive := strings.ToLower(strings.TrimPrefix(keyword, "exclusive"))
		bound := s.get(inclusive)
		if b == nil || b.form != booleanForm || bound == nil {
			continue
		}
		s.remove(keyword)
		if b.text == "true" {
			s.remove(inclusive)
			s.set(keyword, bound)
		}
	}
}

// isTuple reports whether the items of a schema differ by their place, as drafts
// before 2020-12 say it.
func isTuple(s *value) bool {
	items := s.get("items")
	return items != nil && items.form == arrayForm && !s.has("prefixItems")
}

// tupleNames are what the keywords of a tuple are called since then.
var tupleNames = map[string]string{"items": "prefixItems", "additionalItems": "items"}

// repoint makes references lead where they led when the names have changed.
func repoint(s, root *value) {
	s.inner(func(below *value, _ ...string) { repoint(below, root) })
	path, local := pathOf(s.get("$ref").str())
	if !local {
		return
	}
	now, at := slices.Clone(path), root
	for i, step := range path {
		if name, ok := tupleNames[step]; ok && isTuple(at) {
			now[i] = name
		}
		at = descend(at, path[i:i+1])
	}
	if !slices.Equal(now, path) {
		s.set("$ref", text(fragment(pointer(now))))
	}
}
