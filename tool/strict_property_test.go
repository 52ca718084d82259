package tool_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	sj "github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/mutant"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestStrictMeansTheSame checks the strict forms of random schemas in both directions.
// The tool accepts every document of the strict form, unless the document breaks a rule
// that is only in the description. A document of the shown schema fits the strict form
// after null replaces absent properties.
func TestStrictMeansTheSame(t *testing.T) {
	t.Parallel()
	const seed, documents = 20260301, 20
	schemas := mutant.Some(80)
	strict, taken, broken, whole := 0, 0, 0, 0
	for i := range schemas {
		g := &schemaMaker{Rand: rand.New(rand.NewPCG(seed, uint64(i)))}
		source := g.root()
		made, err := tool.NewRaw("x", "", encode(t, source), echo)
		require.NoError(t, err, "%s", encode(t, source))
		def := made.Def()
		if made.NotStrict() != nil {
			continue
		}
		strict++
		require.Empty(t, strictRules(def.Strict), "%s\n%s", encode(t, source), def.Strict)
		relaxed := tool.Must(tool.NewRaw("x", "", encode(t, withoutWords(source)), echo))
		validStrict, valid := compileJSON(t, def.Strict), compileJSON(t, def.Schema)
		for range documents {
			d := &documentMaker{Rand: g.Rand, root: asMap(t, def.Strict)}
			doc := d.of(d.root, 0)
			require.NoError(t, validStrict.Validate(instance(t, doc)), "the generator is wrong: %s\n%s", def.Strict, encode(t, doc))
			_, _, err := relaxed.Parse(string(encode(t, doc)))
			require.NoError(t, err, "strict, and refused: %s\n%s\n%s", encode(t, source), def.Strict, encode(t, doc))
			if args, _, err := made.Parse(string(encode(t, doc))); err != nil {
				broken++ // a rule that only words say: withoutWords has dropped it
			} else {
				taken++
				require.NoError(t, valid.Validate(instance(t, json.RawMessage(args))))
			}

			d = &documentMaker{Rand: g.Rand, root: asMap(t, def.Schema), leaveOut: true}
			if doc = d.of(d.root, 0); valid.Validate(instance(t, doc)) == nil {
				whole++
				filled := fill(doc, asMap(t, def.Strict), asMap(t, def.Strict))
				require.NoError(t, validStrict.Validate(instance(t, filled)), "taken, and not strict: %s\n%s\n%s", encode(t, source), def.Strict, encode(t, doc))
			}
		}
	}
	fmt.Printf("strict: seed %d: %d of %d random schemas; %d documents taken, %d broke a rule said in words, %d the other way\n", seed, strict, schemas, taken, broken, whole)
	require.Greater(t, strict, schemas/2)
	require.Greater(t, taken, strict*documents/2)
	require.Greater(t, broken, 0)
	require.Greater(t, whole, strict*documents/2)
}

// wordKeywords lists the keywords that a strict form describes in words.
var wordKeywords = []string{"minLength", "maxLength", "uniqueItems", "minProperties", "maxProperties", "contains", "minContains", "maxContains", "dependentRequired"}

// withoutWords returns a schema of the generator without them.
func withoutWords(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, inner := range v {
			if !slices.Contains(wordKeywords, name) {
				out[name] = withoutWords(inner)
			}
		}
		if forms, ok := v["anyOf"].([]any); ok && v["properties"] != nil && len(forms) > 0 {
			delete(out, "anyOf") // of "required"
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = withoutWords(v[i])
		}
		return out
	}
	return v
}

// A schemaMaker makes schemas, most of which have a strict form.
type schemaMaker struct {
	*rand.Rand
	defs map[string]any
}

// patterns are regular expressions, and texts that match each.
var patterns = map[string][]string{
	"^[a-z]{2,4}$": {"ab", "wxyz"},
	"^#W[0-9]+$":   {"#W1", "#W0123456"},
	"^(?!x)a":      {"ab", "a"},
}

func (g *schemaMaker) maybe() bool { return g.IntN(2) == 0 }

