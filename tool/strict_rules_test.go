package tool_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// strictRules applies the documented rules of a provider for "strict": true, and returns
// the violations. strictRules shares no code with the package and reads the sent bytes.
//
// Source: "Structured model outputs", section "Supported schemas", of OpenAI's
// documentation, as of February 2026; that a reference stands alone and that an
// array names its items is what its error texts say.
func strictRules(raw json.RawMessage) []string {
	var root map[string]any
	if err := json.Unmarshal(raw, &root); err != nil {
		return []string{err.Error()}
	}
	r := &rules{root: root}
	if root["type"] != "object" {
		r.refuse("", "the root is not an object")
	}
	r.schema("", root, 1)
	if defs, ok := root["$defs"].(map[string]any); ok {
		for name, def := range defs {
			r.characters += utf8.RuneCountInString(name)
			r.schema("/$defs/"+name, def, 1)
		}
	}
	for what, n := range map[string]struct{ got, most int }{
		"properties": {r.properties, 5_000}, "enum values": {r.values, 1_000}, "characters": {r.characters, 120_000}, "levels": {r.levels, 10},
	} {
		if n.got > n.most {
			r.refuse("", fmt.Sprintf("%d %s", n.got, what))
		}
	}
	slices.Sort(r.refused)
	return r.refused
}

type rules struct {
	root                                   map[string]any
	refused                                []string
	properties, values, characters, levels int
}

func (r *rules) refuse(at, why string) { r.refused = append(r.refused, at+": "+why) }

