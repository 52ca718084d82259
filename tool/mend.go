package tool

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A mender rewrites what is no JSON Schema as its author plainly meant it. A
// provider that reads schemas strictly refuses each request that has another.
type mender struct {
	*repairs
	at  path
	err error // what no tool can have
}

// mend rewrites a schema at every depth. It returns what it did, one sentence each.
func mend(doc *value) ([]string, error) {
	m := &mender{repairs: &repairs{}}
	m.schema(doc)
	if m.err != nil {
		return nil, m.err
	}
	m.references(doc)
	return m.list(), nil
}

func (m *mender) tell(format string, args ...any) { m.add(m.at, fmt.Sprintf(format, args...)) }

func (m *mender) schema(s *value) {
	if s.form != objectForm {
		return
	}
	m.nulls(s)
	m.misplaced(s)
	m.types(s)
	m.values(s)
	m.numbers(s)
	m.booleans(s)
	m.annotations(s)
	m.groups(s)
	m.required(s)
	s.inner(func(below *value, steps ...string) {
		before := len(m.at)
		for _, name := range steps {
			m.at = append(m.at, step{name: name, index: -1})
		}
		m.inPlace(below, steps[0])
		m.at = m.at[:before]
	})
}

// inPlace mends what stands where a keyword has a schema.
func (m *mender) inPlace(v *value, keyword string) {
	switch v.form {
	case nullForm:
		*v = *object()
		m.tell("null is read as any value")
	case stringForm:
		if t, ok := typeNames[strings.ToLower(v.text)]; ok {
			m.tell("%s is read as a schema of this type", quote(v.text))
			*v = *object()
			if t != "" {
				v.set("type", text(t))
			}
		} else if keyword == "properties" {
			*v = *object(member{"description", text(v.text)})
			m.tell("a text is read as the description of any value")
		}
	case arrayForm:
		if len(v.items) == 0 && keyword != "dependencies" && keyword != "items" {
			*v = *object()
			m.tell("[] is read as {}")
		}
	}
	m.schema(v)
}

// Keywords by what they hold.
var (
	numeric = []string{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
		"minItems", "maxItems", "minContains", "maxContains", "minProperties", "maxProperties"}
	logical = []string{"uniqueItems", "deprecated", "readOnly", "writeOnly", "nullable"}
	textual = []string{"$ref", "$id", "$schema", "$anchor", "$comment", "title", "description", "format", "pattern",
		"contentEncoding", "contentMediaType"}
	wellKnown = slices.Concat(oneSchema, listOfSchemas, schemasByNames, numeric, logical, textual,
		[]string{"type", "enum", "required", "dependentRequired", "examples"})
)

// nulls removes keywords that are null. Some generators write that for none.
func (m *mender) nulls(s *value) {
	s.members = slices.DeleteFunc(s.members, func(k member) bool {
		none := k.value.form == nullForm && slices.Contains(wellKnown, k.name)
		if none {
			m.tell("%s: null is left out", quote(k.name))
		}
		return none
	})
}

// misplaced moves keywords of an object out of its properties. What is moved could
// not be the schema of a property.
func (m *mender) misplaced(s *value) {
	properties := s.get("properties")
	texts := func(p member) bool { return p.value.form == stringForm && !isMisplaced(p) }
	if slices.ContainsFunc(members(properties), texts) {
		return // all may be texts
	}
	for _, p := range slices.Clone(members(properties)) {
		if !isMisplaced(p) {
			continue
		}
		m.tell("%s among the properties is read as the keyword of the object", quote(p.name))
		properties.remove(p.name)
		if p.name == "required" {
			s.require(p.value.strs()...)
		} else {
			s.setDefault(p.name, p.value)
		}
	}
}

func isMisplaced(p member) bool {
	_, isType := typeNames[strings.ToLower(p.value.str())]
	switch p.value.form {
	case arrayForm:
		return p.name == "required" && !slices.ContainsFunc(p.value.items, func(v *value) bool { return v.form != stringForm })
	case stringForm:
		return p.name == "type" && p.value.text == "object" || slices.Contains(textual, p.name) && !isType
	case numberForm:
		return p.name == "minProperties" || p.name == "maxProperties"
	}
	return false
}

