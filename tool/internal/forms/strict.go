package forms

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
	"github.com/seed-916e8f6a/toolloop/tool/internal/validate"
)

// StrictForm rewrites the shown schema for "strict": true, or says why no such form
// exists.
//
// Every object is closed and requires all properties. An optional property admits null
// instead, and validation drops the null again. Keywords that the form does not support
// move to the description if they only narrow a value. Other unsupported keywords are
// errors, because the model could not make a call that the tool accepts.
//
// held is the schema for validation, with details that the model does not see: the
// combinations at the top and the defaults of properties. held is nil for a Go type.
//
// Source: "Structured model outputs", section "Supported schemas", of OpenAI's
// documentation, as of February 2026.
func StrictForm(wire json.RawMessage, held *tree.Value) (json.RawMessage, error) {
	shown, err := tree.Parse(string(wire), tree.ReflectedLimits)
	if err != nil {
		return nil, err
	}
	s := &strictBuilder{shown: shown, held: held, legacy: isLegacy(held), defs: map[string]*definition{}, names: map[string]bool{}, current: &definition{}}
	s.top = s.current
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

// isLegacy reports whether doc has a draft in which keywords beside "$ref" do not count.
func isLegacy(doc *tree.Value) bool {
	for _, draft := range []string{"draft-07", "draft-06", "draft-04"} {
		if strings.Contains(doc.Get("$schema").Str(), draft) {
			return true
		}
	}
	return false
}

// A strictBuilder makes the strict form of one schema.
type strictBuilder struct {
	shown     *tree.Value
	held      *tree.Value // nil if shown is complete, and null means the same as an absent property
	legacy    bool
	path      []string               // of the current schema
	defs      map[string]*definition // by the pointer of the target
	names     map[string]bool        // names in use for definitions
	queue     []*definition          // in the order of the first reference
	inUnion   bool                   // inside of anyOf, where validation drops no null
	unionRefs []*definition          // definitions that unions refer to
	current   *definition            // current definition
	top       *definition            // arguments; the target of "#"
}

// errorf returns an error with the place of the current schema.
func (s *strictBuilder) errorf(format string, args ...any) error {
	return errors.New(place(s.path) + ": " + fmt.Sprintf(format, args...))
}

// place formats the path of a schema in one line.
func place(path []string) string {
	if len(path) == 0 {
		return "(top level)"
	}
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, clip.Runes(tree.Pointer(path), 3*tree.MaxEcho))
}

func (s *strictBuilder) below(n *tree.Value, steps ...string) (*tree.Value, error) {
	before := len(s.path)
	s.path = append(s.path, steps...)
	made, err := s.schema(n)
	s.path = s.path[:before]
	return made, err
}

// root rewrites the top, which must be an object without a reference.
func (s *strictBuilder) root(held *tree.Value) (*tree.Value, error) {
	n := s.shown
	if ref := n.Get("$ref"); ref != nil {
		path, target := s.follow(ref.Str())
		if target == nil || !slices.Equal(validate.TypesOf(target), []string{"object"}) || target.Has("$ref", "anyOf", "oneOf", "allOf") {
			return nil, s.errorf("a reference in place of the arguments")
		}
		for _, m := range n.Members {
			if !s.legacy && m.Name != "$ref" && m.Name != "type" && !tree.IsAnnotation(m.Name) && !(m.Name == "properties" && len(m.Value.Members) == 0) {
				return nil, s.errorf("%s beside a reference", m.Name)
			}
		}
		n, s.path = target, path
	}
	n, err := s.withPresence(n, held)
	if err != nil {
		return nil, err
	}
	if n, err = s.mergeAllOf(n); err != nil {
		return nil, err
	}
	if err := s.checkLost(n); err != nil {
		return nil, err
	}
	return s.typed(n, []string{"object"})
}

