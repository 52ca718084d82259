package tool

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/seed-916e8f6a/toolloop/tool/internal/gotype"
	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
	"github.com/seed-916e8f6a/toolloop/tool/internal/validate"
)

// A Form is the form of a JSON document that a model writes as its answer: the schema for
// the model, the validation, the repairs. Package agent uses Forms; most programs need
// only agent.OutputOf.
//
// A Form is a small value and safe for concurrent use. The zero Form accepts nothing.
type Form struct{ spec *formSpec }

type formSpec struct {
	schema  *schema
	wrapped bool // the document is {"value": …}, because providers want an object

	// What the value of a wrapped document may be.
	list, text, object bool
}

// wrapped is the document for a type that is not an object in JSON.
type wrapped[T any] struct {
	Value T `json:"value"`
}

// FormOf returns the form of the Go type T, by the same rules as the arguments of [New].
// A type that is not an object in JSON, such as a slice or a number, is the member
// "value" of an object, because many providers demand an object; [Form.Parse] removes
// the object again. A type without a schema is an error that names the Go field. An
// interface has no schema; for one of several alternatives use a struct with a pointer
// field for each alternative.
func FormOf[T any]() (Form, error) {
	t := reflect.TypeFor[T]()
	if t.Kind() == reflect.Interface {
		return Form{}, fmt.Errorf("tool: %s has no schema: use a struct with a pointer field for each alternative", t)
	}
	f, err := formOf[T](false)
	if err != nil && !isObject(t) {
		bare := err
		if f, err = formOf[wrapped[T]](true); err != nil && strings.Contains(err.Error(), "field Value") {
			err = bare // the program has no field Value
		}
	}
	if err != nil {
		return Form{}, fmt.Errorf("tool: the form of %s: %w", t, gotype.Bare(err))
	}
	return f, nil
}

// isObject reports whether a type can only be an object in JSON.
func isObject(t reflect.Type) bool {
	t = gotype.Indirect(t)
	for _, own := range []reflect.Type{reflect.TypeFor[json.Marshaler](), reflect.TypeFor[encoding.TextMarshaler]()} {
		if reflect.PointerTo(t).Implements(own) {
			return false
		}
	}
	return t.Kind() == reflect.Struct || t.Kind() == reflect.Map
}

func formOf[T any](wrapped bool) (Form, error) {
	sch, err := schemaFor(reflect.TypeFor[T]())
	if err != nil {
		return Form{}, err
	}
	read := decoderOf(reflect.TypeFor[T]())
	sch.decode = func(document json.RawMessage) error { return read(document, new(T)) }
	sch.strict = sync.OnceValues(sch.makeStrict)
	spec := &formSpec{schema: sch, wrapped: wrapped}
	if wrapped {
		spec.list, spec.text, spec.object = sch.valueMayBe("array"), sch.valueMayBe("string"), sch.valueMayBe("object")
	}
	return Form{spec}, nil
}

// valueMayBe reports whether the property "value" may have the JSON type. A schema that
// states no type admits it.
func (s *schema) valueMayBe(kind string) bool {
	document, err := tree.Parse(string(s.wire), tree.ReflectedLimits)
	if err != nil {
		return true
	}
	value := document.Get("properties").Get("value")
	if ref, ok := strings.CutPrefix(value.Get("$ref").Str(), "#/$defs/"); ok {
		value = document.Get("$defs").Get(ref)
	}
	stated := value.Get("type")
	return stated == nil || stated.Str() == kind || slices.Contains(stated.Strings(), kind)
}

// FormRaw returns the form of a JSON Schema that describes an object. The schema is read
// as by [NewRaw].
func FormRaw(schema json.RawMessage) (Form, error) {
	sch, err := rawSchema(schema)
	if err == nil {
		err = sch.unchecked
	}
	if err != nil {
		return Form{}, fmt.Errorf("tool: %w", err)
	}
	sch.strict = sync.OnceValues(sch.makeStrict)
	return Form{&formSpec{schema: sch}}, nil
}

// Schema returns the schema for a model, and the form for providers that enforce schemas
// ("strict": true). strict is nil if the schema has no such form. The caller owns the
// bytes.
func (f Form) Schema() (shown, strict json.RawMessage) {
	if f.spec == nil {
		return nil, nil
	}
	strict, _ = f.spec.schema.strict() // without a strict form, the plain form is sent
	return slices.Clone(f.spec.schema.wire), slices.Clone(strict)
}

// Unwrap returns the member "value" of a document, or of the beginning of a document, if
// the form has the object around the type, and otherwise the document. Nil means that the
// document has no such member.
func (f Form) Unwrap(document json.RawMessage) json.RawMessage {
	if f.spec == nil || !f.spec.wrapped {
		return document
	}
	var w struct{ Value json.RawMessage }
	if json.Unmarshal(document, &w) != nil {
		return nil
	}
	return w.Value
}

// Parse validates a model's answer and returns the document in canonical JSON, as
// [Tool.Parse] does for arguments. Parse makes the repairs of [Tool.Parse] and one more:
// if the text has exactly one JSON object, the text around the object is removed. For a
// Go type that is a list, the same is true of an array in a fence or on lines of its own.
// An empty text and null are not repaired. repairs describes each repair in one sentence.
//
// The error is an *[Error] of InvalidJSON or InvalidArguments, with a Message about the
// answer for the model, or an *[Error] of Panicked.
func (f Form) Parse(text string) (document json.RawMessage, repairs []string, err error) {
	if f.spec == nil {
		return nil, nil, failedAnswer(InvalidJSON, "No answer is accepted here.", nil)
	}
	defer func() {
		if v := recover(); v != nil {
			document, repairs, err = nil, nil, panicked(v, debug.Stack())
		}
	}()
	done := new(tree.Repairs)
	v, err := validate.ParseAnswer(text, f.spec.list, f.spec.text, done)
	if err != nil {
		return nil, nil, failedAnswer(InvalidJSON, "Your answer was rejected: "+err.Error()+".", err)
	}
	if f.spec.wrapped && !(v.Form == tree.ObjectForm && v.Has("value") && (len(v.Members) == 1 || !f.spec.object)) {
		// A model that was not held to the schema may write the value alone. An object with
		// a "value" and more is no bare list: the problem is what was added.
		bare := tree.Object()
		bare.Set("value", v)
		v = bare
	}
	document, err = f.spec.schema.finish(answer, v, done)
	if err != nil {
		return nil, nil, err
	}
	if f.spec.wrapped {
		document = v.Get("value").JSON()
	}
	return document, done.List(), nil
}
