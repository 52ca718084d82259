package tool

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// A schema is what a tool knows of its arguments.
type schema struct {
	raw    json.RawMessage // as its author wrote it; nil for that of a Go type
	wire   json.RawMessage // what the model is shown
	valid  *validator      // what is held; it may know more than the model is shown
	shape  *shape          // of the Go type; nil for a schema that is not ours
	decode func(json.RawMessage) error

	unchecked error    // why valid is nil
	repairs   []string // of a schema that is not ours
	keepsNull error    // why null does not mean that a property is absent; for a Go type
}

// properties returns the names at the top of what the model is shown.
func (s *schema) properties() []string {
	doc, err := parse(string(s.wire), reflectedLimits)
	if err != nil {
		return nil
	}
	return doc.get("properties").names()
}

// parse makes arguments of what a model wrote. See Tool.Parse.
func (s *schema) parse(name, arguments string) (json.RawMessage, []string, error) {
	done := new(repairs)
	args, err := parseObject(arguments, done)
	if err != nil {
		return nil, nil, Fail(InvalidJSON, err.Error(), nil)
	}
	if err := s.hold(name, args, done); err != nil {
		return nil, nil, err
	}
	s.shape.count(args)
	raw := args.json()
	if err := s.decode(raw); err != nil {
		return nil, nil, decodeFailure(name, err)
	}
	return raw, done.list(), nil
}

// hold repairs arguments and holds them to the schema.
func (s *schema) hold(name string, args *value, done *repairs) error {
	if s.valid == nil {
		return nil
	}
	found, err := s.valid.check(args, done)
	if errors.Is(err, errTooComplex) {
		return Fail(InvalidArguments, "The arguments are too complex to check against the schema of "+name+": send simpler ones.", err)
	}
	if p, ok := errors.AsType[*typePanic](err); ok {
		return panicked(p.value, p.stack)
	}
	if err != nil {
		return Fail(InvalidArguments, "The arguments could not be checked against the schema of "+name+".", err)
	}
	if len(found.problems) > 0 {
		return Fail(InvalidArguments, report(name, found), nil)
	}
	names := &explainer{args: args}
	if s.shape.check(args, names, nil); len(names.problems) > 0 {
		return Fail(InvalidArguments, report(name, names.findings), nil)
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
	p := problem{text: "does not have the form that the tool reads"}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if e.Field != "" {
			p.path = strings.Split(e.Field, ".")
		}
		p.text = "does not fit, got a " + clip(e.Value, maxEcho)
	} else {
		p.text += reason(err)
	}
	return Fail(InvalidArguments, report(name, findings{problems: []problem{p}}), err)
}

var (
	goCall = regexp.MustCompile(`(^|: )(?:[a-z]\w*\.(?:\(\*?\w+\)\.)?[A-Z]\w*(?:\((?:"(?:[^"\\]|\\.)*"|[^)"]*)\))?|[A-Z]\w*\("(?:[^"\\]|\\.)*"\)): `)
	goType = regexp.MustCompile(`\*[a-z]\w*\.[A-Z]|json: |Go |reflect`)
)

// reason is what a type's own error says of a value, as far as it means
// something to a model: without the Go functions that it comes from, and empty
// if it is about Go.
func reason(err error) string {
	s := cut(err.Error(), 16*maxMessage) // it may repeat all of the arguments
	if e, ok := errors.AsType[*strconv.NumError](err); ok {
		s = e.Err.Error()
	}
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		return ""
	}
	for goCall.MatchString(s) {
		s = goCall.ReplaceAllString(s, "$1")
	}
	if s = strings.TrimSpace(s); s == "" || goType.MatchString(s) {
		return ""
	}
	return ": " + safeText(s, 2*maxEcho)
}