var ruleKeywords = map[string][]string{
	"object":  {"properties", "required", "additionalProperties", "$defs"},
	"array":   {"items", "minItems", "maxItems"},
	"string":  {"pattern", "format"},
	"number":  {"multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
	"integer": {"multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
	"boolean": nil,
	"null":    nil,
}

func (r *rules) schema(at string, v any, level int) {
	n, ok := v.(map[string]any)
	if !ok {
		r.refuse(at, "not an object")
		return
	}
	switch {
	case n["$ref"] != nil:
		r.only(at, n, "$ref")
		r.reference(at, n["$ref"])
	case n["anyOf"] != nil:
		r.only(at, n, "anyOf", "description")
		forms, _ := n["anyOf"].([]any)
		if at == "" || len(forms) < 2 {
			r.refuse(at, "anyOf")
		}
		for i, form := range forms {
			r.schema(fmt.Sprintf("%s/anyOf/%d", at, i), form, level)
		}
	default:
		r.typed(at, n, level)
	}
}

func (r *rules) only(at string, n map[string]any, allowed ...string) {
	for name := range n {
		if !slices.Contains(allowed, name) {
			r.refuse(at, name+" is not permitted")
		}
	}
	if d, ok := n["description"]; ok {
		if s, ok := d.(string); !ok || s == "" {
			r.refuse(at, "no description")
		}
	}
}

func (r *rules) reference(at string, ref any) {
	name, ok := strings.CutPrefix(ref.(string), "#/$defs/")
	defs, _ := r.root["$defs"].(map[string]any)
	if ref != "#" && (!ok || defs[name] == nil) {
		r.refuse(at, fmt.Sprint(ref, " refers to nothing"))
	}
}

func (r *rules) typed(at string, n map[string]any, level int) {
	typ, nullable := n["type"].(string)
	if types, ok := n["type"].([]any); ok && len(types) == 2 && types[1] == "null" && types[0] != "null" {
		typ, _ = types[0].(string)
	} else if !nullable {
		r.refuse(at, fmt.Sprint("type ", n["type"]))
		return
	}
	keywords, known := ruleKeywords[typ]
	if !known {
		r.refuse(at, "type "+typ)
	}
	r.only(at, n, append([]string{"type", "description", "enum"}, keywords...)...)
	if enum, ok := n["enum"]; ok {
		r.enum(at, enum)
	}
	if f, ok := n["format"]; ok && !slices.Contains([]any{"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}, f) {
		r.refuse(at, fmt.Sprint("format ", f))
	}
	switch typ {
	case "object":
		r.levels = max(r.levels, level)
		r.object(at, n, level)
	case "array":
		r.levels = max(r.levels, level)
		r.schema(at+"/items", n["items"], level+1)
	}
}

func (r *rules) enum(at string, v any) {
	values, _ := v.([]any)
	if len(values) == 0 {
		r.refuse(at, "an enum without values")
	}
	characters := 0
	for _, v := range values {
		switch v := v.(type) {
		case []any, map[string]any:
			r.refuse(at, "an enum of objects or lists")
		default:
			characters += utf8.RuneCountInString(fmt.Sprint(v))
		}
	}
	if len(values) > 250 && characters > 15_000 {
		r.refuse(at, "an enum too large")
	}
	r.values += len(values)
	r.characters += characters
}

func (r *rules) object(at string, n map[string]any, level int) {
	properties, ok := n["properties"].(map[string]any)
	if !ok || n["additionalProperties"] != false {
		r.refuse(at, "an object that is not closed")
	}
	required, _ := n["required"].([]any)
	if len(required) != len(properties) {
		r.refuse(at, "not all properties are required")
	}
	r.properties += len(properties)
	for name, p := range properties {
		r.characters += utf8.RuneCountInString(name)
		if !slices.Contains(required, any(name)) {
			r.refuse(at, name+" is not required")
		}
		r.schema(at+"/properties/"+name, p, level+1)
	}
}

// TestStrictRulesCanFail: the rules refuse what they are there for.
func TestStrictRulesCanFail(t *testing.T) {
	t.Parallel()
	object := func(p string) string {
		return `{"type":"object","properties":{"a":` + p + `},"required":["a"],"additionalProperties":false}`
	}
	for schema, want := range map[string][]string{
		object(`{"type":"string"}`):                                          nil,
		object(`{"type":["string","null"],"enum":["a",null]}`):               nil,
		object(`{"$ref":"#"}`):                                               nil,
		object(`{"anyOf":[{"$ref":"#"},{"type":"null"}],"description":"d"}`): nil,
		object(`{"anyOf":[{"$ref":"#"}]}`):                                   {"/properties/a: anyOf"},
		object(`{}`):                                                         {"/properties/a: type <nil>"},
		object(`true`):                                                       {"/properties/a: not an object"},
		object(`{"type":"array"}`):                                           {"/properties/a/items: not an object"},
		object(`{"type":"string","minLength":1}`):                            {"/properties/a: minLength is not permitted"},
		object(`{"type":"string","format":"uri"}`):                           {"/properties/a: format uri"},
		object(`{"type":["string","integer"]}`):                              {"/properties/a: type [string integer]"},
		object(`{"$ref":"#","description":"d"}`):                             {"/properties/a: description is not permitted"},
		object(`{"$ref":"#/$defs/x"}`):                                       {"/properties/a: #/$defs/x refers to nothing"},
		object(`{"type":"string","enum":[]}`):                                {"/properties/a: an enum without values"},
		object(`{"type":"object","properties":{}}`):                          {"/properties/a: an object that is not closed"},
		`{"anyOf":[{"type":"null"}]}`:                                        {": anyOf", ": the root is not an object"},
		`{"type":"object","properties":{},"additionalProperties":true}`:      {": an object that is not closed"},
		strings.Replace(object(`{"type":"null"}`), `["a"]`, `["b"]`, 1):      {": a is not required"},
		strings.Replace(object(`{"type":"null"}`), `["a"]`, `[]`, 1):         {": a is not required", ": not all properties are required"},
		nestingOf(11): {": 11 levels"},
	} {
		require.Equal(t, want, strictRules(json.RawMessage(schema)), schema)
	}
}

// nested returns an object with the given number of nested objects.
func nestingOf(levels int) string {
	s := `{"type":"string"}`
	for range levels {
		s = `{"type":"object","properties":{"a":` + s + `},"required":["a"],"additionalProperties":false}`
	}
	return s
}
