package forms

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
)

// A definition is a schema that others refer to.
type definition struct {
	name     string
	path     []string
	refs     []*definition // that it refers to
	optional error         // for a property of it that may be left out
}

// reference rewrites a reference. Beside it the form takes no other keyword.
func (s *stricter) reference(n *tree.Value) (*tree.Value, error) {
	ref := n.Get("$ref").Str()
	path, target := s.follow(ref)
	if target == nil {
		return nil, s.no("a reference to %s, which cannot be followed", tree.Quote(ref))
	}
	for _, m := range n.Members {
		same := m.Name == "type" && slices.Equal(strictTypes(n), strictTypes(target))
		if m.Name != "$ref" && !same && !tree.IsAnnotation(m.Name) {
			return nil, s.no("%s beside a reference", m.Name)
		}
	}
	to := "#"
	if d := s.definition(path); d != s.top {
		to = "#/$defs/" + d.name
	}
	return described(n, tree.Object(tree.Member{Name: "$ref", Value: tree.Text(to)})), nil
}

// follow returns the schema that a local reference names, nil if it is none.
func (s *stricter) follow(ref string) ([]string, *tree.Value) {
	path, local := tree.PathOf(ref)
	if !local {
		return nil, nil
	}
	return path, tree.Descend(s.shown, path)
}

// definition returns that of the schema at path, a new one if it has none.
func (s *stricter) definition(path []string) *definition {
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
	if s.choice {
		s.inside = append(s.inside, d)
	}
	s.within.refs = append(s.within.refs, d)
	return d
}

// unused makes a name that needs no escapes in a reference.
func (s *stricter) unused(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) || r == '-' || r == '.' {
			return r
		}
		return '_'
	}, tree.Clip(name, tree.MaxEcho))
	unique := name
	for i := 2; s.names[unique]; i++ {
		unique = fmt.Sprintf("%s_%d", name, i)
	}
	s.names[unique] = true
	return unique
}

// define adds what was referred to, and what that refers to.
func (s *stricter) define(root *tree.Value) error {
	defs := tree.Object()
	for i := 0; i < len(s.queue); i++ {
		d := s.queue[i]
		s.within, s.choice, s.path = d, false, nil
		made, err := s.below(tree.Descend(s.shown, d.path), d.path...)
		if err != nil {
			return err
		}
		defs.Members = append(defs.Members, tree.Member{Name: d.name, Value: alone(tree.Object(), "", made)})
	}
	if len(defs.Members) > 0 {
		root.Set("$defs", defs)
	}
	return s.checkInside()
}

// checkInside refuses properties that may be left out in what is referred to
// from inside of a choice.
func (s *stricter) checkInside() error {
	seen := map[*definition]bool{}
	for len(s.inside) > 0 {
		d := s.inside[0]
		s.inside = s.inside[1:]
		if seen[d] {
			continue
		}
		if seen[d] = true; d.optional != nil {
			return d.optional
		}
		s.inside = append(s.inside, d.refs...)
	}
	return nil
}
