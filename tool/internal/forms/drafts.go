package forms

import (
	"bytes"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
	"github.com/seed-916e8f6a/toolloop/tool/internal/validate"
)

// CompileRaw compiles a schema that is not ours. Many say nothing of their draft
// and are written as an older one, or OpenAPI 3.0, would have it: those are read
// as draft 2020-12 would say it. To take them for the older draft would hold
// formats that nobody asked for, and drop what came later.
func CompileRaw(doc *tree.Value) (*validate.Validator, error) {
	valid, err := validate.Compile(doc, nil)
	if err == nil || doc.Has("$schema") {
		return valid, err
	}
	newer := doc.Clone()
	modernize(newer)
	if bytes.Equal(newer.JSON(), doc.JSON()) {
		return nil, err
	}
	if valid, none := validate.Compile(newer, nil); none == nil {
		return valid, nil
	}
	return nil, err // about the schema as it was written
}

// modernize writes what a schema has of older drafts as draft 2020-12 does:
// "items" that differ by their place, exclusive bounds that are booleans beside
// others, and names in "$id".
func modernize(root *tree.Value) {
	repoint(root, root)
	upgrade(root)
}

func upgrade(s *tree.Value) {
	s.Inner(func(below *tree.Value, _ ...string) { upgrade(below) })
	exclusive(s)
	if name, ok := strings.CutPrefix(s.Get("$id").Str(), "#"); ok && name != "" {
		s.Remove("$id")
		s.Set("$anchor", tree.Text(name))
	}
	if !isTuple(s) {
		return
	}
	if len(s.Get("items").Items) == 0 {
		s.Remove("items")
	}
	for i, m := range s.Members {
		if name, ok := tupleNames[m.Name]; ok {
			s.Members[i].Name = name
		}
	}
}

// exclusive writes the bounds of draft-04, where exclusiveMinimum is a boolean
// beside minimum, as all later drafts do.
func exclusive(s *tree.Value) {
	for _, keyword := range []string{"exclusiveMinimum", "exclusiveMaximum"} {
		b := s.Get(keyword)
		inclusive := strings.ToLower(strings.TrimPrefix(keyword, "exclusive"))
		bound := s.Get(inclusive)
		if b == nil || b.Form != tree.BooleanForm || bound == nil {
			continue
		}
		s.Remove(keyword)
		if b.Text == "true" {
			s.Remove(inclusive)
			s.Set(keyword, bound)
		}
	}
}

// isTuple reports whether the items of a schema differ by their place, as drafts
// before 2020-12 say it.
func isTuple(s *tree.Value) bool {
	items := s.Get("items")
	return items != nil && items.Form == tree.ArrayForm && !s.Has("prefixItems")
}

// tupleNames are what the keywords of a tuple are called since then.
var tupleNames = map[string]string{"items": "prefixItems", "additionalItems": "items"}

// repoint makes references lead where they led when the names have changed.
func repoint(s, root *tree.Value) {
	s.Inner(func(below *tree.Value, _ ...string) { repoint(below, root) })
	path, local := tree.PathOf(s.Get("$ref").Str())
	if !local {
		return
	}
	now, at := slices.Clone(path), root
	for i, step := range path {
		if name, ok := tupleNames[step]; ok && isTuple(at) {
			now[i] = name
		}
		at = tree.Descend(at, path[i:i+1])
	}
	if !slices.Equal(now, path) {
		s.Set("$ref", tree.Text(fragment(tree.Pointer(now))))
	}
}
