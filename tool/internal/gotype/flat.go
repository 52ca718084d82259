package gotype

import (
	"bytes"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Most arguments are objects of a few strings, numbers and booleans, and their text is
// canonical. For these, a flat reader does in one pass what encoding/json does in two, with
// the names of the fields looked up once for each type. At the first doubt the reader gives
// up, and encoding/json reads the text from its begin: at white space, an escape, null, an
// unknown name, a number that does not fit. A fuzz target holds that both agree on every
// input.

// A FlatReader reads a text into a zero struct. It reports false to give up, perhaps after
// it set some fields.
type FlatReader func(text []byte, v reflect.Value) bool

// maxFlat bounds the fields, because a name is compared with each.
const maxFlat = 16

// A flatField is a field, and its name in JSON.
type flatField struct {
	index int
	name  string
	kind  reflect.Kind
}

// NewFlatReader returns nil for a type that is no struct of strings, booleans and numbers.
func NewFlatReader(t reflect.Type) FlatReader {
	if t.Kind() != reflect.Struct || t.NumField() == 0 || t.NumField() > maxFlat || readsItself(t) || readsText(t) || t == timeType {
		return nil
	}
	fields := make([]flatField, t.NumField())
	folded := map[string]bool{}
	for i := range fields {
		f, ok := flatFieldOf(t.Field(i))
		if !ok || folded[strings.ToLower(f.name)] {
			return nil
		}
		f.index = i
		fields[i], folded[strings.ToLower(f.name)] = f, true
	}
	return func(text []byte, v reflect.Value) bool { return readFlat(text, v, fields) }
}

// flatFieldOf returns false for a field with an unusual tag, name or type.
func flatFieldOf(sf reflect.StructField) (flatField, bool) {
	name, options, _ := strings.Cut(sf.Tag.Get("json"), ",")
	if name == "" {
		name = sf.Name
	}
	usual := !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_'
	})
	if !sf.IsExported() || sf.Anonymous || !usual || options != "" && options != "omitempty" && options != "omitzero" {
		return flatField{}, false
	}
	if sf.Type == numberType || readsItself(sf.Type) || readsText(sf.Type) {
		return flatField{}, false
	}
	switch kind := sf.Type.Kind(); kind {
	case reflect.String, reflect.Bool, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return flatField{name: name, kind: kind}, true
	default:
		return flatField{}, false
	}
}

func readFlat(text []byte, v reflect.Value, fields []flatField) bool {
	if string(text) == "{}" {
		return true
	}
	for n := 0; len(text) > 2; n++ {
		if before := text[0]; n == 0 && before != '{' || n > 0 && before != ',' || text[1] != '"' {
			return false
		}
		f, rest := flatMember(text[2:], fields, n)
		if f == nil {
			return false
		}
		if text = f.set(rest, v.Field(f.index)); text == nil {
			return false
		}
		if len(text) == 1 {
			return text[0] == '}'
		}
	}
	return false
}

// flatMember returns the field of a name, and the text of its value. Models keep the order
// of the schema, so field n is the first guess.
func flatMember(text []byte, fields []flatField, n int) (*flatField, []byte) {
	for i := range fields {
		f := &fields[(n+i)%len(fields)]
		if end := len(f.name); len(text) > end+2 && string(text[:end]) == f.name && text[end] == '"' && text[end+1] == ':' {
			return f, text[end+2:]
		}
	}
	return nil, nil
}

// set sets a field to the value at the begin of a text, and returns the text behind the
// value, or nil.
func (f *flatField) set(text []byte, v reflect.Value) []byte {
	switch {
	case f.kind == reflect.String:
		n := plainString(text)
		if n < 0 {
			return nil
		}
		v.SetString(string(text[1 : n-1]))
		return text[n:]
	case f.kind == reflect.Bool:
		is := bytes.HasPrefix(text, []byte("true"))
		v.SetBool(is)
		if !is && !bytes.HasPrefix(text, []byte("false")) {
			return nil
		}
		return text[len(strconv.FormatBool(is)):]
	}
	n := plainNumber(text)
	if n == 0 || !setNumber(string(text[:n]), f.kind, v) {
		return nil
	}
	return text[n:]
}

// plainString returns the length of a string without escapes, or -1.
func plainString(text []byte) int {
	if len(text) == 0 || text[0] != '"' {
		return -1
	}
	ascii := true
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"' && (ascii || utf8.Valid(text[1:i])):
			return i + 1
		case c == '"' || c == '\\' || c < ' ':
			return -1
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return -1
}

// plainNumber returns the length of a number without an exponent, or 0.
func plainNumber(text []byte) int {
	digits := func(n int) int {
		for n < len(text) && '0' <= text[n] && text[n] <= '9' {
			n++
		}
		return n
	}
	begin := 0
	if len(text) > 0 && text[0] == '-' {
		begin = 1
	}
	n := digits(begin)
	if n == begin || text[begin] == '0' && n > begin+1 {
		return 0
	}
	if n < len(text) && text[n] == '.' {
		end := digits(n + 1)
		if end == n+1 {
			return 0
		}
		n = end
	}
	if n < len(text) && text[n] != ',' && text[n] != '}' {
		return 0
	}
	return n
}

func setNumber(text string, kind reflect.Kind, v reflect.Value) bool {
	switch {
	case kind == reflect.Float64:
		x, err := strconv.ParseFloat(text, 64)
		v.SetFloat(x)
		return err == nil
	case reflect.Int <= kind && kind <= reflect.Int64:
		x, err := strconv.ParseInt(text, 10, 64)
		if err != nil || v.OverflowInt(x) {
			return false
		}
		v.SetInt(x)
	default:
		x, err := strconv.ParseUint(text, 10, 64)
		if err != nil || v.OverflowUint(x) {
			return false
		}
		v.SetUint(x)
	}
	return true
}
