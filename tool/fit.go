package tool

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
)

// fit makes a reflected schema agree with what encoding/json does with the
// type, and notes what the held schema says beyond it. f is the field that the
// type is of; nil where it is none.
func (r *reflection) fit(n *value, t reflect.Type, f *field, at string) error {
	if n.form == booleanForm && n.text == "true" {
		*n = *object()
	}
	nullable := f != nil && unwrapNullable(n)
	base := indirect(t)
	own, _ := hasSchema(base)
	var err error
	switch {
	case own && f != nil && f.quoted:
		err = fmt.Errorf(`",string" has no meaning beside the JSONSchema of %s`, base)
	case own:
		keepDescription(n, base)
	case n.has("$ref"):
	case f != nil && typed(*f) && readsText(base) && !readsItself(base) && n.get("type").str() != "string":
		err = fmt.Errorf("tag jsonschema: %s is read from a string", base)
	case f != nil && typed(*f) && (readsItself(base) || !readsText(base)):
	default:
		err = r.fitType(n, base, f, at, nullable || holdsNil(t))
	}
	if err == nil && f != nil {
		err = checkEffect(n, *f)
	}
	if err != nil {
		return wrapField(at, err)
	}
	n.front("description")
	n.front("type")
	r.note(n).null = holdsNil(t) && base != durationType // which knows it by itself
	if nullable || n.has("$ref") && t.Kind() == reflect.Pointer {
		admitNull(n) // a model must be able to end what holds itself
	}
	return nil
}

func (r *reflection) fitType(n *value, t reflect.Type, f *field, at string, null bool) error {
	switch {
	case t == durationType && f == nil:
		return r.fitDuration(n, "", false, null)
	case t == durationType:
		return r.fitDuration(n, f.tag, f.quoted, null)
	case f != nil && f.quoted:
		r.fitQuoted(n, t)
	case t == timeType:
		r.reads(n, t, dateTimeText)
	case t == rawType, t == numberType, readsItself(t):
	case readsText(t):
		r.reads(n, t, textForms[t])
	case isBytes(t):
	case isInt(t.Kind()), isUint(t.Kind()):
		r.fitInteger(n, t)
	case t.Kind() == reflect.Float32, t.Kind() == reflect.Float64:
		bound := largest(t)
		r.also(n, member{"minimum", number("-" + bound)}, member{"maximum", number(bound)})
	case t.Kind() == reflect.Struct:
		return r.fitStruct(n, t, at)
	case t.Kind() == reflect.Map:
		return r.fitMap(n, t, at)
	case t.Kind() == reflect.Slice, t.Kind() == reflect.Array:
		return r.fitItems(n, t, f, at)
	}
	return nil
}

func (r *reflection) fitItems(n *value, t reflect.Type, f *field, at string) error {
	items := n.get("items")
	if items == nil {
		return nil
	}
	if f != nil && indirect(t.Elem()) == durationType { // the tag is about them
		asDurations(n.get("default"))
		return r.fitDuration(items, f.tag, false, holdsNil(t.Elem()))
	}
	return r.fit(items, t.Elem(), nil, at+"[]")
}

// textForms says what the types of the standard library read, whose own errors
// speak of Go.
var textForms = map[reflect.Type]string{
	addrType:                          "an IP address such as 192.0.2.1 or 2001:db8::1",
	reflect.TypeFor[net.IP]():         "an IP address such as 192.0.2.1 or 2001:db8::1",
	reflect.TypeFor[netip.Prefix]():   "an IP address range such as 192.0.2.0/24 or 2001:db8::/32",
	reflect.TypeFor[netip.AddrPort](): "an IP address and port such as 192.0.2.1:80 or [2001:db8::1]:80",
	reflect.TypeFor[big.Float]():      "a number in a string",
	reflect.TypeFor[big.Rat]():        "a number or fraction in a string, such as 2.5 or 1/3",
}

