package forms

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
	"github.com/seed-916e8f6a/toolloop/tool/internal/validate"
)

// StrictForm rewrites the schema that the model is shown into the form that providers hold
// it to with "strict": true. Its error says why there is none.
//
// Every object is closed and requires all its properties; one that may be left
// out takes null instead, which a repairer drops again. What the form cannot say is
// said in the description as far as it only narrows a value. What it would lose
// is an error: then a call that the tool takes could not be made.
//
// held is the schema that arguments are held to, which has what is not shown: the
// combinations at its top, and what is the default of a property. It is nil for that
// of a Go type.
//
// Source: "Structured model outputs", section "Supported schemas", of OpenAI's
// documentation, as of February 2026.
func StrictForm(wire json.RawMessage, held *tree.Value) (json.RawMessage, error) {
	shown, err := tree.Parse(string(wire), tree.ReflectedLimits)
	if err != nil {
		return nil, err
	}
	s := &stricter{shown: shown, held: held, legacy: isLegacy(held), defs: map[string]*definition{}, names: map[string]bool{}, within: &definition{}}
	s.top = s.within
	root, err := s.root(held)
	if err != nil {
		return nil, err
	}
	if err := s.define(root); err != nil {
		return nil, err
	}
	if err := checkStrict(root); err != nil {
		return nil, err
	}
	return root.JSON(), nil
}

// isLegacy reports whether a schema is of a draft in which nothing beside "$ref"
// counts.
func isLegacy(doc *tree.Value) bool {
	for _, draft := range []string{"draft-07", "draft-06", "draft-04"} {
		if strings.Contains(doc.Get("$schema").Str(), draft) {
			return true
		}
	}
	return false
}

// A stricter makes the strict form of one schema.
type stricter struct {
	shown  *tree.Value
	held   *tree.Value // nil: no more than is shown, and null in place of an absent property is no difference
	legacy bool
	path   []string               // of the schema that is being rewritten
	defs   map[string]*definition // by the pointer of what was referred to
	names  map[string]bool        // of the definitions
	queue  []*definition          // in the order of the first reference
	choice bool                   // inside of anyOf, where no null is dropped
	inside []*definition          // referred to from there
	within *definition            // that is being rewritten
	top    *definition            // the arguments, to which "#" refers
}

// no is the error for the schema that is being rewritten.
func (s *stricter) no(format string, args ...any) error {
	return errors.New(place(s.path) + ": " + fmt.Sprintf(format, args...))
}

// place names a schema in one line.
func place(path []string) string {
	if len(path) == 0 {
		return "(top level)"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, tree.Clip(tree.Pointer(path), 3*tree.MaxEcho))
}

func (s *stricter) below(n *tree.Value, steps ...string) (*tree.Value, error) {
	before := len(s.path)
	s.path = append(s.path, steps...)
	made, err := s.schema(n)
	s.path = s.path[:before]
	return made, err
}

// root rewrites the top, which has to be an object itself.
func (s *stricter) root(held *tree.Value) (*tree.Value, error) {
	n := s.shown
	if ref := n.Get("$ref"); ref != nil {
		path, target := s.follow(ref.Str())
		if target == nil || !slices.Equal(validate.TypesOf(target), []string{"object"}) || target.Has("$ref", "anyOf", "oneOf", "allOf") {
			return nil, s.no("a reference in place of the arguments")
		}
		for _, m := range n.Members {
			if !s.legacy && m.Name != "$ref" && m.Name != "type" && !tree.IsAnnotation(m.Name) && !(m.Name == "properties" && len(m.Value.Members) == 0) {
				return nil, s.no("%s beside a reference", m.Name)
			}
		}
		n, s.path = target, path
	}
	n, err := s.withPresence(n, held)
	if err != nil {
		return nil, err
	}
	if n, err = s.single(n); err != nil {
		return nil, err
	}
	if err := s.checkLost(n); err != nil {
		return nil, err
	}
	return s.typed(n, []string{"object"})
}

// withPresence says at the top which properties have to be there together, if
// no more than that is held but not shown.
func (s *stricter) withPresence(n, held *tree.Value) (*tree.Value, error) {
	n = n.Shallow()
	for _, keyword := range tree.Combinators {
		if !held.Has(keyword) {
			continue
		}
		sentence := presence(keyword, held.Get(keyword), n)
		if sentence == "" {
			return nil, s.no("%s at the top, which the model is not shown", keyword)
		}
		n.Say(sentence)
	}
	return n, nil
}

