package tool

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/tool/internal/forms"
	"github.com/seed-916e8f6a/toolloop/tool/internal/gotype"
	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
	"github.com/seed-916e8f6a/toolloop/tool/internal/validate"
)

// A schema has the forms and checks of a tool's arguments.
type schema struct {
	raw    json.RawMessage     // schema as given to NewRaw; nil for a Go type
	wire   json.RawMessage     // schema that the model sees
	valid  *validate.Validator // validates arguments, and may differ from wire; nil if unchecked
	shape  *gotype.Shape       // fields of the Go type; nil for a raw schema
	decode func(json.RawMessage) error

	accepts   bool     // what valid accepts needs no other check; see gotype.Plain
	unchecked error    // reason why valid is nil
	repairs   []string // repairs made to a raw schema
	keepsNull error    // reason why null differs from an absent property; only for a Go type

	// strict calls makeStrict once, when a caller needs the form. Copies of a tool share
	// the result.
	strict func() (json.RawMessage, error)
}

// schemaFor reflects the schema of arguments of type t.
func schemaFor(t reflect.Type) (*schema, error) {
	r, shown, err := gotype.ReflectArguments(t)
	if err != nil {
		return nil, err
	}
	return schemaOf(r, t, shown, r.Held(shown))
}

// schemaOf builds a schema from the two reflected documents: shown is for the model,
// held is for validation.
func schemaOf(r *gotype.Reflection, t reflect.Type, shown, held *tree.Value) (*schema, error) {
	valid, err := validate.Compile(held, r.Formats)
	if err != nil {
		return nil, err
	}
	forms.ToWire(shown)
	return &schema{wire: shown.JSON(), valid: valid, accepts: gotype.Plain(t, held), shape: gotype.ShapeOf(t, map[reflect.Type]*gotype.Shape{}), keepsNull: r.KeepsNull}, nil
}

// properties returns the names of the top-level properties that the model sees.
func (s *schema) properties() []string {
	doc, err := tree.Parse(string(s.wire), tree.ReflectedLimits)
	if err != nil {
		return nil
	}
	return doc.Get("properties").Names()
}

// parse validates and repairs the text of a model. See Tool.Parse.
func (s *schema) parse(name, arguments string) (json.RawMessage, []string, error) {
	if raw, ok := s.accept(arguments); ok {
		return raw, nil, nil
	}
	return s.parseAny(name, arguments)
}

// accept validates arguments that are right as they are. See Tool.Accept.
func (s *schema) accept(arguments string) (json.RawMessage, bool) {
	if !s.accepts || s.valid == nil {
		return nil, false
	}
	return s.valid.Accept(arguments)
}

// parseAny is parse for every text, right or wrong.
func (s *schema) parseAny(name, arguments string) (json.RawMessage, []string, error) {
	done := new(tree.Repairs)
	args, err := validate.ParseObject(arguments, done)
	if err != nil {
		return nil, nil, Fail(InvalidJSON, err.Error(), nil)
	}
	raw, err := s.finish(callOf(name), args, done)
	if err != nil {
		return nil, nil, err
	}
	return raw, done.List(), nil
}

// finish validates a parsed document, and decodes the document.
func (s *schema) finish(w wording, v *tree.Value, done *tree.Repairs) (json.RawMessage, error) {
	if err := s.check(w, v, done); err != nil {
		return nil, err
	}
	s.shape.ConvertDurations(v)
	raw := v.JSON()
	if err := s.decode(raw); err != nil {
		return nil, decodeFailure(w, err)
	}
	return raw, nil
}

// check repairs a document and validates the document against the schema.
func (s *schema) check(w wording, v *tree.Value, done *tree.Repairs) error {
	if s.valid == nil {
		return nil
	}
	found, err := s.valid.Check(v, done)
	if errors.Is(err, validate.ErrTooComplex) {
		return w.misfit(w.tooComplex, err)
	}
	if p, ok := errors.AsType[*validate.TypePanic](err); ok {
		return panicked(p.Value, p.Stack)
	}
	if err != nil {
		return w.misfit(w.notChecked, err)
	}
	if len(found.Problems) > 0 {
		return w.misfit(validate.Report(w.mismatch, found), nil)
	}
	names := &validate.Explainer{Args: v}
	if s.shape.Check(v, names, nil); len(names.Found.Problems) > 0 {
		return w.misfit(validate.Report(w.mismatch, names.Found), nil)
	}
	return nil
}

