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

// A Shape contains the places in a type where encoding/json matches names without regard
// to case. If a type's own schema admits further properties, the rules for "amount" do
// not apply to "AMOUNT", although encoding/json decodes both into one field.
type Shape struct {
	Fields   map[string]*Shape // fields of a struct, by JSON name; a Shape may be nil
	folded   map[string]string // JSON names by foldCase; "" for a hidden name
	elem     *Shape            // elements of a slice, array or map
	duration bool              // time.Duration
	quoted   bool              // ",string"
}

// ShapeOf returns the shape of a type, or nil for a type that decodes itself or has no
// members.
func ShapeOf(t reflect.Type, known map[reflect.Type]*Shape) *Shape {
	t = Indirect(t)
	if s, ok := known[t]; ok {
		return s
	}
	if t == durationType {
		return &Shape{duration: true}
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

// collect adds the fields of a struct, then the fields of embedded structs.
func (s *Shape) collect(t reflect.Type, known map[reflect.Type]*Shape, around []reflect.Type) {
	var inner []reflect.Type
	for i := range t.NumField() {
		sf := t.Field(i)
		name, options := JSONTag(sf)
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
			if inner := s.Fields[name]; inner != nil && inner.duration {
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

// foldCase returns the form of a name that encoding/json compares.
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

// ConvertDurations converts durations that are text to the nanoseconds that
// encoding/json expects.
func (s *Shape) ConvertDurations(args *tree.Value) {
	switch {
	case s == nil:
	case s.duration && args.Form == tree.StringForm:
		d, err := time.ParseDuration(args.Text)
		if err != nil { // the number in a string of ",string"
			return
		}
		ns := strconv.FormatInt(int64(d), 10)
		if *args = *tree.Number(ns); s.quoted {
			args.Form = tree.StringForm
		}
	case s.Fields != nil:
		for _, m := range args.Members {
			s.Fields[m.Name].ConvertDurations(m.Value)
		}
	default:
		for _, item := range args.Items {
			s.elem.ConvertDurations(item)
		}
		for _, m := range args.Members {
			s.elem.ConvertDurations(m.Value)
		}
	}
}

// CheckJSON refuses arguments with names that differ from a field only in case.
// Readers other than encoding/json would find different values.
func (s *Shape) CheckJSON(args json.RawMessage) error {
	if s == nil {
		return nil
	}
	v, err := tree.Parse(string(args), tree.ArgumentLimits)
	if err != nil {
		return err
	}
	names := &validate.Explainer{Args: v}
	if s.Check(v, names, nil); len(names.Found.Problems) == 0 {
		return nil
	}
	return errors.New(strings.TrimPrefix(names.Found.Problems[0].Line(), "- "))
}

// Check reports names that differ from a field only in case.
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
