package gotype

import (
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
	"github.com/seed-916e8f6a/toolloop/tool/internal/validate"
)

// maxPlain bounds the nesting of types that Plain follows.
const maxPlain = 16

// Plain reports whether values that fit the schema held always decode into t, and
// whether no name in them can differ from a field only in case. These values need no
// further check. Plain looks at each type and its schema side by side. A type with
// its own decoder, or a schema of another form, is not plain. The values of most Go
// formats are never accepted without the general path, so their types do not
// matter.
func Plain(t reflect.Type, held *tree.Value) bool { return plain(t, held, maxPlain) }

func plain(t reflect.Type, s *tree.Value, depth int) bool {
	switch {
	case s == nil || depth == 0:
		return false
	case undecided(s):
		return true
	case t.Kind() == reflect.Pointer:
		return plain(t.Elem(), s, depth-1)
	case t.Kind() == reflect.Interface:
		return t.NumMethod() == 0
	case t == timeType:
		return admitsOnly(s, "string") && hasFormat(s, validate.PlainFormat)
	case readsItself(t) || readsText(t) || t == RawType || t == numberType:
		return false
	}
	switch kind := t.Kind(); kind {
	case reflect.Bool:
		return admitsOnly(s, "boolean")
	case reflect.String:
		return admitsOnly(s, "string")
	case reflect.Float64:
		return admitsOnly(s, "number", "integer")
	case reflect.Struct:
		return admitsOnly(s, "object") && plainFields(t, s, depth-1)
	case reflect.Map:
		return admitsOnly(s, "object") && t.Key().Kind() == reflect.String && !readsText(t.Key()) && !s.Has("properties") &&
			plain(t.Elem(), s.Get("additionalProperties"), depth-1)
	case reflect.Slice, reflect.Array:
		return admitsOnly(s, "array") && t.Elem().Kind() != reflect.Uint8 && plain(t.Elem(), s.Get("items"), depth-1)
	default:
		return admitsOnly(s, "integer") && plainInteger(t, s)
	}
}

// undecided reports whether every value is left to the general path.
func undecided(s *tree.Value) bool { return s.Has("contentEncoding") || hasFormat(s, goFormat) }

// hasFormat reports whether the values have a format whose name begins so.
func hasFormat(s *tree.Value, begin string) bool {
	all := []*tree.Value{s}
	if more := s.Get("allOf"); more != nil {
		all = append(all, more.Items...)
	}
	return slices.ContainsFunc(all, func(s *tree.Value) bool { return strings.HasPrefix(s.Get("format").Str(), begin) })
}

// admitsOnly reports whether a schema admits no values but null and those of the types.
func admitsOnly(s *tree.Value, types ...string) bool {
	names := s.Get("type").Strings()
	if name := s.Get("type").Str(); name != "" {
		names = []string{name}
	}
	return len(names) > 0 && !slices.ContainsFunc(names, func(name string) bool { return name != "null" && !slices.Contains(types, name) })
}

// plainFields compares the fields of a struct with the properties of a closed object.
func plainFields(t reflect.Type, s *tree.Value, depth int) bool {
	closed := s.Get("additionalProperties")
	if closed == nil || closed.Form != tree.BooleanForm || tree.IsTrue(closed) {
		return false
	}
	fields, err := fieldsOf(t)
	if err != nil {
		return false
	}
	byName, folded := map[string]field{}, map[string]bool{}
	for _, f := range fields {
		if folded[foldCase(f.name)] {
			return false
		}
		byName[f.name], folded[foldCase(f.name)] = f, true
	}
	return !slices.ContainsFunc(tree.Members(s.Get("properties")), func(m tree.Member) bool {
		f, ok := byName[m.Name]
		return !ok || f.quoted && !undecided(m.Value) || !plain(f.typ, m.Value, depth)
	})
}

// plainInteger reports whether a schema bounds integers to those of the type.
func plainInteger(t reflect.Type, s *tree.Value) bool {
	bits := 0
	switch t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		bits = t.Bits()
	default:
		return false
	}
	all := s.Get("allOf")
	return all != nil && slices.ContainsFunc(all.Items, func(b *tree.Value) bool {
		return b.Has("minimum") && b.Has("maximum") && fitsInteger(b.Bound("minimum"), t, bits) && fitsInteger(b.Bound("maximum"), t, bits)
	})
}

func fitsInteger(text string, t reflect.Type, bits int) bool {
	var err error
	if strings.HasPrefix(t.Kind().String(), "u") {
		_, err = strconv.ParseUint(text, 10, bits)
	} else {
		_, err = strconv.ParseInt(text, 10, bits)
	}
	return err == nil
}

// HoldsInterface reports whether encoding/json can decode into an interface somewhere in
// a type.
func HoldsInterface(t reflect.Type) bool { return holdsInterface(t, map[reflect.Type]bool{}) }

func holdsInterface(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return holdsInterface(t.Elem(), seen)
	case reflect.Struct:
		for sf := range t.Fields() {
			if holdsInterface(sf.Type, seen) {
				return true
			}
		}
	}
	return false
}