func (r *reflection) fitStruct(n *value, t reflect.Type, at string) error {
	properties := n.get("properties")
	fields := r.fields[t]
	_, extends := reflect.Zero(t).Interface().(extendHook)
	for _, f := range fields {
		p := properties.get(f.name)
		if p == nil && !extends {
			return fmt.Errorf("the schema has no property %q for field %s", f.name, f.goName)
		}
		if p == nil {
			continue
		}
		if err := r.fit(p, f.typ, &f, strings.TrimPrefix(at+"."+f.goName, ".")); err != nil {
			return err
		}
		switch required := slices.Contains(n.get("required").strs(), f.name); {
		case required && f.typ.Kind() == reflect.Pointer:
			admitNull(p) // else nothing could be said where there is nothing to say
		case !required && r.keepsNull == nil && seesNull(f.typ) && showsNull(p):
			r.keepsNull = errAt(strings.TrimPrefix(at+"."+f.goName, "."), "may be left out and may be null, and %s tells these apart", f.typ)
		}
		if f.absent {
			note := r.note(n)
			note.absent = append(note.absent, f.name)
		}
	}
	if !extends && len(properties.names()) != len(fields) {
		return fmt.Errorf("the schema has %d properties, the type %d fields", len(properties.names()), len(fields))
	}
	return nil
}

func (r *reflection) fitMap(n *value, t reflect.Type, at string) error {
	if patterns := n.get("patternProperties"); patterns != nil && len(patterns.members) == 1 {
		n.remove("patternProperties", "additionalProperties")
		n.set("additionalProperties", patterns.members[0].value)
	}
	if key := t.Key(); key.Kind() != reflect.String {
		tell(n, aboutKeys)
		format := r.format(textFormat{read: func(s string) error { return readInteger(s, key) }, must: "a whole number in range"})
		r.also(n, member{"propertyNames", object(member{"format", text(format)})})
	}
	if elem := n.get("additionalProperties"); elem != nil {
		return r.fit(elem, t.Elem(), nil, at+"[]")
	}
	return nil
}

// fitInteger bounds an integer. The bounds of the large ones are only held: to
// a model they say nothing, and some providers refuse numbers of that size.
func (r *reflection) fitInteger(n *value, t reflect.Type) {
	low, high := bounds(t)
	r.also(n, member{"minimum", number(low)}, member{"maximum", number(high)})
	if isUint(t.Kind()) && !n.has("exclusiveMinimum") {
		n.setDefault("minimum", number("0"))
	}
	if t.Bits() <= 16 && !n.has("enum") {
		if !n.has("exclusiveMinimum") {
			n.setDefault("minimum", number(low))
		}
		if !n.has("exclusiveMaximum") {
			n.setDefault("maximum", number(high))
		}
	}
}

// largest is the largest number of a type of floats.
func largest(t reflect.Type) string {
	if t.Kind() == reflect.Float32 {
		return strconv.FormatFloat(math.MaxFloat32, 'g', -1, 32)
	}
	return strconv.FormatFloat(math.MaxFloat64, 'g', -1, 64)
}

func bounds(t reflect.Type) (low, high string) {
	if isUint(t.Kind()) {
		return "0", strconv.FormatUint(math.MaxUint64>>(64-t.Bits()), 10)
	}
	top := int64(math.MaxInt64) >> (64 - t.Bits())
	return strconv.FormatInt(-top-1, 10), strconv.FormatInt(top, 10)
}

