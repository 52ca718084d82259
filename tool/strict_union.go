package tool

import (
	"slices"
	"strconv"
	"strings"
)

// maxExclusive bounds how many forms of a oneOf are compared with each other.
const maxExclusive = 64

// union rewrites anyOf, and oneOf where at most one of its forms can fit, so
// that it means the same.
func (s *stricter) union(n *value) (*value, error) {
	keyword := "anyOf"
	if n.has("oneOf") {
		keyword = "oneOf"
	}
	branches, rest := n.get(keyword), n.shallow()
	rest.remove(keyword)
	if sentence := presence(keyword, branches, rest); sentence != "" {
		rest.say(sentence)
		return s.schema(rest)
	}
	for _, m := range rest.members {
		if m.name != "type" && !isAnnotation(m.name) {
			return nil, s.no("%s beside %s", m.name, keyword)
		}
	}
	if keyword == "oneOf" {
		if err := s.checkExclusive(branches.items); err != nil {
			return nil, err
		}
	}
	forms, err := s.forms(keyword, branches.items, strictTypes(rest))
	switch {
	case err != nil:
		return nil, err
	case len(forms) == 0:
		return nil, s.no("no value at all")
	case len(forms) == 1:
		return described(n, forms[0]), nil
	}
	return described(n, choice(forms)), nil
}

// forms rewrites the branches of a union; types are those that stand beside it,
// if any do.
func (s *stricter) forms(keyword string, branches []*value, types []string) ([]*value, error) {
	before := s.choice
	defer func() { s.choice = before }()
	s.choice = before || several(branches)
	var forms []*value
	for i, b := range branches {
		if isFalse(b) {
			continue
		}
		if len(types) > 0 {
			if b = s.withTypes(b, types); b == nil {
				continue
			}
		}
		made, err := s.below(b, keyword, strconv.Itoa(i))
		if err != nil {
			return nil, err
		}
		if either := made.get("anyOf"); either != nil && len(made.members) == 1 {
			forms = append(forms, either.items...)
		} else {
			forms = append(forms, made)
		}
	}
	return forms, nil
}

// several reports whether more than one branch takes anything but null: then
// a repairer does not know which one is meant, and drops no null.
func several(branches []*value) bool {
	n := 0
	for _, b := range branches {
		if t := b.get("type"); t == nil || !slices.Equal(strictTypes(object(member{"type", t})), []string{"null"}) {
			n++
		}
	}
	return n > 1
}

// withTypes returns a branch that takes only those types; nil if it takes none
// of them. A reference takes what it takes: its other types are held to.
func (s *stricter) withTypes(b *value, types []string) *value {
	if b.has("$ref") || b.form != objectForm {
		return b
	}
	own := strictTypes(b)
	if len(own) == 0 {
		own = types
	}
	own = slices.DeleteFunc(slices.Clone(own), func(t string) bool {
		return !slices.Contains(types, t) && !(t == "integer" && slices.Contains(types, "number"))
	})
	if len(own) == 0 {
		return nil
	}
	b = b.shallow()
	b.set("type", texts(own...))
	return b
}

// checkExclusive refuses a oneOf of which two forms might fit one value: as an
// anyOf it would take what the tool refuses, and no word could say what.
func (s *stricter) checkExclusive(branches []*value) error {
	if len(branches) > maxExclusive {
		return s.no("oneOf with more than %d forms", maxExclusive)
	}
	for i, a := range branches {
		for j, b := range branches[:i] {
			if !s.exclude(a, b) {
				return s.no("oneOf: forms %d and %d do not exclude each other", j, i)
			}
		}
	}
	return nil
}

// exclude reports whether no value fits both schemas, as far as that is easy to
// see: by type, by enum, by a property that marks the form, or by one that only
// one of them has.
func (s *stricter) exclude(a, b *value) bool {
	a, b = s.target(a), s.target(b)
	if apart(a, b) {
		return true
	}
	if !isObject(a) || !isObject(b) {
		return false
	}
	inB := map[string]bool{}
	for _, name := range b.get("required").strs() {
		inB[name] = true
	}
	for _, name := range a.get("required").strs() {
		pa, pb := s.target(a.get("properties").get(name)), s.target(b.get("properties").get(name))
		if inB[name] && apart(pa, pb) || closedWithout(b, name) {
			return true
		}
	}
	return slices.ContainsFunc(b.get("required").strs(), func(name string) bool { return closedWithout(a, name) })
}

func isObject(n *value) bool { return slices.Equal(strictTypes(n), []string{"object"}) }

func closedWithout(n *value, name string) bool {
	rest := n.get("additionalProperties")
	return rest != nil && isFalse(rest) && !n.has("patternProperties") && !n.get("properties").has(name)
}

// apart reports whether the types or the enums of two schemas have nothing in
// common.
func apart(a, b *value) bool {
	if a == nil || b == nil || a.form != objectForm || b.form != objectForm {
		return false
	}
	types, others := strictTypes(a), strictTypes(b)
	common := slices.ContainsFunc(types, func(t string) bool {
		return slices.Contains(others, t) || t == "integer" && slices.Contains(others, "number") || t == "number" && slices.Contains(others, "integer")
	})
	if len(types) > 0 && len(others) > 0 && !common {
		return true
	}
	if !a.has("enum", "const") || !b.has("enum", "const") {
		return false
	}
	values := map[string]bool{}
	for _, v := range enumOf(a) {
		values[string(v.json())] = true
	}
	return !slices.ContainsFunc(enumOf(b), func(v *value) bool { return values[string(v.json())] })
}

// target follows references.
func (s *stricter) target(n *value) *value {
	for range 8 {
		ref := n.get("$ref")
		if ref == nil {
			break
		}
		if _, n = s.follow(ref.str()); n == nil {
			return nil
		}
	}
	return n
}

// presence says in a sentence what a combination of nothing but "required"
// means for an object; empty if it is more than that.
func presence(keyword string, branches, n *value) string {
	items := branches.items
	if keyword == "not" {
		items = []*value{branches}
	}
	var groups []string
	for _, b := range items {
		names := b.get("required").strs()
		if len(names) == 0 || slices.ContainsFunc(names, func(name string) bool { return !n.get("properties").has(name) }) ||
			slices.ContainsFunc(b.members, func(m member) bool {
				return m.name != "required" && !isAnnotation(m.name) && !(m.name == "type" && m.value.str() == "object")
			}) {
			return ""
		}
		groups = append(groups, list(names, 3*maxEcho))
	}
	opening := map[string]string{
		"anyOf": "Give at least one of: ", "oneOf": "Give exactly one of: ", "allOf": "Give all of: ", "not": "Do not give together: ",
	}[keyword]
	if opening == "" || len(groups) == 0 {
		return ""
	}
	return opening + clip(strings.Join(groups, "; "), 6*maxEcho) + "."
}
