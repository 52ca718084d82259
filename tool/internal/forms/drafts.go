package forms

import (
	"bytes"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
	"github.com/seed-916e8f6a/toolloop/tool/internal/validate"
)

// CompileRaw compiles a schema of NewRaw. Many schemas have no "$schema" and use
// keywords of an older draft or of OpenAPI 3.0. Such keywords are translated to draft
// 2020-12. To compile the whole schema as an older draft would enforce formats, which
// the author did not ask for, and would ignore newer keywords.
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
	return nil, err // the error for the schema as written
}

// modernize translates keywords of older drafts to draft 2020-12: "items" with a list,
// boolean exclusive bounds, and names in "$id".
func modernize(root *tree.Value) {
	repoint(root, root)
	upgrade(root)
}

func upgrade(s *tree.Value) {
	s.EachSubschema(func(below *tree.Value, _ ...string) { upgrade(below) })
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

// exclusive translates the exclusive bounds of draft-04. In draft-04, exclusiveMinimum
// is a boolean beside minimum; in all later drafts, exclusiveMinimum is a number.
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

// isTuple reports whether "items" is a list of schemas, as in drafts before 2020-12.
func isTuple(s *tree.Value) bool {
	items := s.Get("items")
	return items != nil && items.Form == tree.ArrayForm && !s.Has("prefixItems")
}

// tupleNames maps the keywords of a tuple to the names of draft 2020-12.
var tupleNames = map[string]string{"items": "prefixItems", "additionalItems": "items"}

// repoint updates references into tuples, whose keywords get new names.
func repoint(s, root *tree.Value) {
	s.EachSubschema(func(below *tree.Value, _ ...string) { repoint(below, root) })
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
