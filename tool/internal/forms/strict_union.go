package forms

import (
	"slices"
	"strconv"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
)

// maxExclusive bounds the branches of a oneOf, which are compared in pairs.
const maxExclusive = 64

// union rewrites anyOf, and also oneOf if the branches exclude each other. In this case,
// both keywords mean the same.
func (s *strictBuilder) union(n *tree.Value) (*tree.Value, error) {
	keyword := "anyOf"
	if n.Has("oneOf") {
		keyword = "oneOf"
	}
	branches, rest := n.Get(keyword), n.Shallow()
	rest.Remove(keyword)
	if sentence := presence(keyword, branches, rest); sentence != "" {
		rest.AddSentence(sentence)
		return s.schema(rest)
	}
	for _, m := range rest.Members {
		if m.Name != "type" && !tree.IsAnnotation(m.Name) {
			return nil, s.errorf("%s beside %s", m.Name, keyword)
		}
	}
	if keyword == "oneOf" {
		if err := s.checkExclusive(branches.Items); err != nil {
			return nil, err
		}
	}
	forms, err := s.forms(keyword, branches.Items, strictTypes(rest))
	switch {
	case err != nil:
		return nil, err
	case len(forms) == 0:
		return nil, s.errorf("no value at all")
	case len(forms) == 1:
		return withDescription(n, forms[0]), nil
	}
	return withDescription(n, anyOf(forms)), nil
}

// forms rewrites the branches of a union. types are the types beside the union, if any.
func (s *strictBuilder) forms(keyword string, branches []*tree.Value, types []string) ([]*tree.Value, error) {
	before := s.inUnion
	defer func() { s.inUnion = before }()
	s.inUnion = before || several(branches)
	var forms []*tree.Value
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
		if either := made.Get("anyOf"); either != nil && len(made.Members) == 1 {
			forms = append(forms, either.Items...)
		} else {
			forms = append(forms, made)
		}
	}
	return forms, nil
}

// several reports whether more than one branch admits a value other than null.
// Validation then cannot know the intended branch, and drops no null.
func several(branches []*tree.Value) bool {
	n := 0
	for _, b := range branches {
		if t := b.Get("type"); t == nil || !slices.Equal(strictTypes(tree.Object(tree.Member{Name: "type", Value: t})), []string{"null"}) {
			n++
		}
	}
	return n > 1
}

// withTypes restricts a branch to the types. The result is nil if no type is left. A
// $ref branch is returned unchanged; validation rejects its extra types.
func (s *strictBuilder) withTypes(b *tree.Value, types []string) *tree.Value {
	if b.Has("$ref") || b.Form != tree.ObjectForm {
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
	b = b.Shallow()
	b.Set("type", tree.Texts(own...))
	return b
}

// checkExclusive refuses a oneOf if two branches might accept the same value. An anyOf
// would accept values that the tool rejects, and no sentence could describe these
// values.
func (s *strictBuilder) checkExclusive(branches []*tree.Value) error {
	if len(branches) > maxExclusive {
		return s.errorf("oneOf with more than %d forms", maxExclusive)
	}
	for i, a := range branches {
		for j, b := range branches[:i] {
			if !s.exclude(a, b) {
				return s.errorf("oneOf: forms %d and %d do not exclude each other", j, i)
			}
		}
	}
	return nil
}

// exclude reports whether no value is valid for both schemas. Only simple cases are
// recognised: different types, different enum values, a property that marks the branch,
// or a required property that the other branch forbids.
func (s *strictBuilder) exclude(a, b *tree.Value) bool {
	a, b = s.target(a), s.target(b)
	if disjoint(a, b) {
		return true
	}
	if !isObject(a) || !isObject(b) {
		return false
	}
	inB := map[string]bool{}
	for _, name := range b.Get("required").Strings() {
		inB[name] = true
	}
	for _, name := range a.Get("required").Strings() {
		pa, pb := s.target(a.Get("properties").Get(name)), s.target(b.Get("properties").Get(name))
		if inB[name] && disjoint(pa, pb) || closedWithout(b, name) {
			return true
		}
	}
	return slices.ContainsFunc(b.Get("required").Strings(), func(name string) bool { return closedWithout(a, name) })
}

func isObject(n *tree.Value) bool { return slices.Equal(strictTypes(n), []string{"object"}) }

func closedWithout(n *tree.Value, name string) bool {
	rest := n.Get("additionalProperties")
	return rest != nil && isFalse(rest) && !n.Has("patternProperties") && !n.Get("properties").Has(name)
}

// disjoint reports whether two schemas have no type or no enum value in common.
func disjoint(a, b *tree.Value) bool {
	if a == nil || b == nil || a.Form != tree.ObjectForm || b.Form != tree.ObjectForm {
		return false
	}
	types, others := strictTypes(a), strictTypes(b)
	common := slices.ContainsFunc(types, func(t string) bool {
		return slices.Contains(others, t) || t == "integer" && slices.Contains(others, "number") || t == "number" && slices.Contains(others, "integer")
	})
	if len(types) > 0 && len(others) > 0 && !common {
		return true
	}
	if !a.Has("enum", "const") || !b.Has("enum", "const") {
		return false
	}
	values := map[string]bool{}
	for _, v := range tree.EnumOf(a) {
		values[string(v.JSON())] = true
	}
	return !slices.ContainsFunc(tree.EnumOf(b), func(v *tree.Value) bool { return values[string(v.JSON())] })
}

// target follows a chain of references.
func (s *strictBuilder) target(n *tree.Value) *tree.Value {
	for range 8 {
		ref := n.Get("$ref")
		if ref == nil {
			break
		}
		if _, n = s.follow(ref.Str()); n == nil {
			return nil
		}
	}
	return n
}

// presence describes a combination of "required" lists in one sentence. presence returns
// "" if the combination contains other keywords.
func presence(keyword string, branches, n *tree.Value) string {
	items := branches.Items
	if keyword == "not" {
		items = []*tree.Value{branches}
	}
	var groups []string
	for _, b := range items {
		names := b.Get("required").Strings()
		if len(names) == 0 || slices.ContainsFunc(names, func(name string) bool { return !n.Get("properties").Has(name) }) ||
			slices.ContainsFunc(b.Members, func(m tree.Member) bool {
				return m.Name != "required" && !tree.IsAnnotation(m.Name) && !(m.Name == "type" && m.Value.Str() == "object")
			}) {
			return ""
		}
		groups = append(groups, tree.List(names, 3*tree.MaxEcho))
	}
	opening := map[string]string{
		"anyOf": "Give at least one of: ", "oneOf": "Give exactly one of: ", "allOf": "Give all of: ", "not": "Do not give together: ",
	}[keyword]
	if opening == "" || len(groups) == 0 {
		return ""
	}
	return opening + clip.Runes(strings.Join(groups, "; "), 6*tree.MaxEcho) + "."
}
