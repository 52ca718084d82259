package tool

import (
	"bytes"
	"cmp"
	"encoding"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-916e8f6a/toolloop/tool/internal/gotype"
)

// A writer writes a result as JSON, like encoding/json, with two differences. First,
// a method with a pointer receiver is also used for a value. Second, an error is
// written as text, unless the type defines a JSON form. Types without these cases are
// left to encoding/json.
type writer struct {
	buf    bytes.Buffer
	enc    *json.Encoder
	depth  int
	ways   map[reflect.Type]way
	fields map[reflect.Type][]writtenField
}

// A way says how the values of a type are written.
type way int

const (
	byGo   way = 1 + iota // by encoding/json
	byPart                // by this package, element by element
	asText                // as the text of an error
)

// maxWritten bounds the depth of a result. A cyclic result has no end.
const maxWritten = 10_000

var errEndless = errors.New("the result is nested too deep, or contains itself")

// writeJSON returns a value as JSON.
func writeJSON(v reflect.Value) (string, error) {
	w := &writer{ways: map[reflect.Type]way{}, fields: map[reflect.Type][]writtenField{}}
	w.enc = json.NewEncoder(&w.buf)
	w.enc.SetEscapeHTML(false)
	if err := w.value(addressable(v)); err != nil {
		return "", err
	}
	return w.buf.String(), nil
}

// addressable returns a copy that has an address, so that pointer methods can be called.
// The parts of the copy have addresses, too, except for elements of maps and interfaces.
func addressable(v reflect.Value) reflect.Value {
	if v.CanAddr() {
		return v
	}
	c := reflect.New(v.Type()).Elem()
	c.Set(v)
	return c
}

func (w *writer) value(v reflect.Value) error {
	if w.depth++; w.depth > maxWritten {
		return errEndless
	}
	defer func() { w.depth-- }()
	switch way := w.way(v.Type()); {
	case way == byGo:
		return w.leaf(v.Addr().Interface())
	case way == asText:
		if text, ok := errorText(v); ok {
			return w.leaf(text)
		}
	}
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return w.leaf(nil)
		}
		return w.value(addressable(v.Elem()))
	case reflect.Slice, reflect.Array:
		return w.list(v)
	case reflect.Map:
		return w.object(v)
	case reflect.Struct:
		return w.structure(v)
	}
	return w.leaf(v.Addr().Interface())
}

// leaf writes v by encoding/json.
func (w *writer) leaf(v any) error {
	if err := w.enc.Encode(v); err != nil {
		return err
	}
	w.buf.Truncate(w.buf.Len() - 1) // Encode adds a line break.
	return nil
}

func (w *writer) list(v reflect.Value) error {
	if v.Kind() == reflect.Slice && v.IsNil() {
		return w.leaf(nil)
	}
	w.buf.WriteByte('[')
	for i := range v.Len() {
		if i > 0 {
			w.buf.WriteByte(',')
		}
		if err := w.value(v.Index(i)); err != nil {
			return err
		}
	}
	w.buf.WriteByte(']')
	return nil
}

// name writes the name of a member, after a comma if it is not the first.
func (w *writer) name(name string, first bool) error {
	if !first {
		w.buf.WriteByte(',')
	}
	err := w.leaf(name)
	w.buf.WriteByte(':')
	return err
}

func (w *writer) object(v reflect.Value) error {
	if v.IsNil() {
		return w.leaf(nil)
	}
	type entry struct {
		name  string
		value reflect.Value
	}
	entries := make([]entry, 0, v.Len())
	for key, value := range v.Seq2() {
		name, err := keyName(key)
		if err != nil {
			return err
		}
		entries = append(entries, entry{name, value})
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return cmp.Compare(a.name, b.name) })
	w.buf.WriteByte('{')
	for i, e := range entries {
		if err := w.name(e.name, i == 0); err != nil {
			return err
		}
		if err := w.value(addressable(e.value)); err != nil {
			return err
		}
	}
	w.buf.WriteByte('}')
	return nil
}