// lost are keywords that no description could make up for: with them the form
// would not let the model make a call that the tool takes.
var lost = []string{"not", "if", "dependentSchemas", "propertyNames", "prefixItems", "$dynamicRef", "$recursiveRef"}

func (s *stricter) checkLost(n *tree.Value) error {
	for _, keyword := range lost {
		if n.Has(keyword) {
			return s.no("%s", keyword)
		}
	}
	if slices.ContainsFunc(tree.Members(n.Get("dependencies")), func(m tree.Member) bool { return m.Value.Form != tree.ArrayForm }) {
		return s.no("dependencies")
	}
	return nil
}

func (s *stricter) schema(n *tree.Value) (*tree.Value, error) {
	if n.Form != tree.ObjectForm {
		return nil, s.no("%s", map[string]string{"true": "any value", "false": "no value at all"}[n.Text])
	}
	if s.legacy && n.Has("$ref") {
		n = n.Shallow()
		n.Members = slices.DeleteFunc(n.Members, func(m tree.Member) bool { return m.Name != "$ref" && !tree.IsAnnotation(m.Name) })
	}
	n, err := s.single(n)
	if err != nil {
		return nil, err
	}
	if err := s.checkLost(n); err != nil {
		return nil, err
	}
	switch {
	case n.Has("$ref"):
		return s.reference(n)
	case n.Has("anyOf", "oneOf"):
		return s.union(n)
	}
	types := strictTypes(n)
	if len(types) == 0 {
		return nil, s.no("any value")
	}
	return s.typed(n, types)
}

// single puts the only branch of an allOf in its place.
func (s *stricter) single(n *tree.Value) (*tree.Value, error) {
	for all := n.Get("allOf"); all != nil; all = n.Get("allOf") {
		if len(all.Items) != 1 || all.Items[0].Form != tree.ObjectForm {
			return nil, s.no("allOf")
		}
		branch := all.Items[0]
		n = n.Shallow()
		n.Remove("allOf")
		for _, m := range branch.Members {
			if tree.IsAnnotation(m.Name) {
				n.SetDefault(m.Name, m.Value)
				continue
			}
			if n.Has(m.Name) && !(m.Name == "type" && string(n.Get("type").JSON()) == string(m.Value.JSON())) {
				return nil, s.no("allOf with %s on both sides", m.Name)
			}
			n.Set(m.Name, m.Value)
		}
		if closing := []string{"properties", "patternProperties", "additionalProperties", "unevaluatedProperties"}; branch.Has(closing...) &&
			slices.ContainsFunc(closing, func(k string) bool { return n.Has(k) && !branch.Has(k) }) {
			return nil, s.no("allOf with properties on both sides") // each of them looks at its own side only
		}
	}
	return n, nil
}

// described puts the description of n, and what the form has no keyword for,
// before what was made of it.
func described(n, made *tree.Value) *tree.Value {
	about := tree.Object()
	if d := n.Get("description"); d.Str() != "" {
		about.Set("description", d)
	}
	for _, sentence := range []string{made.Get("description").Str(), annotated(n)} {
		if sentence != "" {
			about.Say(sentence)
		}
	}
	if d := about.Get("description"); d != nil {
		made.Set("description", d)
		made.Front("description")
	}
	made.Front("type")
	return made
}

// alone takes the description from beside a reference, which has to stand alone,
// to what it stands in.
func alone(in *tree.Value, about string, made *tree.Value) *tree.Value {
	d := made.Get("description").Str()
	if !made.Has("$ref") || d == "" {
		return made
	}
	in.Say(about + d)
	return tree.Object(tree.Member{Name: "$ref", Value: made.Get("$ref")})
}

// nullable makes a strict schema take null too.
func nullable(made *tree.Value) *tree.Value {
	null := tree.Object(tree.Member{Name: "type", Value: tree.Text("null")})
	either := made.Get("anyOf")
	switch {
	case made.Has("$ref"):
		return choice([]*tree.Value{made, null})
	case either != nil && !tree.TakesNull(either):
		either.Items = append(either.Items, null)
	case either == nil && !slices.Contains(made.Get("type").Strings(), "null") && made.Get("type").Str() != "null":
		tree.AdmitNull(made)
	}
	return made
}
