package forms

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
)

// A definition is the target of a reference.
type definition struct {
	name     string
	path     []string
	refs     []*definition // definitions that this definition refers to
	optional error         // error for an optional property of the definition, used inside of unions
}

// reference rewrites a reference. The form allows no other keyword beside a reference.
func (s *strictBuilder) reference(n *tree.Value) (*tree.Value, error) {
	ref := n.Get("$ref").Str()
	path, target := s.follow(ref)
	if target == nil {
		return nil, s.errorf("a reference to %s, which cannot be followed", tree.Quote(ref))
	}
	for _, m := range n.Members {
		same := m.Name == "type" && slices.Equal(strictTypes(n), strictTypes(target))
		if m.Name != "$ref" && !same && !tree.IsAnnotation(m.Name) {
			return nil, s.errorf("%s beside a reference", m.Name)
		}
	}
	to := "#"
	if d := s.definition(path); d != s.top {
		to = "#/$defs/" + d.name
	}
	return withDescription(n, tree.Object(tree.Member{Name: "$ref", Value: tree.Text(to)})), nil
}

// follow returns the target of a local reference, or nil for other references.
func (s *strictBuilder) follow(ref string) ([]string, *tree.Value) {
	path, local := tree.PathOf(ref)
	if !local {
		return nil, nil
	}
	return path, tree.Descend(s.shown, path)
}

// definition returns the definition of the schema at path, and makes a new definition at
// the first reference.
func (s *strictBuilder) definition(path []string) *definition {
	key := tree.Pointer(path)
	d := s.defs[key]
	if len(path) == 0 {
		d = s.top
	}
	if d == nil {
		d = &definition{name: s.unused(path[len(path)-1]), path: path}
		s.defs[key] = d
		s.queue = append(s.queue, d)
	}
	if s.inUnion {
		s.unionRefs = append(s.unionRefs, d)
	}
	s.current.refs = append(s.current.refs, d)
	return d
}

// unused returns an unused name that needs no escapes in a reference.
func (s *strictBuilder) unused(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) || r == '-' || r == '.' {
			return r
		}
		return '_'
	}, clip.Runes(name, tree.MaxEcho))
	unique := name
	for i := 2; s.names[unique]; i++ {
		unique = fmt.Sprintf("%s_%d", name, i)
	}
	s.names[unique] = true
	return unique
}

// define rewrites all definitions, including definitions with references from
// definitions.
func (s *strictBuilder) define(root *tree.Value) error {
	defs := tree.Object()
	for i := 0; i < len(s.queue); i++ {
		d := s.queue[i]
		s.current, s.inUnion, s.path = d, false, nil
		made, err := s.below(tree.Descend(s.shown, d.path), d.path...)
		if err != nil {
			return err
		}
		defs.Members = append(defs.Members, tree.Member{Name: d.name, Value: liftDescription(tree.Object(), "", made)})
	}
	if len(defs.Members) > 0 {
		root.Set("$defs", defs)
	}
	return s.checkUnionRefs()
}

// checkUnionRefs refuses optional properties in definitions that unions refer to.
func (s *strictBuilder) checkUnionRefs() error {
	seen := map[*definition]bool{}
	for len(s.unionRefs) > 0 {
		d := s.unionRefs[0]
		s.unionRefs = s.unionRefs[1:]
		if seen[d] {
			continue
		}
		if seen[d] = true; d.optional != nil {
			return d.optional
		}
		s.unionRefs = append(s.unionRefs, d.refs...)
	}
	return nil
}
