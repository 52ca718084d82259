package tool_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/mutant"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestAcceptAllocations bounds what a validated call of the usual form allocates: its
// canonical arguments.
func TestAcceptAllocations(t *testing.T) {
	plain := tool.Must(takes[struct {
		City string   `json:"city" jsonschema:"minLength=1"`
		Unit string   `json:"unit,omitempty" jsonschema:"enum=celsius,enum=fahrenheit"`
		Days int      `json:"days,omitempty" jsonschema:"minimum=1,maximum=14"`
		Tags []string `json:"tags"`
	}]())
	raw := tool.Must(tool.NewRaw("raw", "", json.RawMessage(`{"$schema":"http://json-schema.org/draft-07/schema#","properties":{"city":{"type":"string"},
		"unit":{"enum":["celsius","fahrenheit"]},"days":{"anyOf":[{"type":"integer","minimum":1},{"type":"null"}]}},"required":["city"]}`), echo))
	for _, tt := range []struct {
		tool tool.Tool
		args string
	}{
		{plain, `{"city":"Beijing","unit":"celsius","days":3,"tags":["a","b"]}`},
		{raw, `{"city":"Beijing","unit":"celsius","days":null}`},
		{raw, ` { "days" : 3 , "city" : "東京 \"\n" } `},
	} {
		require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
			_, _, err := tt.tool.Parse(tt.args)
			require.NoError(t, err)
		}), 1.0, tt.args)
	}
}

// accepts reports whether Parse needs only the path for arguments that are right as they
// are.
func accepts(made tool.Tool, arguments string) bool {
	_, ok := made.Accept(arguments)
	return ok
}

// differentPaths says how the general path differs from the path for arguments that are
// right as they are, which has accepted them; "" means not at all.
func differentPaths(made tool.Tool, arguments string) string {
	direct, repairs, err := made.Parse(arguments)
	if err != nil || len(repairs) > 0 {
		return fmt.Sprintf("accepted, but repaired (%q) or refused: %v", repairs, err)
	}
	general, repairs, err := made.ParseAny(arguments)
	switch {
	case err != nil:
		return "the general path refuses: " + err.Error()
	case len(repairs) > 0:
		return "the general path repairs: " + strings.Join(repairs, ", ")
	case string(direct) != string(general):
		return fmt.Sprintf("the general path writes %s, not %s", general, direct)
	}
	return ""
}

// A schemaGen makes schemas and arguments for them.
type schemaGen struct{ *rand.Rand }

func (g schemaGen) one(of ...any) any { return of[g.IntN(len(of))] }

// top returns the schema of arguments.
func (g schemaGen) top() map[string]any {
	s := g.object(3)
	if g.IntN(4) == 0 {
		s["$schema"] = g.one("https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-07/schema#",
			"http://json-schema.org/draft-04/schema#", "http://json-schema.org/draft-06/schema")
	}
	if g.IntN(3) == 0 {
		s["$defs"] = map[string]any{"A": g.schema(2), "B": g.schema(1)}
	}
	return s
}

func (g schemaGen) schema(depth int) any {
	var s map[string]any
	switch kind := g.IntN(12); {
	case kind < 2 && depth > 0:
		s = g.object(depth)
	case kind < 4 && depth > 0:
		s = g.array(depth)
	case kind == 4 && depth > 0:
		s = map[string]any{"anyOf": g.branches(depth)}
	case kind == 5 && depth > 0:
		s = map[string]any{"$ref": g.one("#/$defs/A", "#/$defs/B")}
	case kind == 6:
		return g.one(true, map[string]any{}, map[string]any{"description": "any"})
	case kind < 9:
		s = g.number()
	default:
		s = g.string()
	}
	if g.IntN(12) == 0 {
		g.unusual(s)
	}
	return s
}

