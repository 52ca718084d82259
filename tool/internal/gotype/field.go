package gotype

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"
)

// A field is a member of a JSON object, as encoding/json finds the field in a struct.
type field struct {
	name   string // in JSON
	goName string // for errors; Outer.Inner for an embedded field
	typ    reflect.Type
	tag    reflect.StructTag
	quoted bool // ",string": a number or boolean in a JSON string
	absent bool // behind an embedded pointer, and absent if the pointer is nil
	hidden bool // from the model, but not from encoding/json
}

var (
	MarshalerType       = reflect.TypeFor[json.Marshaler]()
	TextMarshalerType   = reflect.TypeFor[encoding.TextMarshaler]()
	unmarshalerType     = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshalerType = reflect.TypeFor[encoding.TextUnmarshaler]()
	timeType            = reflect.TypeFor[time.Time]()
	durationType        = reflect.TypeFor[time.Duration]()
	RawType             = reflect.TypeFor[json.RawMessage]()
	numberType          = reflect.TypeFor[json.Number]()
	urlType             = reflect.TypeFor[url.URL]()
	addrType            = reflect.TypeFor[netip.Addr]()
)

// Indirect removes pointers from a type, up to a fixed number.
func Indirect(t reflect.Type) reflect.Type {
	for range 8 {
		if t.Kind() != reflect.Pointer {
			break
		}
		t = t.Elem()
	}
	return t
}

// readsItself reports whether a type has its own UnmarshalJSON. Such a type has no known
// schema.
func readsItself(t reflect.Type) bool {
	return t != timeType && t != RawType && reflect.PointerTo(t).Implements(unmarshalerType)
}

// readsText reports whether a type has its own UnmarshalText.
func readsText(t reflect.Type) bool {
	return t.Kind() != reflect.Interface && reflect.PointerTo(t).Implements(textUnmarshalerType)
}

// isBytes reports whether encoding/json reads a type from base64.
func isBytes(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 &&
		!readsText(t.Elem()) && !readsItself(t.Elem())
}

// writesBytes reports whether encoding/json writes a slice of bytes as base64.
func writesBytes(t reflect.Type) bool {
	elem := reflect.PointerTo(t.Elem())
	return !elem.Implements(MarshalerType) && !elem.Implements(TextMarshalerType)
}

func IsInt(k reflect.Kind) bool { return reflect.Int <= k && k <= reflect.Int64 }

func IsUint(k reflect.Kind) bool { return reflect.Uint <= k && k <= reflect.Uint64 }

func IsScalar(k reflect.Kind) bool {
	return IsInt(k) || IsUint(k) || k == reflect.Bool || k == reflect.Float32 || k == reflect.Float64
}

// fieldsOf lists the fields of a struct, including embedded fields, in order. A field
// that the reflector and encoding/json treat differently is an error.
func fieldsOf(t reflect.Type) ([]field, error) {
	fields, err := collect(t, "", nil)
	if err != nil {
		return nil, err
	}
	first := map[string]string{}
	for _, f := range fields {
		if other, taken := first[f.name]; taken {
			return nil, errAt(f.goName, "property %q is that of field %s too", f.name, other)
		}
		first[f.name] = f.goName
		if f.hidden {
			continue
		}
		if err := checkTyped(f); err != nil {
			return nil, err
		}
	}
	fields = slices.DeleteFunc(fields, func(f field) bool { return f.hidden })
	if len(fields) == 0 && t.NumField() > 0 {
		return nil, errAt("", "no field of %s is visible to JSON", t)
	}
	return fields, nil
}

func collect(t reflect.Type, outer string, around []reflect.Type) ([]field, error) {
	if slices.Contains(around, t) {
		return nil, errAt(outer, "%s embeds itself", t)
	}
	var fields []field
	for i := range t.NumField() {
		sf := t.Field(i)
		goName := strings.TrimPrefix(outer+"."+sf.Name, ".")
		if invisible(sf) {
			continue
		}
		if hidden(sf) {
			fields = append(fields, hiddenFields(sf, goName, append(around, t))...)
			continue
		}
		if err := checkTags(sf); err != nil {
			return nil, &fieldError{goName, err}
		}
		name, options := JSONTag(sf)
		if embeds(sf) {
			inner, err := embedded(sf, goName, append(around, t))
			if err != nil {
				return nil, err
			}
			fields = append(fields, inner...)
			continue
		}
		quoted, err := isQuoted(sf.Type, options)
		if err != nil {
			return nil, &fieldError{goName, err}
		}
		if name == "" {
			name = sf.Name
		}
		fields = append(fields, field{name: name, goName: goName, typ: sf.Type, tag: sf.Tag, quoted: quoted})
	}
	return fields, nil
}

func JSONTag(sf reflect.StructField) (name string, options []string) {
	parts := strings.Split(sf.Tag.Get("json"), ",")
	return parts[0], parts[1:]
}

// invisible reports whether neither the model nor encoding/json uses the field.
func invisible(sf reflect.StructField) bool {
	return !sf.IsExported() && !sf.Anonymous || sf.Tag.Get("json") == "-"
}

