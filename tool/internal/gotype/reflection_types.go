package gotype

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
	"github.com/seed-916e8f6a/toolloop/tool/internal/validate"
)

// fit corrects a reflected schema to match encoding/json, and records the extras of the
// held schema. f is the field of the type, or nil outside of fields.
func (r *Reflection) fit(n *tree.Value, t reflect.Type, f *field, at string) error {
	if n.Form == tree.BooleanForm && n.Text == "true" {
		*n = *tree.Object()
	}
	nullable := f != nil && unwrapNullable(n)
	base := Indirect(t)
	own, _ := hasSchema(base)
	var err error
	switch {
	case own && f != nil && f.quoted:
		err = fmt.Errorf(`",string" has no meaning beside the JSONSchema of %s`, base)
	case own:
		keepDescription(n, base)
	case n.Has("$ref"):
	case f != nil && setsType(*f) && readsText(base) && !readsItself(base) && n.Get("type").Str() != "string":
		err = fmt.Errorf("tag jsonschema: %s is read from a string", base)
	case f != nil && setsType(*f) && (readsItself(base) || !readsText(base)):
	default:
		err = r.fitType(n, base, f, at, nullable || holdsNil(t))
	}
	if err == nil && f != nil {
		err = checkEffect(n, *f)
	}
	if err != nil {
		return wrapField(at, err)
	}
	n.Front("description")
	n.Front("type")
	r.note(n).null = holdsNil(t) && base != durationType // the format of a duration checks null
	if nullable || n.Has("$ref") && t.Kind() == reflect.Pointer {
		tree.AdmitNull(n) // a model must be able to end a recursion
	}
	return nil
}

func (r *Reflection) fitType(n *tree.Value, t reflect.Type, f *field, at string, null bool) error {
	switch {
	case t == durationType && f == nil:
		return r.fitDuration(n, "", false, null)
	case t == durationType:
		return r.fitDuration(n, f.tag, f.quoted, null)
	case f != nil && f.quoted:
		r.fitQuoted(n, t)
	case t == timeType:
		r.requireText(n, t, validate.DateTimeText)
	case t == RawType, t == numberType, readsItself(t):
	case readsText(t):
		r.requireText(n, t, textForms[t])
	case isBytes(t):
	case IsInt(t.Kind()), IsUint(t.Kind()):
		r.fitInteger(n, t)
	case t.Kind() == reflect.Float32, t.Kind() == reflect.Float64:
		bound := largest(t)
		r.also(n, tree.Member{Name: "minimum", Value: tree.Number("-" + bound)}, tree.Member{Name: "maximum", Value: tree.Number(bound)})
	case t.Kind() == reflect.Struct:
		return r.fitStruct(n, t, at)
	case t.Kind() == reflect.Map:
		return r.fitMap(n, t, at)
	case t.Kind() == reflect.Slice, t.Kind() == reflect.Array:
		return r.fitItems(n, t, f, at)
	}
	return nil
}

func (r *Reflection) fitItems(n *tree.Value, t reflect.Type, f *field, at string) error {
	items := n.Get("items")
	if items == nil {
		return nil
	}
	if f != nil && Indirect(t.Elem()) == durationType { // the tag applies to the items
		asDurations(n.Get("default"))
		return r.fitDuration(items, f.tag, false, holdsNil(t.Elem()))
	}
	return r.fit(items, t.Elem(), nil, at+"[]")
}

// textForms describes the text formats of the standard library, whose errors mention Go.
var textForms = map[reflect.Type]string{
	addrType:                          "an IP address such as 192.0.2.1 or 2001:db8::1",
	reflect.TypeFor[net.IP]():         "an IP address such as 192.0.2.1 or 2001:db8::1",
	reflect.TypeFor[netip.Prefix]():   "an IP address range such as 192.0.2.0/24 or 2001:db8::/32",
	reflect.TypeFor[netip.AddrPort](): "an IP address and port such as 192.0.2.1:80 or [2001:db8::1]:80",
	reflect.TypeFor[big.Float]():      "a number in a string",
	reflect.TypeFor[big.Rat]():        "a number or fraction in a string, such as 2.5 or 1/3",
}