// unusual adds a keyword that the direct path knows nothing of, or a null.
func (g schemaGen) unusual(s map[string]any) {
	switch g.IntN(8) {
	case 0:
		s["not"] = map[string]any{"const": "x"}
	case 1:
		s["pattern"] = "^a"
	case 2:
		s["format"] = "date"
	case 3:
		s["allOf"] = []any{map[string]any{"minimum": -2}, map[string]any{"maxLength": 3}}
	case 4:
		s["multipleOf"] = 2
	case 5:
		s["enum"] = []any{"a", nil, 1, 2.5, []any{1}}
	case 6:
		s["oneOf"] = []any{map[string]any{"type": "string"}, map[string]any{"type": "integer"}}
	default:
		if typ, ok := s["type"].(string); ok {
			s["type"] = []any{typ, "null"}
		}
	}
}

func (g schemaGen) branches(depth int) []any {
	all := []any{map[string]any{"type": "null"}, g.number(), g.string(), map[string]any{"type": "boolean"}, g.object(depth - 1), g.array(depth - 1)}
	g.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:1+g.IntN(3)]
}

var propertyNames = []string{"a", "b", "c d", "ä", `q"`, "a/b", "A"}

func (g schemaGen) object(depth int) map[string]any {
	properties, required := map[string]any{}, []any{}
	for _, name := range propertyNames[:g.IntN(len(propertyNames))] {
		properties[name] = g.schema(depth - 1)
		if g.IntN(2) == 0 {
			required = append(required, name)
		}
	}
	s := map[string]any{"type": "object", "properties": properties, "required": required}
	switch g.IntN(5) {
	case 0, 1:
		s["additionalProperties"] = false
	case 2:
		s["additionalProperties"] = g.schema(depth - 1)
	case 3:
		s["maxProperties"], s["minProperties"] = 2+g.IntN(4), g.IntN(2)
	}
	return s
}

func (g schemaGen) array(depth int) map[string]any {
	s := map[string]any{"type": "array"}
	if g.IntN(4) > 0 {
		s["items"] = g.schema(depth - 1)
	}
	if g.IntN(2) == 0 {
		s["minItems"], s["maxItems"] = g.IntN(2), 1+g.IntN(3)
	}
	return s
}

func (g schemaGen) number() map[string]any {
	s := map[string]any{"type": g.one("integer", "number", "number", []any{"integer", "null"})}
	if g.IntN(2) == 0 {
		s[g.one("minimum", "exclusiveMinimum").(string)] = g.one(-1, 0, 1, 1.5, json.Number("9007199254740993"), 0.1, json.Number("-9223372036854775808"))
	}
	if g.IntN(2) == 0 {
		s[g.one("maximum", "exclusiveMaximum").(string)] = g.one(1, 3, 2.5, 0.3, json.Number("9223372036854775807"), json.Number("18446744073709551615"), 1e300)
	}
	if g.IntN(5) == 0 {
		s["enum"] = []any{1, 2, 2.5, json.Number("1e2")}
	}
	return s
}

func (g schemaGen) string() map[string]any {
	s := map[string]any{"type": "string"}
	switch g.IntN(6) {
	case 4:
		s["pattern"] = g.one("^a", "b$", "^[a-z]+$", `^\w{1,2}$`, ".", `\s`, "ä|😀", "^$", "[", `(?=a)`, `\u0061`, `^[^\n]*$`)
	case 5:
		s["format"] = g.one("date", "uuid", "regex", "nonsense")
	case 0:
		s["enum"] = []any{"a", "b", "ä", "a\nb", `"`}
	case 1:
		s["const"] = g.one("a", "\u2028")
	case 2:
		s["minLength"], s["maxLength"] = g.IntN(2), 1+g.IntN(4)
	}
	return s
}

// arguments returns a text that often fits a schema, with the spellings of models.
func (g schemaGen) arguments(root map[string]any) string {
	var b strings.Builder
	g.write(&b, root, root, 5)
	return b.String()
}

