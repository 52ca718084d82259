package gotype

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// A typeScan examines a type before the reflector. The reflector would overflow the stack
// on a recursive type, and Go cannot recover from a stack overflow.
type typeScan struct {
	hooked func(reflect.Type) (bool, error) // reports whether a type defines its own schema
	open   map[reflect.Type]bool            // enclosing types of the current type
	sizes  map[reflect.Type]int             // number of schemas of each finished type
	fields map[reflect.Type][]field
	defs   map[reflect.Type]string // names of the recursive types
}

// maxSchemas bounds the schemas of one type. A few types with mutual references would
// unfold without end.
const maxSchemas = 20_000

func newTypeScan(hooked func(reflect.Type) (bool, error)) *typeScan {
	return &typeScan{
		hooked: hooked,
		open:   map[reflect.Type]bool{},
		sizes:  map[reflect.Type]int{},
		fields: map[reflect.Type][]field{},
		defs:   map[reflect.Type]string{},
	}
}

// visit returns the number of schemas of a type, including inner types.
func (s *typeScan) visit(t reflect.Type, at string) (int, error) {
	t = Indirect(t)
	if s.open[t] {
		return 1, s.define(t, at)
	}
	if n, done := s.sizes[t]; done {
		return n, nil
	}
	if t.Name() != "" { // Every cycle contains a named type, which can be a definition.
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

// define names a recursive type.
func (s *typeScan) define(t reflect.Type, at string) error {
	if s.defs[t] != "" {
		return nil
	}
	if t.Name() == "" || t.Kind() == reflect.Pointer {
		return errAt(at, "%s contains itself", t)
	}
	base, _, _ := strings.Cut(t.Name(), "[")
	name := base
	for i := 2; slices.Contains(slices.Collect(maps.Values(s.defs)), name); i++ {
		name = base + strconv.Itoa(i)
	}
	s.defs[t] = name
	return nil
}

func (s *typeScan) unfold(t reflect.Type, at string) (int, error) {
	if hooked, err := s.hooked(t); hooked || err != nil {
		return 1, wrapField(at, err)
	}
	switch {
	case t == timeType, t == RawType, t == numberType:
		return 1, nil
	case t == urlType:
		return 1, errAt(at, "encoding/json cannot decode url.URL from a string; use a string")
	case readsItself(t):
		return 1, errAt(at, "%s", explainUnreadable(t, at))
	case t.Name() == "" && promotes(t, textUnmarshalerType) != nil && t.NumField() > 1:
		return 1, errAt(at, "the whole of %s is decoded by the UnmarshalText of the embedded %s; give that field a name, so that it is not embedded", t, promotes(t, textUnmarshalerType))
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 && !readsText(t) && isBytes(t) != writesBytes(t):
		return 1, errAt(at, "encoding/json does not read %s as it writes it", t)
	case readsText(t), isBytes(t), IsScalar(t.Kind()), t.Kind() == reflect.String:
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

func (s *typeScan) unfoldMap(t reflect.Type, at string) (int, error) {
	k := t.Key()
	if readsText(k) || k.Kind() != reflect.String && !IsInt(k.Kind()) && !IsUint(k.Kind()) {
		return 1, errAt(at, "a map needs keys that are strings or integers, not %s", k)
	}
	n, err := s.visit(t.Elem(), at+"[]")
	return n + 1, err
}

func (s *typeScan) unfoldStruct(t reflect.Type, at string) (int, error) {
	fields, err := fieldsOf(t)
	if err != nil {
		return 1, prefixField(at, err)
	}
	s.fields[t] = fields
	total := 1
	for _, f := range fields {
		if setsType(f) && readsItself(Indirect(f.typ)) {
			continue // the tag states the JSON type
		}
		n, err := s.visit(f.typ, strings.TrimPrefix(at+"."+f.goName, "."))
		if err != nil {
			return 1, err
		}
		total += n
	}
	return total, nil
}

// explainUnreadable explains how to state the schema of a type that decodes itself. at
// is the place of the type.
func explainUnreadable(t reflect.Type, at string) string {
	const hook = "a method JSONSchema() *jsonschema.Schema"
	if inner := promotes(t, unmarshalerType); inner != nil && t.Name() == "" {
		return fmt.Sprintf("the whole of %s is decoded by the UnmarshalJSON of the embedded %s; give that field a name, so that it is not embedded", t, inner)
	}
	does := fmt.Sprintf("%s decodes itself (UnmarshalJSON), so its JSON type is not known; ", t)
	if inner := promotes(t, unmarshalerType); inner != nil {
		does = fmt.Sprintf("%s decodes itself (UnmarshalJSON, unless it has its own that of the embedded %s), so its JSON type is not known; ", t, inner)
	}
	switch {
	case at == "":
		return does + "give it " + hook + ", or use NewRaw (for an Output: a literal)"
	case strings.HasSuffix(at, "[]"):
		return does + "give it " + hook + ", or put in its place a type of your own that embeds it and has one"
	}
	return does + "say it in the tag of the field, as in `jsonschema:\"type=" + probeType(t) + "\"`, or give it " + hook
}

// probeType finds a JSON type that the type decodes.
func probeType(t reflect.Type) (name string) {
	defer func() {
		if recover() != nil {
			name = "string"
		}
	}()
	for _, try := range []struct{ name, text string }{{"string", `"7"`}, {"integer", "7"}, {"number", "7.5"}, {"boolean", "true"}, {"array", "[]"}, {"object", "{}"}} {
		if json.Unmarshal([]byte(try.text), reflect.New(t).Interface()) == nil {
			return try.name
		}
	}
	return "string"
}

// promotes returns the embedded type that may provide a method of a struct, or nil if
// there is no such embedded type.
func promotes(t, methods reflect.Type) reflect.Type {
	if t.Kind() != reflect.Struct || !Implements(t, methods) {
		return nil
	}
	for i := range t.NumField() {
		if inner := Indirect(t.Field(i).Type); t.Field(i).Anonymous && Implements(inner, methods) {
			return inner
		}
	}
	return nil
}
