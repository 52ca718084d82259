package tool

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/tool/internal/forms"
	"github.com/seed-916e8f6a/toolloop/tool/internal/gotype"
	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
	"github.com/seed-916e8f6a/toolloop/tool/internal/validate"
)

// A schema is what a tool knows of its arguments.
type schema struct {
	raw    json.RawMessage     // as its author wrote it; nil for that of a Go type
	wire   json.RawMessage     // what the model is shown
	valid  *validate.Validator // what is held; it may know more than the model is shown
	shape  *gotype.Shape       // of the Go type; nil for a schema that is not ours
	decode func(json.RawMessage) error

	unchecked error    // why valid is nil
	repairs   []string // of a schema that is not ours
	keepsNull error    // why null does not mean that a property is absent; for a Go type
}

// schemaFor reflects the schema of arguments of type t.
func schemaFor(t reflect.Type) (*schema, error) {
	r, shown, err := gotype.ReflectArguments(t)
	if err != nil {
		return nil, err
	}
	return schemaOf(r, t, shown, r.Hold(shown))
}

// schemaOf readies what the model is shown and what is held.
func schemaOf(r *gotype.Reflection, t reflect.Type, shown, held *tree.Value) (*schema, error) {
	valid, err := validate.Compile(held, r.Formats)
	if err != nil {
		return nil, err
	}
	forms.ToWire(shown)
	return &schema{wire: shown.JSON(), valid: valid, shape: gotype.ShapeOf(t, map[reflect.Type]*gotype.Shape{}), keepsNull: r.KeepsNull}, nil
}

// properties returns the names at the top of what the model is shown.
func (s *schema) properties() []string {
	doc, err := tree.Parse(string(s.wire), tree.ReflectedLimits)
	if err != nil {
		return nil
	}
	return doc.Get("properties").Names()
}

// parse makes arguments of what a model wrote. See Tool.Parse.
func (s *schema) parse(name, arguments string) (json.RawMessage, []string, error) {
	done := new(tree.Repairs)
	args, err := validate.ParseObject(arguments, done)
	if err != nil {
		return nil, nil, Fail(InvalidJSON, err.Error(), nil)
	}
	if err := s.hold(name, args, done); err != nil {
		return nil, nil, err
	}
	s.shape.Count(args)
	raw := args.JSON()
	if err := s.decode(raw); err != nil {
		return nil, nil, decodeFailure(name, err)
	}
	return raw, done.List(), nil
}

// hold repairs arguments and holds them to the schema.
func (s *schema) hold(name string, args *tree.Value, done *tree.Repairs) error {
	if s.valid == nil {
		return nil
	}
	found, err := s.valid.Check(args, done)
	if errors.Is(err, validate.ErrTooComplex) {
		return Fail(InvalidArguments, "The arguments are too complex to check against the schema of "+name+": send simpler ones.", err)
	}
	if p, ok := errors.AsType[*validate.TypePanic](err); ok {
		return panicked(p.Value, p.Stack)
	}
	if err != nil {
		return Fail(InvalidArguments, "The arguments could not be checked against the schema of "+name+".", err)
	}
	if len(found.Problems) > 0 {
		return Fail(InvalidArguments, validate.Report(name, found), nil)
	}
	names := &validate.Explainer{Args: args}
	if s.shape.Check(args, names, nil); len(names.Problems) > 0 {
		return Fail(InvalidArguments, validate.Report(name, names.Findings), nil)
	}
	return nil
}

// decode reads arguments into a Go value. Numbers in fields of type any stay
// json.Number: a float64 would lose digits that the model wrote.
func decode(args json.RawMessage, in any) error {
	d := json.NewDecoder(bytes.NewReader(args))
	d.UseNumber()
	if err := d.Decode(in); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more than one JSON value")
	}
	return nil
}

// decodeFailure is for arguments that fit the schema and still do not decode: a
// schema cannot say all that a type's own UnmarshalJSON wants.
func decodeFailure(name string, err error) *Error {
	p := validate.Problem{Text: "does not have the form that the tool reads"}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if e.Field != "" {
			p.Path = strings.Split(e.Field, ".")
		}
		p.Text = "does not fit, got a " + tree.Clip(e.Value, tree.MaxEcho)
	} else {
		p.Text += validate.Reason(err)
	}
	return Fail(InvalidArguments, validate.Report(name, validate.Findings{Problems: []validate.Problem{p}}), err)
}

// rawSchema readies a schema that its author wrote as JSON.
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
	sch := &schema{raw: slices.Clone(raw), decode: func(json.RawMessage) error { return nil }}
	var err error
	if sch.repairs, err = forms.Ready(doc); err != nil {
		return nil, err
	}
	if sch.valid, err = forms.CompileRaw(doc); err != nil {
		sch.valid, sch.unchecked = nil, err
	}
	shown, err := forms.Showable(doc)
	if err != nil {
		return nil, err
	}
	sch.wire = shown.JSON()
	return sch, sch.checkShown(shown, doc)
}

// checkShown looks at what the library did not when it compiled a schema: it is held
// to its own draft, which may be an older one than what is shown, and does not look
// into "definitions" and "dependencies" of the newest.
func (s *schema) checkShown(shown, doc *tree.Value) error {
	switch {
	case s.valid == nil:
	case doc.Has("$schema"):
		return s.cutUnread()
	case strings.Contains(string(s.wire), `"definitions":`), strings.Contains(string(s.wire), `"dependencies":`):
		if err := forms.WellFormed(shown); err != nil {
			s.valid, s.unchecked = nil, validate.CompileError(shown, err)
		}
	}
	return nil
}

// cutUnread leaves out of what the model is shown what nobody can read.
func (s *schema) cutUnread() error {
	shown, err := tree.Parse(string(s.wire), tree.ReflectedLimits)
	if err != nil {
		return err
	}
	if err := forms.CutUnread(shown); err != nil {
		return err
	}
	s.wire = shown.JSON()
	return nil
}

// strict returns the strict form of the schema, or the reason why there is none.
func (s *schema) strict() (json.RawMessage, error) {
	switch {
	case s.valid == nil:
		return nil, errors.New("its schema cannot be checked here")
	case s.keepsNull != nil:
		return nil, s.keepsNull
	case s.valid.Formats != nil: // ours: what it holds beyond what is shown leaves the form as it is
		return forms.StrictForm(s.wire, nil)
	}
	return forms.StrictForm(s.wire, s.valid.Doc)
}