func (g schemaGen) write(b *strings.Builder, root map[string]any, schema any, depth int) {
	s, _ := schema.(map[string]any)
	if ref, ok := s["$ref"].(string); ok {
		defs, _ := root["$defs"].(map[string]any)
		s, _ = defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
	}
	if branches, ok := s["anyOf"].([]any); ok {
		s, _ = branches[g.IntN(len(branches))].(map[string]any)
	}
	if g.IntN(8) == 0 {
		b.WriteString(g.one("", " ", "\n\t").(string))
	}
	typ := s["type"]
	if types, ok := typ.([]any); ok {
		typ = types[g.IntN(len(types))]
	}
	if depth <= 0 || g.IntN(30) == 0 {
		typ = g.one("null", "boolean", "integer", "string")
	}
	switch values, fixed := s["enum"].([]any); {
	case typ == "object":
		g.writeObject(b, root, s, depth)
	case typ == "array":
		b.WriteString("[")
		for i := range g.IntN(4) {
			b.WriteString([]string{"", ","}[min(i, 1)])
			g.write(b, root, s["items"], depth-1)
		}
		b.WriteString("]")
	case fixed && g.IntN(8) > 0:
		b.WriteString(g.spelled(values[g.IntN(len(values))]))
	case s["const"] != nil && g.IntN(8) > 0:
		b.WriteString(g.spelled(s["const"]))
	case g.IntN(3) > 0 && (typ == "integer" || typ == "number"):
		b.WriteString(g.one("1", "2", "0").(string))
	case g.IntN(3) > 0 && typ == "string":
		b.WriteString(g.one(`"a"`, `"b"`, `"ab"`).(string))
	case typ == "integer", typ == "number":
		b.WriteString(g.one("0", "1", "2", "-1", "3", "1.5", "2.5", "0.1", "0.30", "1.0", "1e2", "-0", "9007199254740993", "9223372036854775807", "9223372036854775808",
			"18446744073709551615", "18446744073709551616", "0.30000000000000001", "0.29999999999999999", "12345678901234567890123", "01", "1.", "1e", "1-2").(string))
	case typ == "boolean":
		b.WriteString(g.one("true", "false", `"true"`).(string))
	case typ == "null":
		b.WriteString("null")
	default:
		b.WriteString(g.one(`"a"`, `"b"`, `""`, `"abc"`, `"ä"`, `"\u00e4"`, `"\ud83d\ude00"`, `"\ud83d"`, `"a\/b"`, `"a\nb"`, `"\b\f"`, `"\u0000"`, `"\u0022"`, `"😀😀"`,
			"\"a\nb\"", "\"\u2028\"", `"\x"`, "\"\xff\"", `"3"`, `"[1]"`, `"\uD83D\uDE00x"`, "\"\x7f\"").(string))
	}
}

func (g schemaGen) writeObject(b *strings.Builder, root, s map[string]any, depth int) {
	properties, _ := s["properties"].(map[string]any)
	b.WriteString("{")
	n := 0
	for _, name := range propertyNames {
		schema, declared := properties[name]
		if g.IntN(20) == 0 != declared {
			if !declared {
				schema = s["additionalProperties"]
			}
			b.WriteString([]string{"", ","}[min(n, 1)])
			b.WriteString(g.spelled(name) + g.one(":", ": ", " :").(string))
			g.write(b, root, schema, depth-1)
			n++
		}
	}
	if g.IntN(30) == 0 {
		b.WriteString(g.one(",", `,"a":1`, `,"new":1,"new":2`, `,"new":1,"\u006eew":2`).(string))
	}
	b.WriteString("}")
}

// spelled is a value as JSON, a string sometimes with other escapes.
func (g schemaGen) spelled(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	if g.IntN(8) == 0 {
		return strings.NewReplacer("a", `\u0061`, "/", `\/`, "ä", `\u00E4`).Replace(string(raw))
	}
	return string(raw)
}