// keyName returns the member name for a key of a map.
func keyName(key reflect.Value) (string, error) {
	switch k := key.Kind(); {
	case k == reflect.String:
		return key.String(), nil
	case key.Type().Implements(gotype.TextMarshalerType):
		if (k == reflect.Pointer || k == reflect.Interface) && key.IsNil() {
			return "", nil
		}
		text, err := key.Interface().(encoding.TextMarshaler).MarshalText()
		return string(text), err
	case gotype.IsInt(k):
		return strconv.FormatInt(key.Int(), 10), nil
	case key.CanUint():
		return strconv.FormatUint(key.Uint(), 10), nil
	}
	return "", errors.New("JSON has no names for keys of type " + key.Type().String())
}

func (w *writer) structure(v reflect.Value) error {
	w.buf.WriteByte('{')
	first := true
	for _, f := range w.fieldsOf(v.Type()) {
		field, err := v.FieldByIndexErr(f.index)
		if err != nil || f.omits(field) { // The field is behind a nil embedded pointer.
			continue
		}
		if err := w.name(f.name, first); err != nil {
			return err
		}
		first = false
		if f.quoted {
			err = w.quoted(field)
		} else {
			err = w.value(field)
		}
		if err != nil {
			return err
		}
	}
	w.buf.WriteByte('}')
	return nil
}

// quoted writes a number, boolean or string inside a string, for the option ",string".
func (w *writer) quoted(v reflect.Value) error {
	from := w.buf.Len()
	err := w.value(v)
	inner := v
	if v.Kind() == reflect.Pointer {
		inner = v.Elem()
	}
	if !inner.IsValid() || writesItself(inner.Type()) || isError(inner.Type()) || err != nil {
		return err
	}
	text := string(w.buf.Bytes()[from:])
	w.buf.Truncate(from)
	return w.leaf(text)
}

// way returns how values of type t are written. The content of an interface is known
// only at run time.
func (w *writer) way(t reflect.Type) way {
	known := w.ways[t]
	switch {
	case known != 0:
		return known
	case isError(t):
		known = asText
	case writesItself(t) || !reaches(t, map[reflect.Type]bool{}, differs):
		known = byGo
	default:
		known = byPart
	}
	w.ways[t] = known
	return known
}

func (w *writer) fieldsOf(t reflect.Type) []writtenField {
	fields, known := w.fields[t]
	if !known {
		fields = writtenFields(t)
		w.fields[t] = fields
	}
	return fields
}

// differs reports whether encoding/json might write values of type t in the wrong way.
// Elements of maps and interfaces have no address, so encoding/json would not call their
// pointer methods.
func differs(t reflect.Type) bool {
	return t.Kind() == reflect.Interface || isError(t) ||
		t.Kind() == reflect.Map && reaches(t.Elem(), map[reflect.Type]bool{}, writesByPointer)
}

// reaches reports whether is holds for t, or for a type that encoding/json finds in t.
func reaches(t reflect.Type, seen map[reflect.Type]bool, is func(reflect.Type) bool) bool {
	if seen[t] {
		return false
	}
	seen[t] = true
	if is(t) {
		return true
	}
	if writesItself(t) {
		return false
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return reaches(t.Elem(), seen, is)
	case reflect.Struct:
		return slices.ContainsFunc(writtenFields(t), func(f writtenField) bool { return reaches(f.typ, seen, is) })
	}
	return false
}

// writesItself reports whether a type defines its own JSON.
func writesItself(t reflect.Type) bool {
	return t.Kind() != reflect.Interface && t.Kind() != reflect.Pointer &&
		(gotype.Implements(t, gotype.MarshalerType) || gotype.Implements(t, gotype.TextMarshalerType))
}

// writesByPointer reports whether only a pointer to the type defines the JSON.
func writesByPointer(t reflect.Type) bool {
	return writesItself(t) && !t.Implements(gotype.MarshalerType) && (!t.Implements(gotype.TextMarshalerType) || gotype.Implements(t, gotype.MarshalerType))
}

// isError reports whether values of the type are written as the text of an error: the
// type is an error, and neither a method nor a json tag defines its JSON.
func isError(t reflect.Type) bool {
	if t.Kind() == reflect.Interface || t.Kind() == reflect.Pointer || !gotype.Implements(t, errorType) || writesItself(t) {
		return false
	}
	for i := 0; t.Kind() == reflect.Struct && i < t.NumField(); i++ {
		if _, tagged := t.Field(i).Tag.Lookup("json"); tagged {
			return false
		}
	}
	return true
}

