package forms

import (
	"net/url"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
)

// ToWire makes of a schema what the model is shown of it: without "$schema",
// "$id", "$anchor", "$comment" and "title", which some providers refuse and which tell a
// model nothing. A default becomes a sentence of the description: it would be
// refused too, but the model should know what happens without the property. What
// only older drafts know is written as draft 2020-12 does, and what does not count
// there is left out. A reference that leads
// nowhere is left out.
func ToWire(root *tree.Value) {
	g, legacy := readGraph(root), isLegacy(root)
	g.dropDynamic()
	for _, s := range g.sites {
		if ref := s.schema.Get("$ref"); ref.Str() != "" {
			s.schema.Set("$ref", tree.Text(g.reference(ref.Str(), s.base)))
			if legacy {
				s.schema.Members = slices.DeleteFunc(s.schema.Members, func(m tree.Member) bool { return m.Name != "$ref" && !tree.IsAnnotation(m.Name) })
			}
		}
		s.schema.ToWire()
	}
	modernize(root)
	dropDangling(root)
}

// locate returns the address that a reference names, in full, and the fragment of
// it, which is empty or begins with #.
func locate(base, ref string) (at, rest string) {
	name, rest, _ := strings.Cut(ref, "#")
	if rest != "" {
		rest = "#" + rest
	}
	if name == "" {
		return base, rest
	}
	from, err := url.Parse(base)
	if err != nil {
		return name, rest
	}
	to, err := from.Parse(name)
	if err != nil {
		return name, rest
	}
	return to.String(), rest
}

// fragment is a JSON pointer as a reference.
func fragment(pointer string) string {
	return "#" + (&url.URL{Fragment: pointer}).EscapedFragment()
}
