package gotype

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
	"github.com/seed-916e8f6a/toolloop/tool/internal/validate"
)

// A Shape is where in a type encoding/json matches names, which it does without
// regard to case. What a schema says of "amount" would not bear on "AMOUNT"
// where a type's own schema admits properties that it does not name.
type Shape struct {
	Fields map[string]*Shape // of a struct, by JSON name; the shape may be nil
	folded map[string]string // those names, by foldCase; empty for one that is hidden
	elem   *Shape            // of what a slice, array or map holds
	span   bool              // a time.Duration
	quoted bool              // by ",string"
}

// ShapeOf returns nil for a type that reads itself, and one without members.
func ShapeOf(t reflect.Type, known map[reflect.Type]*Shape) *Shape {
	t = Indirect(t)
	if s, ok := known[t]; ok {
		return s
	}
	if t == durationType {
		return &Shape{span: true}
	}
	if readsItself(t) || readsText(t) || t == RawType {
		return nil
	}
	switch t.Kind() {
	case reflect.Struct:
		s := &Shape{Fields: map[string]*Shape{}, folded: map[string]string{}}
		known[t] = s
		s.collect(t, known, nil)
		return s
	case reflect.Slice, reflect.Array, reflect.Map:
		s := &Shape{}
		known[t] = s
		s.elem = ShapeOf(t.Elem(), known)
		return s
	}
	return nil
}

// collect adds the fields of a struct, those of embedded ones after its own.
func (s *Shape) collect(t reflect.Type, known map[reflect.Type]*Shape, around []reflect.Type) {
	var inner []reflect.Type
	for i := range t.NumField() {
		sf := t.Field(i)
		name, options := JsonTag(sf)
		switch {
		case embeds(sf):
			inner = append(inner, Indirect(sf.Type))
			continue
		case !sf.IsExported(), sf.Tag.Get("json") == "-":
			continue
		case name == "" || !ValidName(name):
			name = sf.Name
		}
		if _, shadowed := s.folded[foldCase(name)]; hidden(sf) && !shadowed {
			s.folded[foldCase(name)] = ""
		} else if _, shadowed := s.Fields[name]; !hidden(sf) && !shadowed {
			s.Fields[name] = ShapeOf(sf.Type, known)
			if inner := s.Fields[name]; inner != nil && inner.span {
				inner.quoted = slices.Contains(options, "string")
			}
			s.folded[foldCase(name)] = name
		}
	}
	around = append(around, t)
	for _, e := range inner {
		if !slices.Contains(around, e) {
			s.collect(e, known, around)
		}
	}
}

// foldCase is what encoding/json compares of two names that are not the same.
func foldCase(name string) string {
	return strings.Map(func(r rune) rune {
		for {
			next := unicode.SimpleFold(r)
			if next <= r {
				return next
			}
			r = next
		}
	}, name)
}

// Count writes the durations in arguments that are texts as the whole nanoseconds that
// encoding/json knows.
func (s *Shape) Count(args *tree.Value) {
	switch {
	case s == nil:
	case s.span && args.Form == tree.StringForm:
		d, err := time.ParseDuration(args.Text)
		if err != nil { // the number in a string that ",string" says
			return
		}
		ns := strconv.FormatInt(int64(d), 10)
		if *args = *tree.Number(ns); s.quoted {
			args.Form = tree.StringForm
		}
	case s.Fields != nil:
		for _, m := range args.Members {
			s.Fields[m.Name].Count(m.Value)
		}
	default:
		for _, item := range args.Items {
			s.elem.Count(item)
		}
		for _, m := range args.Members {
			s.elem.Count(m.Value)
		}
	}
}

// Match refuses arguments that have such names: what reads them without Go would
// see other values than the type does.
func (s *Shape) Match(args json.RawMessage) error {
	if s == nil {
		return nil
	}
	v, err := tree.Parse(string(args), tree.ArgumentLimits)
	if err != nil {
		return err
	}
	names := &validate.Explainer{Args: v}
	if s.Check(v, names, nil); len(names.Problems) == 0 {
		return nil
	}
	return errors.New(strings.TrimPrefix(names.Problems[0].Line(), "- "))
}

// Check finds the names that only their case keeps from being those of fields.
func (s *Shape) Check(args *tree.Value, ex *validate.Explainer, at []string) {
	if s == nil || args.Form != tree.ObjectForm && args.Form != tree.ArrayForm {
		return
	}
	for i, item := range args.Items {
		s.elem.Check(item, ex, append(at, strconv.Itoa(i)))
	}
	for _, m := range args.Members {
		inner, exact := s.Fields[m.Name]
		if s.Fields == nil {
			inner, exact = s.elem, true
		}
		if exact {
			inner.Check(m.Value, ex, append(at, m.Name))
		} else if meant, folds := s.folded[foldCase(m.Name)]; folds && meant == "" {
			ex.Add(at, "unknown property "+tree.Quote(m.Name))
		} else if folds {
			ex.Add(at, "unknown property "+tree.Quote(m.Name)+"; did you mean "+tree.Quote(meant)+"?")
		}
	}
}