// typeNames are what authors call the types of JSON; empty for any type.
var typeNames = map[string]string{
	"string": "string", "str": "string", "text": "string", "varchar": "string",
	"integer": "integer", "int": "integer", "int8": "integer", "int16": "integer", "int32": "integer", "int64": "integer",
	"uint": "integer", "uint8": "integer", "uint16": "integer", "uint32": "integer", "uint64": "integer",
	"long": "integer", "short": "integer", "bigint": "integer",
	"number": "number", "float": "number", "float32": "number", "float64": "number", "double": "number", "decimal": "number",
	"numeric": "number", "real": "number",
	"boolean": "boolean", "bool": "boolean",
	"array": "array", "list": "array", "tuple": "array", "set": "array", "slice": "array",
	"object": "object", "dict": "object", "dictionary": "object", "map": "object", "struct": "object", "record": "object", "hash": "object",
	"null": "null", "none": "null", "nil": "null",
	"any": "", "mixed": "", "unknown": "", "": "",
}

// types writes the types as JSON Schema calls them.
func (m *mender) types(s *value) {
	written := s.get("type")
	if written == nil || slices.ContainsFunc(written.items, func(v *value) bool { return v.form != stringForm }) {
		return
	}
	names := written.strs()
	if written.form == stringForm {
		names = strings.Split(written.text, "|")
	} else if written.form != arrayForm {
		return
	}
	if len(names) == 0 {
		s.remove("type")
		m.tell("type [] is left out")
	}
	var types []string
	for _, name := range names {
		t, ok := typeNames[strings.ToLower(strings.TrimSpace(name))]
		switch {
		case !ok:
			return
		case t == "":
			m.tell("type %s is read as any value", clip(string(written.json()), maxEcho))
			s.remove("type")
			return
		case !slices.Contains(types, t):
			types = append(types, t)
		}
	}
	if !slices.Equal(types, names) || written.form == stringForm && len(names) > 1 {
		m.typed(s, written, types)
	}
}

func (m *mender) typed(s, written *value, types []string) {
	now := texts(types...)
	if len(types) == 1 {
		now = text(types[0])
	}
	s.set("type", now)
	m.tell("type %s is read as %s", clip(string(written.json()), maxEcho), clip(string(now.json()), maxEcho))
}

// values makes a list of distinct values of "enum". An empty one takes nothing: no
// call could be made with it.
func (m *mender) values(s *value) {
	enum := s.get("enum")
	if enum == nil {
		return
	}
	m.listed(enum, "enum")
	if enum.form != arrayForm && enum.form != objectForm {
		*enum = value{form: arrayForm, items: []*value{{form: enum.form, text: enum.text}}}
		m.tell("enum is read as a list of this one value")
	}
	if enum.form == arrayForm && len(enum.items) == 0 && m.err == nil {
		where := clip(pointer(append(m.at.steps(), "enum")), 3*maxEcho)
		m.err = errors.New("schema: " + where + ": has no values, so nothing would be taken; give some or leave it out")
	}
	m.distinct(enum, "enum")
}

// listed reads an object whose names are indexes as a list. PHP and Lua write some
// lists so.
func (m *mender) listed(v *value, keyword string) {
	isIndex := func(name string) bool { return name != "" && strings.Trim(name, "0123456789") == "" }
	if v.form != objectForm || slices.ContainsFunc(v.names(), func(name string) bool { return !isIndex(name) }) {
		return
	}
	list := value{form: arrayForm}
	for _, item := range v.members {
		list.items = append(list.items, item.value)
	}
	*v = list
	m.tell("%s is read as a list", keyword)
}

func (m *mender) distinct(list *value, keyword string) {
	seen := map[string]bool{}
	before := len(list.items)
	list.items = slices.DeleteFunc(list.items, func(v *value) bool {
		key := string(appendKey(nil, v.any()))
		twice := seen[key]
		seen[key] = true
		return twice
	})
	if len(list.items) < before {
		m.tell("%s has each value once", keyword)
	}
}

