package sample

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A schema is a JSON Schema with references and allOf resolved. The result has
// keywords of a single level, and unions whose branch is still to choose.
type schema struct {
	keywords map[string]any
	unions   [][]any // one branch of each union must hold
}

// A place is the position of a value in the document, for errors.
type place struct {
	path  string // a JSON pointer
	depth int
}

func (p place) in(step string) place {
	return place{p.path + "/" + escape.Replace(step), p.depth + 1}
}

// The steps of JSON pointers.
var (
	escape   = strings.NewReplacer("~", "~0", "/", "~1")
	unescape = strings.NewReplacer("~1", "/", "~0", "~")
)

func (p place) errorf(format string, args ...any) error {
	at := p.path
	if at == "" {
		at = "(top level)"
	}
	return fmt.Errorf(at+": "+format, args...)
}

const (
	maxDepth   = 40    // of a document; tools take 64
	maxValues  = 4_000 // made for one document, dropped values included
	maxSteps   = 10 * maxValues
	manyValues = 200 // at this count or at deepDepth, the generator finishes the document soon
	deepDepth  = 4
	maxRefs    = 64 // in a chain of references
)

// A generator makes one JSON document that fits a schema, as far as the
// generator understands the schema. The caller checks the document, because the
// generator ignores "not" and the unevaluated… keywords of draft 2020-12.
type generator struct {
	rand       *rand.Rand
	root       any
	noExamples bool
	values     int
	steps      int // into schemas
}

var errEndless = errors.New("no end was found: the schema holds itself")

// readJSON decodes JSON and keeps numbers as written.
func readJSON(text []byte) (v any, err error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	err = d.Decode(&v)
	return v, err
}

// value makes a value that fits a schema.
func (g *generator) value(node any, p place) (any, error) {
	s, err := g.flatten(node, 0)
	if err != nil {
		return nil, p.errorf("%w", err)
	}
	return g.fit(s, p)
}

// fit makes a value that fits the schema. Where there are unions, fit tries the
// branches in random order.
func (g *generator) fit(s schema, p place) (any, error) {
	if g.values++; g.values > maxValues || p.depth > maxDepth {
		return nil, p.errorf("%w", errEndless)
	}
	if len(s.unions) == 0 {
		return g.single(s, p)
	}
	branches := g.order(s.unions[0], p)
	s.unions = s.unions[1:]
	err := p.errorf("its union has no branch")
	for _, branch := range branches {
		var chosen schema
		if chosen, err = g.flatten(branch, 0); err == nil {
			chosen, err = both(s, chosen)
		}
		if err != nil {
			err = p.errorf("%w", err)
			continue
		}
		var v any
		if v, err = g.fit(chosen, p); err == nil {
			return v, nil
		}
	}
	return nil, err
}

// order shuffles branches. Deep in the document, branches without references
// come first, because such branches are sure to end.
func (g *generator) order(branches []any, p place) []any {
	branches = slices.Clone(branches)
	g.rand.Shuffle(len(branches), func(i, j int) { branches[i], branches[j] = branches[j], branches[i] })
	if g.deep(p) {
		slices.SortStableFunc(branches, func(a, b any) int { return references(a) - references(b) })
	}
	return branches
}

// deep reports whether the generator should finish the document soon.
func (g *generator) deep(p place) bool { return p.depth >= deepDepth || g.values >= manyValues }

// references counts the references in a schema.
func references(node any) int {
	n := 0
	switch node := node.(type) {
	case map[string]any:
		if _, ok := node["$ref"]; ok {
			n++
		}
		for _, inner := range node {
			n += references(inner)
		}
	case []any:
		for _, inner := range node {
			n += references(inner)
		}
	}
	return n
}

// single makes a value that fits a schema without unions.
func (g *generator) single(s schema, p place) (any, error) {
	if values := s.list("examples"); len(values) > 0 && !g.noExamples {
		if v, ok := g.among(s, values); ok {
			return v, nil
		}
	}
	if v, ok := s.keywords["const"]; ok {
		return v, nil
	}
	if values, ok := s.keywords["enum"].([]any); ok {
		v, ok := g.among(s, values)
		if !ok {
			return nil, p.errorf("no value of its enum has the type that it asks for")
		}
		return v, nil
	}
	var err error
	for _, name := range g.types(s, p) {
		var v any
		if v, err = g.typed(name, s, p); err == nil {
			return v, nil
		}
	}
	return nil, err
}

// among chooses a value of a permitted type.
func (g *generator) among(s schema, values []any) (any, bool) {
	types := s.types()
	values = slices.DeleteFunc(slices.Clone(values), func(v any) bool {
		return types != nil && !slices.ContainsFunc(typesOf(v), func(t string) bool { return slices.Contains(types, t) })
	})
	if len(values) == 0 {
		return nil, false
	}
	return values[g.rand.IntN(len(values))], true
}

func (g *generator) typed(name string, s schema, p place) (any, error) {
	switch name {
	case "object":
		return g.object(s, p)
	case "array":
		return g.array(s, p)
	case "string":
		return g.text(s, p)
	case "number", "integer":
		return g.number(name == "integer", s, p)
	case "boolean":
		return g.rand.IntN(2) == 0, nil
	case "null":
		return nil, nil
	}
	return nil, p.errorf("there is no type %q", name)
}