// withPresence describes hidden combinations at the top in words. This works only for
// combinations that say which properties must be present together.
func (s *strictBuilder) withPresence(n, held *tree.Value) (*tree.Value, error) {
	n = n.Shallow()
	for _, keyword := range tree.Combinators {
		if !held.Has(keyword) {
			continue
		}
		sentence := presence(keyword, held.Get(keyword), n)
		if sentence == "" {
			return nil, s.errorf("%s at the top, which the model is not shown", keyword)
		}
		n.AddSentence(sentence)
	}
	return n, nil
}

// irreplaceable lists keywords that a description cannot replace. Without such a
// keyword, the form would forbid calls that the tool accepts.
var irreplaceable = []string{"not", "if", "dependentSchemas", "propertyNames", "prefixItems", "$dynamicRef", "$recursiveRef"}

func (s *strictBuilder) checkLost(n *tree.Value) error {
	for _, keyword := range irreplaceable {
		if n.Has(keyword) {
			return s.errorf("%s", keyword)
		}
	}
	if slices.ContainsFunc(tree.Members(n.Get("dependencies")), func(m tree.Member) bool { return m.Value.Form != tree.ArrayForm }) {
		return s.errorf("dependencies")
	}
	return nil
}

func (s *strictBuilder) schema(n *tree.Value) (*tree.Value, error) {
	if n.Form != tree.ObjectForm {
		return nil, s.errorf("%s", map[string]string{"true": "any value", "false": "no value at all"}[n.Text])
	}
	if s.legacy && n.Has("$ref") {
		n = n.Shallow()
		n.Members = slices.DeleteFunc(n.Members, func(m tree.Member) bool { return m.Name != "$ref" && !tree.IsAnnotation(m.Name) })
	}
	n, err := s.mergeAllOf(n)
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
		return nil, s.errorf("any value")
	}
	return s.typed(n, types)
}

// mergeAllOf merges the only branch of an allOf into the schema.
func (s *strictBuilder) mergeAllOf(n *tree.Value) (*tree.Value, error) {
	for all := n.Get("allOf"); all != nil; all = n.Get("allOf") {
		if len(all.Items) != 1 || all.Items[0].Form != tree.ObjectForm {
			return nil, s.errorf("allOf")
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
				return nil, s.errorf("allOf with %s on both sides", m.Name)
			}
			n.Set(m.Name, m.Value)
		}
		if closing := []string{"properties", "patternProperties", "additionalProperties", "unevaluatedProperties"}; branch.Has(closing...) &&
			slices.ContainsFunc(closing, func(k string) bool { return n.Has(k) && !branch.Has(k) }) {
			return nil, s.errorf("allOf with properties on both sides") // each such keyword considers only its own side
		}
	}
	return n, nil
}

// withDescription sets the description of made: first the description of n, then the
// sentences for unsupported keywords.
func withDescription(n, made *tree.Value) *tree.Value {
	about := tree.Object()
	if d := n.Get("description"); d.Str() != "" {
		about.Set("description", d)
	}
	for _, sentence := range []string{made.Get("description").Str(), annotationSentences(n)} {
		if sentence != "" {
			about.AddSentence(sentence)
		}
	}
	if d := about.Get("description"); d != nil {
		made.Set("description", d)
		made.Front("description")
	}
	made.Front("type")
	return made
}

// liftDescription moves the description of a reference to the enclosing schema, because
// the form does not allow keywords beside a reference.
func liftDescription(in *tree.Value, about string, made *tree.Value) *tree.Value {
	d := made.Get("description").Str()
	if !made.Has("$ref") || d == "" {
		return made
	}
	in.AddSentence(about + d)
	return tree.Object(tree.Member{Name: "$ref", Value: made.Get("$ref")})
}

// nullable lets a strict schema admit null.
func nullable(made *tree.Value) *tree.Value {
	null := tree.Object(tree.Member{Name: "type", Value: tree.Text("null")})
	either := made.Get("anyOf")
	switch {
	case made.Has("$ref"):
		return anyOf([]*tree.Value{made, null})
	case either != nil && !tree.TakesNull(either):
		either.Items = append(either.Items, null)
	case either == nil && !slices.Contains(made.Get("type").Strings(), "null") && made.Get("type").Str() != "null":
		tree.AdmitNull(made)
	}
	return made
}
