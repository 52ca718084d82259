package tool

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// A survey looks through a type before the reflector does: the reflector would
// overflow the stack on a type that holds itself, which nothing can recover.
type survey struct {
	hooked func(reflect.Type) (bool, error) // whether a type brings its own schema
	open   map[reflect.Type]bool            // types that hold the one that is looked at
	sizes  map[reflect.Type]int             // of the types that are done, in schemas
	fields map[reflect.Type][]field
	defs   map[reflect.Type]string // types that hold themselves, and the name of each
}

// maxSchemas bounds how many schemas a type unfolds into: few types that hold
// each other twice make a schema without end.
const maxSchemas = 20_000

func newSurvey(hooked func(reflect.Type) (bool, error)) *survey {
	return &survey{
		hooked: hooked,
		open:   map[reflect.Type]bool{},
		sizes:  map[reflect.Type]int{},
		fields: map[reflect.Type][]field{},
		defs:   map[reflect.Type]string{},
	}
}

// visit returns the number of schemas that a type unfolds into.
func (s *survey) visit(t reflect.Type, at string) (int, error) {
	t = indirect(t)
	if s.open[t] {
		return 1, s.define(t, at)
	}
	if n, done := s.sizes[t]; done {
		return n, nil
	}
	if t.Name() != "" { // every cycle goes through a type that has a name, and can be defined there
		s.open[t] = true
	}
	n, err := s.unfold(t, at)
	delete(s.open, t)
	if err == nil && n > maxSchemas {
		err = errAt(at, "its schema is too large")
	}
	s.sizes[t] = n
	return n, err
}

// define gives a name to a type that holds itself.
func (s *survey) define(t reflect.Type, at string) error {
	if s.defs[t] != "" {
		return nil
	}
	if t.Name() == "" || t.Kind() == reflect.Pointer {
		return errAt(at, "%s holds itself", t)
	}
	base, _, _ := strings.Cut(t.Name(), "[")
	name := base
	for i := 2; slices.Contains(slices.Collect(maps.Values(s.defs)), name); i++ {
		name = base + strconv.Itoa(i)
	}
	s.defs[t] = name
	return nil
}

func (s *survey) unfold(t reflect.Type, at string) (int, error) {
	if hooked, err := s.hooked(t); hooked || err != nil {
		return 1, wrapField(at, err)
	}
	switch {
	case t == timeType, t == rawType, t == numberType:
		return 1, nil
	case t == urlType:
		return 1, errAt(at, "encoding/json cannot decode url.URL from a string; use a string")
	case readsItself(t):
		return 1, errAt(at, "%s decodes itself (UnmarshalJSON); give it a method JSONSchema() *jsonschema.Schema", t)
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 && !readsText(t) && isBytes(t) != writesBytes(t):
		return 1, errAt(at, "encoding/json does not read %s as it writes it", t)
	case readsText(t), isBytes(t), isScalar(t.Kind()), t.Kind() == reflect.String:
		return 1, nil
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		n, err := s.visit(t.Elem(), at+"[]")
		return n + 1, err
	case reflect.Map:
		return s.unfoldMap(t, at)
	case reflect.Struct:
		return s.unfoldStruct(t, at)
	case reflect.Interface:
		if t.NumMethod() == 0 {
			return 1, nil
		}
	}
	return 1, errAt(at, "JSON cannot be decoded into %s", t)
}

func (s *survey) unfoldMap(t reflect.Type, at string) (int, error) {
	k := t.Key()
	if readsText(k) || k.Kind() != reflect.String && !isInt(k.Kind()) && !isUint(k.Kind()) {
		return 1, errAt(at, "a map needs keys that are strings or integers, not %s", k)
	}
	n, err := s.visit(t.Elem(), at+"[]")
	return n + 1, err
}

func (s *survey) unfoldStruct(t reflect.Type, at string) (int, error) {
	fields, err := fieldsOf(t)
	if err != nil {
		return 1, inside(at, err)
	}
	s.fields[t] = fields
	total := 1
	for _, f := range fields {
		if typed(f) && readsItself(indirect(f.typ)) {
			continue // its author says in the tag what it looks like
		}
		n, err := s.visit(f.typ, strings.TrimPrefix(at+"."+f.goName, "."))
		if err != nil {
			return 1, err
		}
		total += n
	}
	return total, nil
}