// types returns the permitted types of the value, in the order of the attempts.
// Null rarely comes first, unless the generator should finish soon.
func (g *generator) types(s schema, p place) []string {
	types := s.types()
	if types == nil {
		types = g.implied(s)
	}
	g.rand.Shuffle(len(types), func(i, j int) { types[i], types[j] = types[j], types[i] })
	last := []string{"null"}
	switch {
	case g.deep(p):
		last = []string{"object", "array"}
	case g.rand.IntN(4) == 0:
		last = nil
	}
	slices.SortStableFunc(types, func(a, b string) int { return rank(a, last) - rank(b, last) })
	return types
}

func rank(name string, last []string) int {
	if slices.Contains(last, name) {
		return 1
	}
	return 0
}

var impliedBy = []struct {
	kind     string
	keywords []string
}{
	{"object", []string{"properties", "required", "additionalProperties", "patternProperties", "propertyNames", "minProperties", "maxProperties"}},
	{"array", []string{"items", "prefixItems", "contains", "minItems", "maxItems", "uniqueItems"}},
	{"string", []string{"pattern", "format", "minLength", "maxLength", "contentEncoding"}},
	{"number", []string{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}},
}

// implied returns the types that the keywords imply, for a schema without a
// type.
func (g *generator) implied(s schema) []string {
	for _, by := range impliedBy {
		if slices.ContainsFunc(by.keywords, s.has) {
			return []string{by.kind}
		}
	}
	return []string{"string", "integer", "boolean"}
}

// flatten resolves references and allOf into a schema.
func (g *generator) flatten(node any, refs int) (schema, error) {
	n, ok := node.(map[string]any)
	g.steps++
	switch {
	case g.steps > maxSteps:
		return schema{}, errEndless
	case node == true:
		return schema{}, nil
	case node == false:
		return schema{}, errors.New("its schema is false: nothing fits")
	case !ok:
		return schema{}, errors.New("its schema is neither an object nor a boolean")
	case refs > maxRefs:
		return schema{}, errors.New("its references lead in a circle")
	}
	s := schema{keywords: maps.Clone(n)}
	parts, err := g.takeParts(&s)
	if err != nil {
		return schema{}, err
	}
	s.takeUnions()
	for _, part := range parts {
		flat, err := g.flatten(part, refs+1)
		if err != nil {
			return schema{}, err
		}
		if s, err = both(s, flat); err != nil {
			return schema{}, err
		}
	}
	return s, nil
}

// takeParts removes allOf and the references from s, and returns the schemas that these
// keywords add.
func (g *generator) takeParts(s *schema) ([]any, error) {
	parts := slices.Clone(s.list("allOf"))
	for _, name := range []string{"$ref", "$dynamicRef"} {
		if ref, ok := s.keywords[name].(string); ok {
			target, err := g.lookup(ref)
			if err != nil {
				return nil, err
			}
			parts = append(parts, target)
		}
		delete(s.keywords, name)
	}
	delete(s.keywords, "allOf")
	return parts, nil
}

// takeUnions turns the keywords anyOf, oneOf and if into unions. For if, the
// first branch combines the condition with then. In the else branch, the
// condition may hold by accident; the caller's check finds that case.
func (s *schema) takeUnions() {
	for _, name := range []string{"anyOf", "oneOf"} {
		if branches := s.list(name); branches != nil {
			s.unions = append(s.unions, branches)
		}
		delete(s.keywords, name)
	}
	condition, ok := s.keywords["if"]
	if !ok {
		return
	}
	then, otherwise := any(true), any(true)
	if v, ok := s.keywords["then"]; ok {
		then = v
	}
	if v, ok := s.keywords["else"]; ok {
		otherwise = v
	}
	s.unions = append(s.unions, []any{map[string]any{"allOf": []any{condition, then}}, otherwise})
	delete(s.keywords, "if")
}

// lookup resolves a reference within the schema.
func (g *generator) lookup(ref string) (any, error) {
	fragment, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return nil, fmt.Errorf("its reference %q leads out of the schema", ref)
	}
	if name, err := url.PathUnescape(fragment); err == nil {
		fragment = name
	}
	found := g.root
	if fragment != "" && !strings.HasPrefix(fragment, "/") {
		if found = anchored(g.root, fragment); found == nil {
			return nil, fmt.Errorf("its reference %q leads nowhere", ref)
		}
		return found, nil
	}
	for step := range strings.SplitSeq(strings.TrimPrefix(fragment, "/"), "/") {
		if fragment == "" {
			break
		}
		if found, ok = child(found, unescape.Replace(step)); !ok {
			return nil, fmt.Errorf("its reference %q leads nowhere", ref)
		}
	}
	return found, nil
}

func child(node any, step string) (any, bool) {
	switch node := node.(type) {
	case map[string]any:
		v, ok := node[step]
		return v, ok
	case []any:
		if i, err := strconv.Atoi(step); err == nil && 0 <= i && i < len(node) {
			return node[i], true
		}
	}
	return nil, false
}

// anchored returns the schema with the anchor, or nil.
func anchored(node any, name string) any {
	switch node := node.(type) {
	case map[string]any:
		if node["$anchor"] == name || node["$dynamicAnchor"] == name {
			return node
		}
		for _, key := range slices.Sorted(maps.Keys(node)) {
			if found := anchored(node[key], name); found != nil {
				return found
			}
		}
	case []any:
		for _, inner := range node {
			if found := anchored(inner, name); found != nil {
				return found
			}
		}
	}
	return nil
}