func (r *Reflection) fitStruct(n *tree.Value, t reflect.Type, at string) error {
	properties := n.Get("properties")
	fields := r.scan.fields[t]
	_, extends := reflect.Zero(t).Interface().(extendHook)
	for _, f := range fields {
		p := properties.Get(f.name)
		if p == nil && !extends {
			return fmt.Errorf("the schema has no property %q for field %s", f.name, f.goName)
		}
		if p == nil {
			continue
		}
		if err := r.fit(p, f.typ, &f, strings.TrimPrefix(at+"."+f.goName, ".")); err != nil {
			return err
		}
		switch required := slices.Contains(n.Get("required").Strings(), f.name); {
		case required && f.typ.Kind() == reflect.Pointer:
			tree.AdmitNull(p) // the model needs a way to send no value
		case !required && r.KeepsNull == nil && seesNull(f.typ) && showsNull(p):
			r.KeepsNull = errAt(strings.TrimPrefix(at+"."+f.goName, "."), "may be left out and may be null, and %s tells these apart", f.typ)
		}
		if f.absent {
			note := r.note(n)
			note.absent = append(note.absent, f.name)
		}
	}
	if !extends && len(properties.Names()) != len(fields) {
		return fmt.Errorf("the schema has %d properties, the type %d fields", len(properties.Names()), len(fields))
	}
	return nil
}

func (r *Reflection) fitMap(n *tree.Value, t reflect.Type, at string) error {
	if patterns := n.Get("patternProperties"); patterns != nil && len(patterns.Members) == 1 {
		n.Remove("patternProperties", "additionalProperties")
		n.Set("additionalProperties", patterns.Members[0].Value)
	}
	if key := t.Key(); key.Kind() != reflect.String {
		describe(n, aboutKeys)
		format := r.format(validate.TextFormat{Read: func(s string) error { return readInteger(s, key) }, Must: "a whole number in range"})
		r.also(n, tree.Member{Name: "propertyNames", Value: tree.Object(tree.Member{Name: "format", Value: tree.Text(format)})})
	}
	if elem := n.Get("additionalProperties"); elem != nil {
		return r.fit(elem, t.Elem(), nil, at+"[]")
	}
	return nil
}

// fitInteger bounds an integer. Large bounds are only held: they say nothing to a model,
// and some providers refuse large numbers.
func (r *Reflection) fitInteger(n *tree.Value, t reflect.Type) {
	low, high := bounds(t)
	r.also(n, tree.Member{Name: "minimum", Value: tree.Number(low)}, tree.Member{Name: "maximum", Value: tree.Number(high)})
	if IsUint(t.Kind()) && !n.Has("exclusiveMinimum") {
		n.SetDefault("minimum", tree.Number("0"))
	}
	if t.Bits() <= 16 && !n.Has("enum") {
		if !n.Has("exclusiveMinimum") {
			n.SetDefault("minimum", tree.Number(low))
		}
		if !n.Has("exclusiveMaximum") {
			n.SetDefault("maximum", tree.Number(high))
		}
	}
}

// largest returns the largest number of a float type.
func largest(t reflect.Type) string {
	if t.Kind() == reflect.Float32 {
		return strconv.FormatFloat(math.MaxFloat32, 'g', -1, 32)
	}
	return strconv.FormatFloat(math.MaxFloat64, 'g', -1, 64)
}

func bounds(t reflect.Type) (low, high string) {
	if IsUint(t.Kind()) {
		return "0", strconv.FormatUint(math.MaxUint64>>(64-t.Bits()), 10)
	}
	top := int64(math.MaxInt64) >> (64 - t.Bits())
	return strconv.FormatInt(-top-1, 10), strconv.FormatInt(top, 10)
}

func readInteger(s string, t reflect.Type) error {
	var shortest string
	if IsUint(t.Kind()) {
		n, err := strconv.ParseUint(s, 10, t.Bits())
		if err != nil {
			return err
		}
		shortest = strconv.FormatUint(n, 10)
	} else {
		n, err := strconv.ParseInt(s, 10, t.Bits())
		if err != nil {
			return err
		}
		shortest = strconv.FormatInt(n, 10)
	}
	if shortest != s { // another spelling could repeat a key
		return errors.New("not in its shortest form")
	}
	return nil
}

