package demo

import (
	"bytes"
	"context"
	"encoding/json"

	"github.com/seed-916e8f6a/toolloop/tool"
)

// A judge reports whether a value fits a schema.
type judge func(value any) bool

// judge returns the judge of a schema inside the document, in the form of a tool
// with one argument. The judge follows draft 7 of JSON Schema, because draft 7
// validates the formats of strings.
func (d *document) judge(raw json.RawMessage) judge {
	if m := membersOf(raw); m["$ref"] != nil && len(m) > 1 { // otherwise the judge would use the reference only
		ref := encode(map[string]json.RawMessage{"$ref": m["$ref"]})
		delete(m, "$ref")
		raw = encode(map[string]any{"allOf": []any{ref, m}})
	}
	root := membersOf(d.root)
	doc := map[string]any{
		"$schema":    "http://json-schema.org/draft-07/schema#",
		"properties": map[string]any{"v": raw},
		"required":   []string{"v"},
	}
	for _, keyword := range []string{"$defs", "definitions"} {
		if defs := root[keyword]; defs != nil && bytes.Contains(raw, []byte(`"$ref"`)) {
			doc[keyword] = defs
		}
	}
	accepts := accepting(encode(doc))
	return func(value any) bool { return accepts(encode(map[string]any{"v": value})) }
}

// accepting returns a function that reports whether arguments fit the schema of a
// tool. For an invalid schema, all arguments fit.
func accepting(schema json.RawMessage) func(arguments json.RawMessage) bool {
	none := func(context.Context, json.RawMessage) (string, error) { return "", nil }
	t, err := tool.NewRaw("judge", "", schema, none)
	if err != nil {
		return func(json.RawMessage) bool { return true }
	}
	return func(arguments json.RawMessage) bool {
		_, _, err := t.Parse(string(arguments))
		return err == nil
	}
}

// encode returns the JSON of v, without escapes for HTML.
func encode(v any) json.RawMessage {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(v) != nil {
		return json.RawMessage("null") // a schema with invalid JSON
	}
	return bytes.TrimSpace(b.Bytes())
}
