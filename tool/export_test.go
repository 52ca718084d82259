package tool

import (
	"bytes"
	"context"
	"encoding/json"
	"reflect"

	"github.com/seed-916e8f6a/toolloop/tool/internal/forms"
	"github.com/seed-916e8f6a/toolloop/tool/internal/gotype"
	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
)

// A DecodeError is the error of decoding arguments that fit the held schema.
type DecodeError struct{ Err error }

func (e *DecodeError) Error() string { return "decode: " + e.Err.Error() }

func (e *DecodeError) Unwrap() error { return e.Err }

// Decode is how New reads arguments.
func Decode(args json.RawMessage, in any) error { return decode(args, in) }

// Reflected is New for a type that is made while the program runs. alter, which
// may be nil, is called with every schema in the schema, shown and held, before
// they are used: it plants a bug.
func Reflected(t reflect.Type, alter func(schema map[string]any)) (Tool, error) {
	r, shown, err := gotype.ReflectArguments(t)
	if err != nil {
		return Tool{}, constructError("reflected", err)
	}
	held := r.Held(shown)
	if alter != nil {
		shown, held = altered(shown, alter), altered(held, alter)
	}
	sch, err := schemaOf(r, t, shown, held)
	if err != nil {
		return Tool{}, constructError("reflected", err)
	}
	sch.decode = func(args json.RawMessage) error {
		if err := decode(args, reflect.New(t).Interface()); err != nil {
			return &DecodeError{err}
		}
		return nil
	}
	return newTool("reflected", "", t, sch, func(context.Context, string, json.RawMessage) (any, error) { return "", nil }, nil)
}

func altered(v *tree.Value, alter func(map[string]any)) *tree.Value {
	d := json.NewDecoder(bytes.NewReader(v.JSON()))
	d.UseNumber()
	var doc map[string]any
	if err := d.Decode(&doc); err != nil {
		panic(err)
	}
	alterAll(doc, alter)
	raw, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	changed, err := tree.Parse(string(raw), tree.ReflectedLimits)
	if err != nil {
		panic(err)
	}
	return changed
}

// alterAll visits the schemas in a schema before the schema itself.
func alterAll(schema any, alter func(map[string]any)) {
	s, ok := schema.(map[string]any)
	if !ok {
		return
	}
	for _, keyword := range []string{"properties", "$defs"} {
		named, _ := s[keyword].(map[string]any)
		for _, inner := range named {
			alterAll(inner, alter)
		}
	}
	for _, keyword := range []string{"allOf", "anyOf", "oneOf"} {
		branches, _ := s[keyword].([]any)
		for _, inner := range branches {
			alterAll(inner, alter)
		}
	}
	alterAll(s["items"], alter)
	alterAll(s["additionalProperties"], alter)
	alter(s)
}

// StrictForm returns the strict form of a schema that is completely shown.
func StrictForm(wire json.RawMessage) (json.RawMessage, error) { return forms.StrictForm(wire, nil) }

// Written is what a result is written as.
func Written(v any) (string, error) { return writeJSON(reflect.ValueOf(v)) }

// ParseAny is Parse without the path for arguments that are right as they are.
func (t Tool) ParseAny(arguments string) (json.RawMessage, []string, error) {
	return t.spec.schema.parseAny(t.spec.def.Name, arguments)
}