func readInteger(s string, t reflect.Type) error {
	var shortest string
	if isUint(t.Kind()) {
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
	if shortest != s { // another spelling could name the same key twice
		return errors.New("not in its shortest form")
	}
	return nil
}

// fitQuoted describes a number or boolean that travels in a string.
func (r *reflection) fitQuoted(n *value, t reflect.Type) {
	must := "a number in a string"
	switch {
	case t.Kind() == reflect.Bool:
		n.setDefault("enum", texts("true", "false"))
		must = `"true" or "false"`
	case isUint(t.Kind()):
		n.setDefault("pattern", text(`^(0|[1-9][0-9]*)$`))
		must = "a whole number in range, in a string"
	case isInt(t.Kind()):
		n.setDefault("pattern", text(`^-?(0|[1-9][0-9]*)$`))
		must = "a whole number in range, in a string"
	default:
		n.setDefault("pattern", text(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`))
	}
	format := r.format(textFormat{read: func(s string) error { return readQuoted(s, t) }, must: must})
	r.also(n, member{"format", text(format)})
}

// readQuoted reads a number or boolean as encoding/json does with ",string":
// the text as it stands, and nothing for null.
func readQuoted(s string, t reflect.Type) error {
	v, err := parse(s, argumentLimits)
	switch {
	case err != nil:
		return err
	case v.form == nullForm, s != strings.TrimSpace(s):
		return errors.New("no number or boolean alone")
	}
	return json.Unmarshal([]byte(s), reflect.New(t).Interface())
}

const aboutKeys = "Its keys are whole numbers."

// tell adds to the description what no keyword says.
func tell(n *value, about string) {
	if d := n.get("description").str(); d != "" {
		about = d + " (" + about + ")"
	}
	n.set("description", text(about))
}

// reads holds a string to what the type's UnmarshalText takes.
func (r *reflection) reads(n *value, t reflect.Type, must string) {
	format := r.format(textFormat{must: must, read: func(s string) error {
		return reflect.New(t).Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(s))
	}})
	r.also(n, member{"format", text(format)})
}

func (r *reflection) format(f textFormat) string {
	name := "go-" + strconv.Itoa(len(r.formats))
	r.formats[name] = f
	return name
}

func (r *reflection) note(n *value) *extra {
	if r.held[n] == nil {
		r.held[n] = &extra{}
	}
	return r.held[n]
}

func (r *reflection) also(n *value, also ...member) {
	note := r.note(n)
	note.also = append(note.also, also...)
}

// hold returns the schema that arguments are held to.
func (r *reflection) hold(n *value) *value {
	c := &value{form: n.form, text: n.text}
	for _, item := range n.items {
		c.items = append(c.items, r.hold(item))
	}
	for _, m := range n.members {
		c.members = append(c.members, member{m.name, r.hold(m.value)})
	}
	note := r.held[n]
	if note == nil {
		return c
	}
	c.remove(note.drop...)
	for _, m := range note.set {
		c.set(m.name, m.value)
	}
	if len(note.also) > 0 {
		all := c.get("allOf")
		if all == nil {
			all = &value{form: arrayForm}
			c.set("allOf", all)
		}
		all.items = append(all.items, object(note.also...))
	}
	if required := c.get("required"); required != nil {
		required.items = slices.DeleteFunc(required.items, func(v *value) bool { return slices.Contains(note.absent, v.text) })
	}
	if note.null {
		admitNull(c)
	}
	return c
}

// holdsNil reports whether a value of the type can be nil, which is null in JSON.
func holdsNil(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Interface:
		return true
	case reflect.Slice, reflect.Map:
		return !t.Implements(textMarshalerType)
	}
	return false
}

// admitNull makes a schema take null too. An allOf of ours bears on numbers and
// strings only.
func admitNull(n *value) {
	typ := n.get("type")
	switch {
	case !slices.ContainsFunc(n.names(), func(name string) bool { return name != "description" }), takesNull(n.get("anyOf")):
	case n.has("$ref", "oneOf", "anyOf", "not", "const") || typ == nil:
		either := &value{form: arrayForm, items: []*value{{form: objectForm, members: n.members}, object(member{"type", text("null")})}}
		n.members = []member{{"anyOf", either}}
	default:
		if typ.form == stringForm {
			typ = texts(typ.text)
			n.set("type", typ)
		}
		if !slices.Contains(typ.strs(), "null") {
			typ.items = append(typ.items, text("null"))
		}
		if enum := n.get("enum"); enum != nil && !slices.ContainsFunc(enum.items, func(v *value) bool { return v.form == nullForm }) {
			enum.items = append(enum.items, &value{form: nullForm})
		}
	}
}

// seesNull reports whether a type is told of a null, by its own method. Any other is
// left as it was.
func seesNull(t reflect.Type) bool {
	return t.Kind() != reflect.Pointer && t.Kind() != reflect.Interface && t != timeType && implements(t, unmarshalerType)
}

// showsNull reports whether a model is told that it may write null.
func showsNull(n *value) bool {
	return n.get("type").str() == "null" || slices.Contains(n.get("type").strs(), "null") || takesNull(n.get("anyOf")) || takesNull(n.get("oneOf"))
}

func takesNull(branches *value) bool {
	return branches != nil && slices.ContainsFunc(branches.items, func(b *value) bool { return b.get("type").str() == "null" })
}

// unwrapNullable undoes what the reflector makes of the tag "nullable", and
// reports whether it had: some providers understand ["string","null"] only.
func unwrapNullable(n *value) bool {
	either := n.get("oneOf")
	if either == nil || len(n.members) != 1 || len(either.items) != 2 || either.items[1].get("type").str() != "null" {
		return false
	}
	*n = *either.items[0]
	if n.form == booleanForm {
		*n = *object()
	}
	return true
}

// keepDescription restores the description that a type's own schema has, which
// the reflector wipes at each field.
func keepDescription(n *value, t reflect.Type) {
	if d := ownSchema(t).Description; d != "" {
		n.setDefault("description", text(d))
	}
}