// numbers reads bounds that are written as strings. An exclusive bound of draft-04
// without a bound beside it says nothing.
func (m *mender) numbers(s *value) {
	for _, keyword := range numeric {
		bound := s.get(keyword)
		if bound == nil {
			continue
		}
		if d, ok := readNumber(bound.str()); ok && len(bound.text) <= maxNumber && max(d.exponent, -d.exponent) <= maxExponent {
			*bound = *number(d.canonical(bound.text))
			m.tell("%s is read as the number in the string", keyword)
		}
		inclusive := strings.ToLower(strings.TrimPrefix(keyword, "exclusive"))
		if bound.form == booleanForm && inclusive != strings.ToLower(keyword) && !s.has(inclusive) {
			s.remove(keyword)
			m.tell("%s without %s is left out", keyword, inclusive)
		}
	}
}

// booleans reads booleans that are written as strings.
func (m *mender) booleans(s *value) {
	for _, keyword := range slices.Concat(logical, oneSchema) {
		if v := s.get(keyword); asBoolean(v) && v.form == stringForm {
			*v = value{form: booleanForm, text: strings.ToLower(v.text)}
			m.tell("%s is read as the boolean in the string", keyword)
		}
	}
}

// asBoolean reports whether v is a boolean, perhaps in a string.
func asBoolean(v *value) bool {
	return v != nil && (v.form == booleanForm || v.form == stringForm && slices.Contains([]string{"true", "false"}, strings.ToLower(v.text)))
}

// annotations removes those that are ill-formed: they hold no value to anything.
func (m *mender) annotations(s *value) {
	for _, keyword := range []string{"title", "description", "$comment", "format", "deprecated", "readOnly", "writeOnly"} {
		v, want := s.get(keyword), stringForm
		if slices.Contains(logical, keyword) {
			want = booleanForm
		}
		switch {
		case v == nil || v.form == want:
		case keyword == "description" && len(v.items) > 0 && !slices.ContainsFunc(v.items, func(v *value) bool { return v.form != stringForm }):
			*v = *text(strings.Join(v.strs(), " "))
			m.tell("description is read as one text")
		default:
			s.remove(keyword)
			m.tell("%s is left out: it is no %s", keyword, want)
		}
	}
	if v := s.get("examples"); v != nil && v.form != arrayForm {
		s.set("examples", &value{form: arrayForm, items: []*value{v}})
		m.tell("examples is read as a list of this one")
	}
}

// groups mends keywords that hold several schemas.
func (m *mender) groups(s *value) {
	for _, k := range s.members {
		switch {
		case k.value.form == arrayForm && len(k.value.items) == 0 && slices.Contains(schemasByNames, k.name):
			*k.value = *object() // PHP has one empty array for both
			m.tell("%s: [] is read as {}", k.name)
		case k.value.form == objectForm && k.name != "items" && slices.Contains(listOfSchemas, k.name):
			one := *k.value
			*k.value = value{form: arrayForm, items: []*value{&one}}
			m.tell("%s is read as a list of this one schema", k.name)
		}
	}
}

// required makes a list of names of "required", also of what the properties say of
// themselves, as up to draft-03.
func (m *mender) required(s *value) {
	own := s.get("required")
	switch {
	case own == nil:
	case asBoolean(own):
		s.remove("required")
		m.tell("required is left out: it has no names")
	default:
		m.names(s, own)
	}
	for _, p := range members(s.get("properties")) {
		own := p.value.get("required")
		if !asBoolean(own) {
			continue
		}
		p.value.remove("required")
		if strings.EqualFold(own.text, "true") {
			s.require(p.name)
		}
		m.tell("required of property %s is read as the keyword of the object", quote(p.name))
	}
}

func (m *mender) names(s, list *value) {
	if list.form == stringForm && s.get("properties").get(list.text) != nil {
		*list = *texts(list.text)
		m.tell("required is read as a list of this one name")
	}
	m.listed(list, "required")
	m.distinct(list, "required")
}

// require adds names to "required".
func (v *value) require(names ...string) {
	list := v.get("required")
	if list == nil || list.form != arrayForm {
		list = &value{form: arrayForm}
		v.set("required", list)
	}
	for _, name := range names {
		if !slices.Contains(list.strs(), name) {
			list.items = append(list.items, text(name))
		}
	}
}