// hidden reports whether the author hides the field from the model. The schema refuses
// the name, although encoding/json would decode the member.
func hidden(sf reflect.StructField) bool {
	schemaTag, _, _ := strings.Cut(sf.Tag.Get("jsonschema"), ",")
	return schemaTag == "-"
}

// hiddenFields lists the names of a hidden field. encoding/json would decode members with
// these names into the field.
func hiddenFields(sf reflect.StructField, goName string, around []reflect.Type) []field {
	name, _ := JSONTag(sf)
	if embeds(sf) {
		inner, _ := collect(Indirect(sf.Type), goName, around) // errors in a hidden field do not matter
		for i := range inner {
			inner[i].hidden = true
		}
		return inner
	}
	if name == "" || !ValidName(name) {
		name = sf.Name
	}
	return []field{{name: name, goName: goName, hidden: true}}
}

func embeds(sf reflect.StructField) bool {
	name, _ := JSONTag(sf)
	t := sf.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return sf.Anonymous && name == "" && t.Kind() == reflect.Struct
}

func embedded(sf reflect.StructField, goName string, around []reflect.Type) ([]field, error) {
	t, pointer := sf.Type, false
	if t.Kind() == reflect.Pointer {
		t, pointer = t.Elem(), true
	}
	switch {
	case pointer && !sf.IsExported():
		return nil, errAt(goName, "encoding/json cannot set an embedded pointer to an unexported struct")
	case readsItself(t) || readsText(t):
		return nil, errAt(goName, "%s decodes itself and cannot be embedded; give the field a name", t)
	}
	inner, err := collect(t, goName, around)
	for i := range inner {
		inner[i].absent = inner[i].absent || pointer
	}
	return inner, err
}

// checkTags refuses tags that the reflector and encoding/json treat differently.
func checkTags(sf reflect.StructField) error {
	name, options := JSONTag(sf)
	switch {
	case sf.Anonymous && !sf.IsExported() && !embeds(sf) && name == "":
		return errors.New("encoding/json ignores an embedded unexported type that is not a struct; name the field")
	case sf.Anonymous && !sf.IsExported() && !embeds(sf):
		return errors.New("encoding/json ignores an unexported field; export its type")
	case name == "-":
		return errors.New(`a property cannot be named "-"`)
	case !ValidName(name):
		return fmt.Errorf("encoding/json ignores the name %q of the tag", name)
	case slices.Contains(options, "inline") && !embeds(sf):
		return errors.New(`encoding/json ignores "inline" on a named field; embed the struct`)
	}
	if err := checkTagNames(sf.Tag); err != nil {
		return err
	}
	return checkSchemaTag(sf.Tag.Get("jsonschema"), sf.Type)
}

func ValidName(name string) bool {
	for _, r := range name {
		if !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", r) && !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			return false
		}
	}
	return true
}

func isQuoted(t reflect.Type, options []string) (bool, error) {
	if !slices.Contains(options, "string") {
		return false, nil
	}
	elem := t
	if t.Kind() == reflect.Pointer {
		elem = t.Elem()
	}
	switch {
	case readsText(Indirect(t)) || readsItself(Indirect(t)):
		return false, fmt.Errorf(`",string" has no meaning for %s`, t)
	case IsScalar(elem.Kind()):
		return true, nil
	case elem.Kind() == reflect.String:
		return false, errors.New(`",string" on a string wants a string in a string; leave it out`)
	case IsScalar(Indirect(t).Kind()):
		return false, errors.New(`encoding/json ignores ",string" on a pointer to a pointer`)
	}
	return false, nil
}

// A fieldError is an error about a Go field, such as Filter.Tags[] for the elements of
// the field Tags in the field Filter.
type fieldError struct {
	at  string // "" means the arguments as a whole
	err error
}

func (e *fieldError) Unwrap() error { return e.err }

func (e *fieldError) Error() string {
	if e.at == "" {
		return "the arguments: " + e.err.Error()
	}
	return "field " + e.at + ": " + e.err.Error()
}

// Bare returns an error of a type without the words about arguments, for a type that is no
// argument.
func Bare(err error) error {
	if e, ok := errors.AsType[*fieldError](err); ok && e.at == "" {
		return e.err
	}
	return err
}

func errAt(at, format string, args ...any) error {
	return &fieldError{at, fmt.Errorf(format, args...)}
}

// wrapField adds the field to an error without a field.
func wrapField(at string, err error) error {
	if _, named := errors.AsType[*fieldError](err); named || err == nil {
		return err
	}
	return &fieldError{at, err}
}

// prefixField prefixes the field of an error with the enclosing field.
func prefixField(at string, err error) error {
	e, named := errors.AsType[*fieldError](err)
	if !named {
		return &fieldError{at, err}
	}
	return &fieldError{strings.Trim(at+"."+e.at, "."), e.err}
}

// Implements reports whether t or *t implements the interface methods.
func Implements(t, methods reflect.Type) bool {
	return t.Implements(methods) || t.Kind() != reflect.Interface && reflect.PointerTo(t).Implements(methods)
}