func (g *schemaMaker) root() map[string]any {
	g.defs = map[string]any{}
	for i := range g.IntN(3) {
		g.defs[fmt.Sprint("d", i)] = true // a name to refer to
	}
	for name := range len(g.defs) {
		g.defs[fmt.Sprint("d", name)] = g.object(1)
	}
	n := g.object(0)
	if len(g.defs) > 0 {
		n["$defs"] = g.defs
	}
	return n
}

func (g *schemaMaker) object(depth int) map[string]any {
	properties, required, n := map[string]any{}, []any{}, map[string]any{"type": "object"}
	for i := range 1 + g.IntN(4) {
		name := []string{"title", "b/c", "type", "é"}[i]
		properties[name] = g.any(depth + 1)
		if g.IntN(3) > 0 {
			required = append(required, name)
		}
	}
	n["properties"], n["required"] = properties, required
	if g.maybe() {
		n["additionalProperties"] = false
	}
	switch g.IntN(8) {
	case 0:
		n["minProperties"] = 2
	case 1:
		n["anyOf"] = []any{map[string]any{"required": []any{"title"}}, map[string]any{"required": []any{"title"}}}
	case 2:
		n["dependentRequired"] = map[string]any{"title": []any{"title"}}
	}
	return n
}

func (g *schemaMaker) any(depth int) map[string]any {
	n := g.form(depth)
	if g.IntN(3) == 0 {
		n["description"], n["title"], n["default"] = "What it is", "T", nil
	}
	return n
}

func (g *schemaMaker) form(depth int) map[string]any {
	kinds := 12
	if depth > 3 {
		kinds = 7
	}
	switch g.IntN(kinds) {
	case 0:
		return g.text()
	case 1:
		return map[string]any{"type": []any{"string", "integer", "null"}[:2+g.IntN(2)], "minimum": 3, "maxLength": 5}
	case 2:
		return map[string]any{"type": "integer", "minimum": 1, "maximum": 1000, "multipleOf": 5}
	case 3:
		return map[string]any{"type": []any{"number", "null"}, "exclusiveMinimum": 0}
	case 4:
		return map[string]any{"enum": []any{"a", 1, true, nil, "b"}[g.IntN(4):]}
	case 5:
		return map[string]any{"const": []any{"x", 3, false}[g.IntN(3)]}
	case 6:
		if len(g.defs) > 0 && g.maybe() {
			return map[string]any{"anyOf": []any{map[string]any{"$ref": "#/$defs/d0"}, map[string]any{"type": "null"}}}
		}
		return map[string]any{"type": "boolean"}
	case 7, 8:
		return g.list(depth)
	case 9:
		return g.object(depth)
	case 10:
		return map[string]any{"oneOf": []any{g.text(), map[string]any{"type": "array", "items": g.text()}, map[string]any{"type": "null"}}[:2+g.IntN(2)]}
	}
	return map[string]any{"anyOf": []any{g.marked("a", depth), g.marked("b", depth)}}
}

func (g *schemaMaker) text() map[string]any {
	n := map[string]any{"type": "string"}
	switch g.IntN(5) {
	case 0:
		n["pattern"] = "^(?!x)a"
	case 1:
		n["pattern"] = "^[a-z]{2,4}$"
	case 2:
		n["minLength"], n["maxLength"] = 1, 4
	case 3:
		n["type"] = []any{"null", "string"}
	}
	return n
}

func (g *schemaMaker) list(depth int) map[string]any {
	n := map[string]any{"type": "array", "items": g.any(depth + 1), "maxItems": 3}
	switch g.IntN(4) {
	case 0:
		n["minItems"] = 1
	case 1:
		n["uniqueItems"] = true
	case 2:
		n["contains"], n["minContains"] = map[string]any{"type": "string"}, 1
	}
	return n
}

// marked is one form of several, told by a constant.
func (g *schemaMaker) marked(mark string, depth int) map[string]any {
	n := map[string]any{"type": "object", "properties": map[string]any{"kind": map[string]any{"const": mark}, "v": g.any(depth + 1)}, "required": []any{"kind", "v"}}
	if g.maybe() {
		n["additionalProperties"] = false
	}
	return n
}

// A documentMaker makes valid documents for a strict form, as a provider with "strict":
// true does.
type documentMaker struct {
	*rand.Rand
	root     map[string]any
	leaveOut bool // properties that are not required
}

