package demo

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// A draft is the calls of one tool that a question suggests.
type draft struct {
	calls   []llm.Part
	found   int // required arguments that were found somewhere
	missing int // required arguments that are made up
}

// maxCalls bounds the calls of one tool: a question may be a long text.
const maxCalls = 8

// draft makes as many calls as there are things to call the tool for: of
// "Beijing and Lisbon" two with one city each, or one from a city to another.
func (t talk) draft(def llm.ToolDef, enums []string) draft {
	s := parseSchema(def.Schema)
	values := t.known(s)
	share(values, s.open("string", values), t.names(enums))
	share(values, s.open("number", values), t.numbers())
	var d draft
	for _, p := range s.required() {
		if values[p.name] != nil {
			d.found++
			continue
		}
		d.missing++
		values[p.name] = []any{t.invent(p.schema)}
	}
	n := 1
	for _, found := range values {
		n = min(max(n, len(found)), maxCalls)
	}
	for i := range n {
		d.calls = append(d.calls, llm.ToolCall{Name: def.Name, Arguments: s.arguments(values, i)})
	}
	return d
}

// known returns the values that the question chooses from enums and those that
// a tool named before.
func (t talk) known(s schema) map[string][]any {
	values := map[string][]any{}
	for _, p := range s.props {
		found := t.said(p.name)
		if p.enum != nil {
			found = t.chosen(p.enum)
		}
		if found != nil {
			values[p.name] = found
		}
	}
	return values
}

// share deals what the question has to the properties, the first to the first.
func share(values map[string][]any, among []property, pool []any) {
	for i, p := range among {
		switch {
		case len(pool) <= i:
		case p.kind == "array":
			values[p.name] = []any{pool}
		default:
			for j := i; j < len(pool); j += len(among) {
				values[p.name] = append(values[p.name], pool[j])
			}
		}
	}
}

// chosen returns the value of an enum that the question names.
func (t talk) chosen(enum []any) []any {
	for _, v := range enum {
		if s, ok := v.(string); ok && strings.Contains(strings.ToLower(t.question), strings.ToLower(s)) {
			return []any{v}
		}
	}
	return nil
}

// invent makes up a value.
func (t talk) invent(s schema) any {
	switch {
	case s.standard != nil:
		return s.standard
	case s.enum != nil:
		return s.enum[0]
	}
	switch s.kind {
	case "string":
		return t.phrase()
	case "number", "integer":
		if s.minimum != nil {
			return s.minimum
		}
		return 1
	case "boolean":
		return true
	case "array":
		return []any{}
	case "object":
		return json.RawMessage(t.object(s))
	}
	return nil
}

// form fills in the form that a final answer must have.
func (t talk) form(raw json.RawMessage) string { return t.object(parseSchema(raw)) }

func (t talk) object(s schema) string {
	values := map[string][]any{}
	for _, p := range s.required() {
		values[p.name] = []any{t.invent(p.schema)}
		if said := t.said(p.name); said != nil {
			values[p.name] = said
		}
	}
	return s.arguments(values, 0)
}

// A schema is what the provider understands of a JSON Schema.
type schema struct {
	kind     string
	enum     []any
	standard any // "default"
	minimum  any
	props    []property
	items    *schema
}

type property struct {
	name string
	must bool // it is required
	schema
}

// parseSchema reads as much as it understands; the rest is as if it were not there.
func parseSchema(raw json.RawMessage) schema {
	var doc struct {
		Type       any
		Enum       []any
		Default    any
		Minimum    any
		Properties json.RawMessage
		Required   []string
		Items      json.RawMessage
	}
	if json.Unmarshal(raw, &doc) != nil {
		return schema{}
	}
	s := schema{enum: doc.Enum, standard: doc.Default, minimum: doc.Minimum}
	s.kind, _ = doc.Type.(string)
	if doc.Items != nil {
		items := parseSchema(doc.Items)
		s.items = &items
	}
	members, _ := llm.ParseMembers(doc.Properties) // not a map: their order counts
	for _, m := range members {
		must := slices.Contains(doc.Required, m.Name)
		s.props = append(s.props, property{m.Name, must, parseSchema(json.RawMessage(m.Value))})
	}
	return s
}

func (s schema) required() []property {
	return slices.DeleteFunc(slices.Clone(s.props), func(p property) bool { return !p.must })
}

// open returns the required properties of a kind that have no value yet. An
// optional one that is left out is never wrong.
func (s schema) open(kind string, values map[string][]any) []property {
	return slices.DeleteFunc(s.required(), func(p property) bool {
		return p.enum != nil || values[p.name] != nil || p.pool() != kind
	})
}

// pool names what in the question can be the property's value.
func (p property) pool() string {
	kind := p.kind
	if p.items != nil {
		kind = p.items.kind
	}
	if kind == "integer" {
		return "number"
	}
	return kind
}

// arguments writes those of the i-th call, in the order of the schema.
func (s schema) arguments(values map[string][]any, i int) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for _, p := range s.props {
		vs := values[p.name]
		if len(vs) == 0 {
			continue
		}
		b.WriteByte(',')
		_ = enc.Encode(p.name) // these always marshal
		b.Truncate(b.Len() - 1)
		b.WriteByte(':')
		_ = enc.Encode(vs[min(i, len(vs)-1)])
		b.Truncate(b.Len() - 1)
	}
	return "{" + strings.TrimPrefix(b.String(), ",") + "}"
}

// enumWords returns the values of all enums: "Fahrenheit" is no name of a city.
func enumWords(tools []llm.ToolDef) []string {
	var all []string
	for _, def := range tools {
		for _, p := range parseSchema(def.Schema).props {
			for _, v := range p.enum {
				if s, ok := v.(string); ok {
					all = append(all, strings.ToLower(s))
				}
			}
		}
	}
	return all
}
