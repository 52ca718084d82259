package tool

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// A definition is a schema that others refer to.
type definition struct {
	name     string
	path     []string
	refs     []*definition // that it refers to
	optional error         // for a property of it that may be left out
}

// reference rewrites a reference. Beside it the form takes no other keyword.
func (s *stricter) reference(n *value) (*value, error) {
	ref := n.get("$ref").str()
	path, target := s.follow(ref)
	if target == nil {
		return nil, s.no("a reference to %s, which cannot be followed", quote(ref))
	}
	for _, m := range n.members {
		same := m.name == "type" && slices.Equal(strictTypes(n), strictTypes(target))
		if m.name != "$ref" && !same && !isAnnotation(m.name) {
			return nil, s.no("%s beside a reference", m.name)
		}
	}
	to := "#"
	if d := s.definition(path); d != s.top {
		to = "#/$defs/" + d.name
	}
	return described(n, object(member{"$ref", text(to)})), nil
}

// follow returns the schema that a local reference names, nil if it is none.
func (s *stricter) follow(ref string) ([]string, *value) {
	path, local := pathOf(ref)
	if !local {
		return nil, nil
	}
	return path, descend(s.shown, path)
}

var unescapeStep = strings.NewReplacer("~1", "/", "~0", "~")

// pathOf returns the path that a reference within the same schema names.
func pathOf(ref string) (path []string, local bool) {
	rest, local := strings.CutPrefix(ref, "#")
	rest, err := url.PathUnescape(rest)
	if !local || err != nil || rest != "" && rest[0] != '/' {
		return nil, false
	}
	if rest == "" {
		return nil, true
	}
	if strings.Count(rest, "/") > reflectedLimits.depth {
		return nil, false // nothing is so deep
	}
	path = make([]string, 0, strings.Count(rest, "/"))
	for step := range strings.SplitSeq(rest[1:], "/") {
		path = append(path, unescapeStep.Replace(step))
	}
	return path, true
}

// definition returns that of the schema at path, a new one if it has none.
func (s *stricter) definition(path []string) *definition {
	key := pointer(path)
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
	}, clip(name, maxEcho))
	unique := name
	for i := 2; s.names[unique]; i++ {
		unique = fmt.Sprintf("%s_%d", name, i)
	}
	s.names[unique] = true
	return unique
}

// define adds what was referred to, and what that refers to.
func (s *stricter) define(root *value) error {
	defs := object()
	for i := 0; i < len(s.queue); i++ {
		d := s.queue[i]
		s.within, s.choice, s.path = d, false, nil
		made, err := s.below(descend(s.shown, d.path), d.path...)
		if err != nil {
			return err
		}
		defs.members = append(defs.members, member{d.name, alone(object(), "", made)})
	}
	if len(defs.members) > 0 {
		root.set("$defs", defs)
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