// decode reads arguments into a Go value.
func decode(args json.RawMessage, in any) error { return rawjson.Decode(args, in) }

// decoderOf returns the function that reads arguments into values of type t. Only a field
// of type any needs the json.Decoder, which costs more than the decoding of usual
// arguments. The function gets a pointer to a zero value.
func decoderOf(t reflect.Type) func(json.RawMessage, any) error {
	if gotype.HoldsInterface(t) {
		return decode
	}
	flat := gotype.NewFlatReader(t)
	return func(args json.RawMessage, in any) error {
		if flat != nil {
			v := reflect.ValueOf(in).Elem()
			if flat(args, v) {
				return nil
			}
			v.SetZero()
		}
		if json.Unmarshal(args, in) == nil {
			return nil
		}
		return decode(args, in) // for the error
	}
}

// decodeFailure reports arguments that fit the schema but cannot be decoded. A schema
// cannot express every rule of a type's own UnmarshalJSON.
func decodeFailure(w wording, err error) *Error {
	p := validate.Problem{Text: w.unreadable}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if e.Field != "" {
			p.Path = strings.Split(e.Field, ".")
		}
		p.Text = "does not fit, got a " + clip.Runes(e.Value, tree.MaxEcho)
	} else {
		p.Text += validate.Reason(err)
	}
	return w.misfit(validate.Report(w.mismatch, validate.Findings{Problems: []validate.Problem{p}}), err)
}

// rawSchema prepares a schema that was written as JSON.
func rawSchema(raw json.RawMessage) (*schema, error) {
	doc := tree.Object()
	if none := strings.TrimSpace(string(raw)); none != "" && none != "null" {
		var err error
		if doc, err = tree.Parse(string(raw), tree.SchemaLimits); err != nil {
			return nil, fmt.Errorf("schema: %w", err)
		}
		if n := doc.Schemas(); n > forms.MaxRawSchemas {
			return nil, fmt.Errorf("schema: it has %d objects and booleans; at most %d are read", n, forms.MaxRawSchemas)
		}
	}
	sch := &schema{raw: slices.Clone(raw), accepts: true, decode: func(json.RawMessage) error { return nil }}
	var err error
	if sch.repairs, err = forms.Normalize(doc); err != nil {
		return nil, err
	}
	if sch.valid, err = forms.CompileRaw(doc); err != nil {
		sch.valid, sch.unchecked = nil, err
	}
	shown, err := forms.Shown(doc)
	if err != nil {
		return nil, err
	}
	sch.wire = shown.JSON()
	return sch, sch.checkShown(shown, doc)
}

// checkShown validates the parts of a schema that the compiler did not look at. The
// compiler follows the draft that "$schema" names, which may be older than the draft of
// the shown schema. Without "$schema", the compiler skips "definitions" and
// "dependencies".
func (s *schema) checkShown(shown, doc *tree.Value) error {
	switch {
	case s.valid == nil:
	case doc.Has("$schema"):
		return s.dropUnreadable()
	case strings.Contains(string(s.wire), `"definitions":`), strings.Contains(string(s.wire), `"dependencies":`):
		if err := forms.WellFormed(shown); err != nil {
			s.valid, s.unchecked = nil, validate.CompileError(shown, err)
		}
	}
	return nil
}

// dropUnreadable removes keywords that no provider could read from the shown schema.
func (s *schema) dropUnreadable() error {
	shown, err := tree.Parse(string(s.wire), tree.ReflectedLimits)
	if err != nil {
		return err
	}
	if err := forms.DropInvalid(shown); err != nil {
		return err
	}
	s.wire = shown.JSON()
	return nil
}

// makeStrict returns the strict form of the schema, or the reason why no such form
// exists.
func (s *schema) makeStrict() (json.RawMessage, error) {
	switch {
	case s.valid == nil:
		return nil, errors.New("its schema cannot be checked here")
	case s.keepsNull != nil:
		return nil, s.keepsNull
	case s.valid.Formats != nil: // For a Go type, the validated schema adds nothing that could change the strict form.
		return forms.StrictForm(s.wire, nil)
	}
	return forms.StrictForm(s.wire, s.valid.Doc)
}