// generated returns the tool of a seed, and the schema; ok is false for a schema that no
// tool can have.
func generated(seed uint64) (made tool.Tool, schema map[string]any, ok bool) {
	schema = schemaGen{rand.New(rand.NewPCG(seed, 0))}.top()
	raw, err := json.Marshal(schema)
	if err != nil {
		panic(err)
	}
	made, err = tool.NewRaw("generated", "", raw, echo)
	return made, schema, err == nil
}

// FuzzAccept: what the direct path accepts, the general path accepts without a repair, as
// the same text. The schema is the schema of a seed.
func FuzzAccept(f *testing.F) {
	direct, all := 0, 0
	var tools sync.Map
	for seed := range uint64(someSchemas) {
		made, schema, ok := generated(seed)
		if !ok {
			continue
		}
		tools.Store(seed, made)
		g := schemaGen{rand.New(rand.NewPCG(seed, 1))}
		var corpus [][]byte
		for range 20 {
			corpus = append(corpus, []byte(g.arguments(schema)))
		}
		for _, text := range append(corpus, mutant.Of(corpus, 100)...) {
			all++
			if accepts(made, string(text)) {
				direct++
				require.Empty(f, differentPaths(made, string(text)), "%s\n%s", made.RawSchema(), text)
			}
		}
		f.Add(seed, string(corpus[0]))
	}
	require.Greater(f, direct, all/15, "too few of %d texts are accepted directly", all)
	f.Logf("%d of %d texts were accepted directly", direct, all)
	f.Fuzz(func(t *testing.T, seed uint64, text string) {
		stored, ok := tools.Load(seed)
		if !ok {
			made, _, valid := generated(seed)
			if !valid {
				return
			}
			stored, _ = tools.LoadOrStore(seed, made)
		}
		made := stored.(tool.Tool)
		if accepts(made, text) {
			require.Empty(t, differentPaths(made, text), "%s", made.RawSchema())
		}
	})
}

// TestAcceptLarge: at the limits of the general path, too, both paths agree.
func TestAcceptLarge(t *testing.T) {
	t.Parallel()
	schemas := []string{
		`{"properties":{"a":{}}}`,
		`{"properties":{"a":{"type":"array","items":{"type":"string"}}}}`,
		`{"properties":{"a":{"$ref":"#/$defs/N"}},"$defs":{"N":{"anyOf":[{"type":"array","items":{"$ref":"#/$defs/N"}},{"type":"integer"},{"type":"string"},{"type":"object","additionalProperties":{"$ref":"#/$defs/N"}}]}}}`,
		`{"properties":{"a":{"$ref":"#/$defs/N"}},"$defs":{"N":{"type":["array","integer","string","object"],"items":{"$ref":"#/$defs/N"},"additionalProperties":{"$ref":"#/$defs/N"}}}}`,
	}
	name := strings.Repeat("n", 300)
	texts := []string{
		`{"a":[` + many(`"%"`, 5_000) + `]}`,
		`{"a":[` + many(`"%"`, 60_000) + `]}`,
		`{"a":[` + many(`{"x%":1}`, 20_000) + `]}`,
		`{"a":[` + many(`[%]`, 3_000) + `]}`,
		`{"a":"` + strings.Repeat("ä", 400_000) + `"}`,
		`{"a":` + strings.Repeat(`{"`+name+`":`, 50) + `[` + many("%", 2_000) + `]` + strings.Repeat("}", 50) + `}`,
	}
	for depth := 55; depth < 70; depth++ {
		texts = append(texts, `{"a":`+strings.Repeat("[", depth)+"1"+strings.Repeat("]", depth)+`}`)
	}
	direct := 0
	for _, schema := range schemas {
		made := tool.Must(tool.NewRaw("large", "", json.RawMessage(schema), echo))
		for _, text := range texts {
			if accepts(made, text) {
				direct++
				require.Empty(t, differentPaths(made, text), "%s: %.60s", schema, text)
			}
		}
	}
	require.Greater(t, direct, 10)
}