func (d *documentMaker) of(n map[string]any, depth int) any {
	if ref, ok := n["$ref"].(string); ok {
		return d.of(d.root["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any), depth+1)
	}
	if enum, ok := n["enum"].([]any); ok {
		return enum[d.IntN(len(enum))]
	}
	if c, ok := n["const"]; ok {
		return c
	}
	for _, keyword := range []string{"anyOf", "oneOf"} {
		if forms, ok := n[keyword].([]any); ok && n["properties"] == nil {
			i := d.IntN(len(forms))
			if last := forms[len(forms)-1].(map[string]any); depth > 6 && last["type"] == "null" {
				return nil
			}
			return d.of(forms[i].(map[string]any), depth)
		}
	}
	types, ok := n["type"].([]any)
	if !ok {
		types = []any{n["type"]}
	}
	if depth > 6 && slices.Contains(types, any("null")) {
		return nil
	}
	return d.typed(n, types[d.IntN(len(types))], depth)
}

func (d *documentMaker) typed(n map[string]any, typ any, depth int) any {
	switch typ {
	case "string":
		if p, ok := n["pattern"].(string); ok {
			return patterns[p][d.IntN(len(patterns[p]))]
		}
		return []string{"", "ab", "a longer text"}[d.IntN(3)]
	case "integer":
		return 5 * (1 + d.IntN(20))
	case "number":
		return []any{0.5, 7, 1e3}[d.IntN(3)]
	case "boolean":
		return d.IntN(2) == 0
	case "array":
		items := make([]any, 1+d.IntN(3))
		for i := range items {
			items[i] = d.of(n["items"].(map[string]any), depth+1)
		}
		return items
	case "object":
		out := map[string]any{}
		required, _ := n["required"].([]any)
		properties := n["properties"].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(properties)) {
			if !d.leaveOut || slices.Contains(required, any(name)) || depth < 6 && len(name)%2 == d.IntN(2) {
				out[name] = d.of(properties[name].(map[string]any), depth+1)
			}
		}
		return out
	}
	return nil
}

// fill puts null where a property is absent that a strict form requires.
func fill(doc any, n, root map[string]any) any {
	if ref, ok := n["$ref"].(string); ok {
		return fill(doc, root["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any), root)
	}
	if forms, ok := n["anyOf"].([]any); ok {
		for _, form := range forms {
			doc = fill(doc, form.(map[string]any), root)
		}
		return doc
	}
	switch doc := doc.(type) {
	case []any:
		if items, ok := n["items"].(map[string]any); ok {
			for i := range doc {
				doc[i] = fill(doc[i], items, root)
			}
		}
	case map[string]any:
		properties, _ := n["properties"].(map[string]any)
		if kind, ok := properties["kind"].(map[string]any); ok && !slices.Contains(kind["enum"].([]any), doc["kind"]) {
			return doc // another form
		}
		for name, p := range properties {
			doc[name] = fill(doc[name], p.(map[string]any), root)
		}
	}
	return doc
}

func encode(t *testing.T, v any) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return b
}

// instance converts v for the validator.
func instance(t *testing.T, v any) any {
	t.Helper()
	out, err := sj.UnmarshalJSON(strings.NewReader(string(encode(t, v))))
	require.NoError(t, err)
	return out
}

func asMap(t *testing.T, raw json.RawMessage) map[string]any {
	t.Helper()
	var m map[string]any
	require.NoError(t, json.Unmarshal(raw, &m))
	return m
}

// compileJSON compiles a schema as this test reads it, without the tool. A
// pattern that Go does not know takes everything, as in the tool.
func compileJSON(t *testing.T, raw json.RawMessage) *sj.Schema {
	t.Helper()
	m := asMap(t, raw)
	c := sj.NewCompiler()
	c.UseLoader(sj.SchemeURLLoader{})
	c.UseRegexpEngine(func(s string) (sj.Regexp, error) { return known(s), nil })
	require.NoError(t, c.AddResource("test:///schema", instance(t, m)))
	s, err := c.Compile("test:///schema")
	require.NoError(t, err)
	return s
}

// known is one of patterns.
type known string

func (k known) String() string { return string(k) }
func (k known) MatchString(s string) bool {
	return strings.Contains(string(k), "(?!") || slices.Contains(patterns[string(k)], s)
}