// fitQuoted describes a number or boolean inside a string.
func (r *Reflection) fitQuoted(n *tree.Value, t reflect.Type) {
	must := "a number in a string"
	switch {
	case t.Kind() == reflect.Bool:
		n.SetDefault("enum", tree.Texts("true", "false"))
		must = `"true" or "false"`
	case IsUint(t.Kind()):
		n.SetDefault("pattern", tree.Text(`^(0|[1-9][0-9]*)$`))
		must = "a whole number in range, in a string"
	case IsInt(t.Kind()):
		n.SetDefault("pattern", tree.Text(`^-?(0|[1-9][0-9]*)$`))
		must = "a whole number in range, in a string"
	default:
		n.SetDefault("pattern", tree.Text(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`))
	}
	format := r.format(validate.TextFormat{Read: func(s string) error { return readQuoted(s, t) }, Must: must})
	r.also(n, tree.Member{Name: "format", Value: tree.Text(format)})
}

// readQuoted parses a number or boolean like encoding/json with ",string": without
// spaces, and never null.
func readQuoted(s string, t reflect.Type) error {
	v, err := tree.Parse(s, tree.ArgumentLimits)
	switch {
	case err != nil:
		return err
	case v.Form == tree.NullForm, s != strings.TrimSpace(s):
		return errors.New("no number or boolean alone")
	}
	return json.Unmarshal([]byte(s), reflect.New(t).Interface())
}

const aboutKeys = "Its keys are whole numbers."

// describe appends a sentence to the description.
func describe(n *tree.Value, about string) {
	if d := n.Get("description").Str(); d != "" {
		about = d + " (" + about + ")"
	}
	n.Set("description", tree.Text(about))
}

// requireText requires that the type's UnmarshalText accepts a string.
func (r *Reflection) requireText(n *tree.Value, t reflect.Type, must string) {
	read := validate.TextFormat{Must: must, Read: func(s string) error {
		return reflect.New(t).Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s))
	}}
	format := ""
	if t == timeType {
		format = r.named(validate.PlainFormat, read)
	} else {
		format = r.format(read)
	}
	r.also(n, tree.Member{Name: "format", Value: tree.Text(format)})
}

// goFormat begins the names of formats that only the general path reads.
const goFormat = "go-"

func (r *Reflection) format(f validate.TextFormat) string { return r.named(goFormat, f) }

func (r *Reflection) named(kind string, f validate.TextFormat) string {
	name := kind + strconv.Itoa(len(r.Formats))
	r.Formats[name] = f
	return name
}

func (r *Reflection) note(n *tree.Value) *extra {
	if r.held[n] == nil {
		r.held[n] = &extra{}
	}
	return r.held[n]
}

func (r *Reflection) also(n *tree.Value, also ...tree.Member) {
	note := r.note(n)
	note.also = append(note.also, also...)
}

// Held returns the held schema: a copy of n with the extras.
func (r *Reflection) Held(n *tree.Value) *tree.Value {
	c := &tree.Value{Form: n.Form, Text: n.Text}
	for _, item := range n.Items {
		c.Items = append(c.Items, r.Held(item))
	}
	for _, m := range n.Members {
		c.Members = append(c.Members, tree.Member{Name: m.Name, Value: r.Held(m.Value)})
	}
	note := r.held[n]
	if note == nil {
		return c
	}
	c.Remove(note.drop...)
	for _, m := range note.set {
		c.Set(m.Name, m.Value)
	}
	if len(note.also) > 0 {
		all := c.Get("allOf")
		if all == nil {
			all = &tree.Value{Form: tree.ArrayForm}
			c.Set("allOf", all)
		}
		all.Items = append(all.Items, tree.Object(note.also...))
	}
	if required := c.Get("required"); required != nil {
		required.Items = slices.DeleteFunc(required.Items, func(v *tree.Value) bool { return slices.Contains(note.absent, v.Text) })
	}
	if note.null {
		tree.AdmitNull(c)
	}
	return c
}

// holdsNil reports whether a value of the type can be nil, which is null in JSON.
func holdsNil(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Interface:
		return true
	case reflect.Slice, reflect.Map:
		return !t.Implements(TextMarshalerType)
	}
	return false
}

// seesNull reports whether the type's own method decodes null. Null leaves other types
// unchanged.
func seesNull(t reflect.Type) bool {
	return t.Kind() != reflect.Pointer && t.Kind() != reflect.Interface && t != timeType && Implements(t, unmarshalerType)
}

// showsNull reports whether the shown schema admits null.
func showsNull(n *tree.Value) bool {
	return n.Get("type").Str() == "null" || slices.Contains(n.Get("type").Strings(), "null") || tree.TakesNull(n.Get("anyOf")) || tree.TakesNull(n.Get("oneOf"))
}

// unwrapNullable reverts the reflector's schema of the tag "nullable", and reports
// whether the tag was set. Some providers understand only ["string","null"].
func unwrapNullable(n *tree.Value) bool {
	either := n.Get("oneOf")
	if either == nil || len(n.Members) != 1 || len(either.Items) != 2 || either.Items[1].Get("type").Str() != "null" {
		return false
	}
	*n = *either.Items[0]
	if n.Form == tree.BooleanForm {
		*n = *tree.Object()
	}
	return true
}

// keepDescription restores the description of a type's own schema, which the reflector
// clears at each field.
func keepDescription(n *tree.Value, t reflect.Type) {
	if d := ownSchema(t).Description; d != "" {
		n.SetDefault("description", tree.Text(d))
	}
}
