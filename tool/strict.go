package tool

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// strict returns the strict form of the schema, or the reason why there is none.
func (s *schema) strict() (json.RawMessage, error) {
	switch {
	case s.valid == nil:
		return nil, errors.New("its schema cannot be checked here")
	case s.keepsNull != nil:
		return nil, s.keepsNull
	case s.valid.formats != nil: // ours: what it holds beyond what is shown leaves the form as it is
		return strictForm(s.wire, nil)
	}
	return strictForm(s.wire, s.valid.doc)
}

// strictForm rewrites the schema that the model is shown into the form that providers hold
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
func strictForm(wire json.RawMessage, held *value) (json.RawMessage, error) {
	shown, err := parse(string(wire), reflectedLimits)
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
	return root.json(), nil
}

// isLegacy reports whether a schema is of a draft in which nothing beside "$ref"
// counts.
func isLegacy(doc *value) bool {
	for _, draft := range []string{"draft-07", "draft-06", "draft-04"} {
		if strings.Contains(doc.get("$schema").str(), draft) {
			return true
		}
	}
	return false
}

// A stricter makes the strict form of one schema.
type stricter struct {
	shown  *value
	held   *value // nil: no more than is shown, and null in place of an absent property is no difference
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
	}, clip(pointer(path), 3*maxEcho))
}

func (s *stricter) below(n *value, steps ...string) (*value, error) {
	before := len(s.path)
	s.path = append(s.path, steps...)
	made, err := s.schema(n)
	s.path = s.path[:before]
	return made, err
}

// root rewrites the top, which has to be an object itself.
func (s *stricter) root(held *value) (*value, error) {
	n := s.shown
	if ref := n.get("$ref"); ref != nil {
		path, target := s.follow(ref.str())
		if target == nil || !slices.Equal(typesOf(target), []string{"object"}) || target.has("$ref", "anyOf", "oneOf", "allOf") {
			return nil, s.no("a reference in place of the arguments")
		}
		for _, m := range n.members {
			if !s.legacy && m.name != "$ref" && m.name != "type" && !isAnnotation(m.name) && !(m.name == "properties" && len(m.value.members) == 0) {
				return nil, s.no("%s beside a reference", m.name)
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
func (s *stricter) withPresence(n, held *value) (*value, error) {
	n = n.shallow()
	for _, keyword := range combinators {
		if !held.has(keyword) {
			continue
		}
		sentence := presence(keyword, held.get(keyword), n)
		if sentence == "" {
			return nil, s.no("%s at the top, which the model is not shown", keyword)
		}
		n.say(sentence)
	}
	return n, nil
}

// shallow returns a copy whose members can be replaced.
func (v *value) shallow() *value {
	c := *v
	c.members = slices.Clone(v.members)
	return &c
}

// lost are keywords that no description could make up for: with them the form
// would not let the model make a call that the tool takes.
var lost = []string{"not", "if", "dependentSchemas", "propertyNames", "prefixItems", "$dynamicRef", "$recursiveRef"}

func (s *stricter) checkLost(n *value) error {
	for _, keyword := range lost {
		if n.has(keyword) {
			return s.no("%s", keyword)
		}
	}
	if slices.ContainsFunc(members(n.get("dependencies")), func(m member) bool { return m.value.form != arrayForm }) {
		return s.no("dependencies")
	}
	return nil
}

func (s *stricter) schema(n *value) (*value, error) {
	if n.form != objectForm {
		return nil, s.no("%s", map[string]string{"true": "any value", "false": "no value at all"}[n.text])
	}
	if s.legacy && n.has("$ref") {
		n = n.shallow()
		n.members = slices.DeleteFunc(n.members, func(m member) bool { return m.name != "$ref" && !isAnnotation(m.name) })
	}
	n, err := s.single(n)
	if err != nil {
		return nil, err
	}
	if err := s.checkLost(n); err != nil {
		return nil, err
	}
	switch {
	case n.has("$ref"):
		return s.reference(n)
	case n.has("anyOf", "oneOf"):
		return s.union(n)
	}
	types := strictTypes(n)
	if len(types) == 0 {
		return nil, s.no("any value")
	}
	return s.typed(n, types)
}

// annotations are keywords that hold no value to anything.
var annotations = []string{"description", "examples", "deprecated", "readOnly", "writeOnly", "nullable", "$anchor", "$dynamicAnchor", "$defs", "definitions"}

func isAnnotation(name string) bool {
	return slices.Contains(annotations, name) || strings.HasPrefix(name, "x-")
}

// single puts the only branch of an allOf in its place.
func (s *stricter) single(n *value) (*value, error) {
	for all := n.get("allOf"); all != nil; all = n.get("allOf") {
		if len(all.items) != 1 || all.items[0].form != objectForm {
			return nil, s.no("allOf")
		}
		branch := all.items[0]
		n = n.shallow()
		n.remove("allOf")
		for _, m := range branch.members {
			if isAnnotation(m.name) {
				n.setDefault(m.name, m.value)
				continue
			}
			if n.has(m.name) && !(m.name == "type" && string(n.get("type").json()) == string(m.value.json())) {
				return nil, s.no("allOf with %s on both sides", m.name)
			}
			n.set(m.name, m.value)
		}
		if closing := []string{"properties", "patternProperties", "additionalProperties", "unevaluatedProperties"}; branch.has(closing...) &&
			slices.ContainsFunc(closing, func(k string) bool { return n.has(k) && !branch.has(k) }) {
			return nil, s.no("allOf with properties on both sides") // each of them looks at its own side only
		}
	}
	return n, nil
}

// described puts the description of n, and what the form has no keyword for,
// before what was made of it.
func described(n, made *value) *value {
	about := object()
	if d := n.get("description"); d.str() != "" {
		about.set("description", d)
	}
	for _, sentence := range []string{made.get("description").str(), annotated(n)} {
		if sentence != "" {
			about.say(sentence)
		}
	}
	if d := about.get("description"); d != nil {
		made.set("description", d)
		made.front("description")
	}
	made.front("type")
	return made
}

// alone takes the description from beside a reference, which has to stand alone,
// to what it stands in.
func alone(in *value, about string, made *value) *value {
	d := made.get("description").str()
	if !made.has("$ref") || d == "" {
		return made
	}
	in.say(about + d)
	return object(member{"$ref", made.get("$ref")})
}

// nullable makes a strict schema take null too.
func nullable(made *value) *value {
	null := object(member{"type", text("null")})
	either := made.get("anyOf")
	switch {
	case made.has("$ref"):
		return choice([]*value{made, null})
	case either != nil && !takesNull(either):
		either.items = append(either.items, null)
	case either == nil && !slices.Contains(made.get("type").strs(), "null") && made.get("type").str() != "null":
		admitNull(made)
	}
	return made
}
