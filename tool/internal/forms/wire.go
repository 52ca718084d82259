package forms

import (
	"net/url"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
)

// ToWire turns a schema into the schema for the model. ToWire removes "$schema", "$id",
// "$anchor", "$comment" and "title", since some providers refuse these keywords and a
// model learns nothing from them. A default becomes a sentence of the description,
// because providers may refuse "default", too. Keywords of older drafts are translated
// to draft 2020-12, keywords without effect are removed, and so are invalid references.
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

// locate resolves a reference against base. at is the full address. rest is the
// fragment, which is empty or begins with #.
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

// fragment returns a JSON pointer as a local reference.
func fragment(pointer string) string {
	return "#" + (&url.URL{Fragment: pointer}).EscapedFragment()
}
