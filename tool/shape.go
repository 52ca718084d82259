package tool

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// A shape is where in a type encoding/json matches names, which it does without
// regard to case. What a schema says of "amount" would not bear on "AMOUNT"
// where a type's own schema admits properties that it does not name.
type shape struct {
	fields map[string]*shape // of a struct, by JSON name; the shape may be nil
	folded map[string]string // those names, by foldCase; empty for one that is hidden
	elem   *shape            // of what a slice, array or map holds
	span   bool              // a time.Duration
	quoted bool              // by ",string"
}

// shapeOf returns nil for a type that reads itself, and one without members.
func shapeOf(t reflect.Type, known map[reflect.Type]*shape) *shape {
	t = indirect(t)
	if s, ok := known[t]; ok {
		return s
	}
	if t == durationType {
		return &shape{span: true}
	}
	if readsItself(t) || readsText(t) || t == rawType {
		return nil
	}
	switch t.Kind() {
	case reflect.Struct:
		s := &shape{fields: map[string]*shape{}, folded: map[string]string{}}
		known[t] = s
		s.collect(t, known, nil)
		return s
	case reflect.Slice, reflect.Array, reflect.Map:
		s := &shape{}
		known[t] = s
		s.elem = shapeOf(t.Elem(), known)
		return s
	}
	return nil
}

// collect adds the fields of a struct, those of embedded ones after its own.
func (s *shape) collect(t reflect.Type, known map[reflect.Type]*shape, around []reflect.Type) {
	var inner []reflect.Type
	for i := range t.NumField() {
		sf := t.Field(i)
		name, options := jsonTag(sf)
		switch {
		case embeds(sf):
			inner = append(inner, indirect(sf.Type))
			continue
		case !sf.IsExported(), sf.Tag.Get("json") == "-":
			continue
		case name == "" || !validName(name):
			name = sf.Name
		}
		if _, shadowed := s.folded[foldCase(name)]; hidden(sf) && !shadowed {
			s.folded[foldCase(name)] = ""
		} else if _, shadowed := s.fields[name]; !hidden(sf) && !shadowed {
			s.fields[name] = shapeOf(sf.Type, known)
			if inner := s.fields[name]; inner != nil && inner.span {
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

// count writes the durations in arguments that are texts as the whole nanoseconds that
// encoding/json knows.
func (s *shape) count(args *value) {
	switch {
	case s == nil:
	case s.span && args.form == stringForm:
		d, err := time.ParseDuration(args.text)
		if err != nil { // the number in a string that ",string" says
			return
		}
		ns := strconv.FormatInt(int64(d), 10)
		if *args = *number(ns); s.quoted {
			args.form = stringForm
		}
	case s.fields != nil:
		for _, m := range args.members {
			s.fields[m.name].count(m.value)
		}
	default:
		for _, item := range args.items {
			s.elem.count(item)
		}
		for _, m := range args.members {
			s.elem.count(m.value)
		}
	}
}

// match refuses arguments that have such names: what reads them without Go would
// see other values than the type does.
func (s *shape) match(args json.RawMessage) error {
	if s == nil {
		return nil
	}
	v, err := parse(string(args), argumentLimits)
	if err != nil {
		return err
	}
	names := &explainer{args: v}
	if s.check(v, names, nil); len(names.problems) == 0 {
		return nil
	}
	return errors.New(strings.TrimPrefix(names.problems[0].line(), "- "))
}

// check finds the names that only their case keeps from being those of fields.
func (s *shape) check(args *value, ex *explainer, at []string) {
	if s == nil || args.form != objectForm && args.form != arrayForm {
		return
	}
	for i, item := range args.items {
		s.elem.check(item, ex, append(at, strconv.Itoa(i)))
	}
	for _, m := range args.members {
		inner, exact := s.fields[m.name]
		if s.fields == nil {
			inner, exact = s.elem, true
		}
		if exact {
			inner.check(m.value, ex, append(at, m.name))
		} else if meant, folds := s.folded[foldCase(m.name)]; folds && meant == "" {
			ex.add(at, "unknown property "+quote(m.name))
		} else if folds {
			ex.add(at, "unknown property "+quote(m.name)+"; did you mean "+quote(meant)+"?")
		}
	}
}