// errorText returns the text of an error. ok is false if the method Error panics, as
// with an embedded nil error.
func errorText(v reflect.Value) (text string, ok bool) {
	defer func() { ok = recover() == nil }()
	return v.Addr().Interface().(error).Error(), true
}

// A writtenField is a field of a struct as encoding/json finds the field.
type writtenField struct {
	name   string
	goName string // Outer.Inner for an embedded field
	index  []int
	typ    reflect.Type
	tagged bool
	quoted bool

	omitEmpty, omitZero bool
}

// writtenFields lists the fields of a struct that encoding/json writes, in order. Of
// fields with the same name, the least embedded field wins, then the tagged field.
func writtenFields(t reflect.Type) []writtenField {
	var all []writtenField
	collectFields(t, "", nil, nil, &all)
	rank := func(f writtenField) int {
		if f.tagged {
			return 2 * len(f.index)
		}
		return 2*len(f.index) + 1
	}
	best, tied := map[string]int{}, map[string]bool{}
	for _, f := range all {
		if least, seen := best[f.name]; !seen || rank(f) < least {
			best[f.name], tied[f.name] = rank(f), false
		} else if rank(f) == least {
			tied[f.name] = true
		}
	}
	return slices.DeleteFunc(all, func(f writtenField) bool { return tied[f.name] || rank(f) != best[f.name] })
}

func collectFields(t reflect.Type, outer string, index []int, around []reflect.Type, into *[]writtenField) {
	if slices.Contains(around, t) {
		return
	}
	for i := range t.NumField() {
		sf := t.Field(i)
		at, goName := append(slices.Clone(index), i), strings.TrimPrefix(outer+"."+sf.Name, ".")
		name, options := gotype.JSONTag(sf)
		inner := sf.Type
		if inner.Kind() == reflect.Pointer && inner.Name() == "" {
			inner = inner.Elem()
		}
		switch {
		case sf.Tag.Get("json") == "-", !sf.IsExported() && (!sf.Anonymous || inner.Kind() != reflect.Struct):
			continue
		case sf.Anonymous && (name == "" || !gotype.ValidName(name)) && inner.Kind() == reflect.Struct:
			collectFields(inner, goName, at, append(around, t), into)
			continue
		}
		f := writtenField{name: name, goName: goName, index: at, typ: sf.Type, tagged: true}
		if name == "" || !gotype.ValidName(name) {
			f.name, f.tagged = sf.Name, false
		}
		f.quoted = slices.Contains(options, "string") && (gotype.IsScalar(inner.Kind()) || inner.Kind() == reflect.Uintptr || inner.Kind() == reflect.String)
		f.omitEmpty, f.omitZero = slices.Contains(options, "omitempty"), slices.Contains(options, "omitzero")
		*into = append(*into, f)
	}
}

// omits reports whether the field is left out.
func (f writtenField) omits(v reflect.Value) bool {
	return f.omitEmpty && isEmpty(v) || f.omitZero && isZero(v)
}

// isEmpty reports whether encoding/json considers v empty.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Array, reflect.Map, reflect.Slice, reflect.String:
		return v.Len() == 0
	case reflect.Struct:
		return false
	}
	return v.IsZero()
}

// isZero reports whether encoding/json considers v zero: by a method IsZero if there is
// such a method.
func isZero(v reflect.Value) bool {
	t, k := v.Type(), v.Kind()
	own := t.Implements(zeroerType)
	switch {
	case own && (k == reflect.Interface || k == reflect.Pointer):
		return v.IsNil() || k == reflect.Interface && v.Elem().Kind() == reflect.Pointer && v.Elem().IsNil() || v.Interface().(zeroer).IsZero()
	case own, reflect.PointerTo(t).Implements(zeroerType):
		return v.Addr().Interface().(zeroer).IsZero()
	}
	return v.IsZero()
}

type zeroer interface{ IsZero() bool }

var (
	errorType  = reflect.TypeFor[error]()
	zeroerType = reflect.TypeFor[zeroer]()
)
