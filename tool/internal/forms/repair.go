package forms

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
	"github.com/seed-916e8f6a/toolloop/tool/internal/validate"
)

// A repairer repairs common mistakes in a schema. Strict providers refuse every request
// that contains an invalid schema.
type repairer struct {
	done *tree.Repairs
	at   tree.Path
	err  error // error that no repair can fix
}

// repair repairs a schema at every depth, and returns one sentence for each repair.
func repair(doc *tree.Value) ([]string, error) {
	m := &repairer{done: &tree.Repairs{}}
	m.schema(doc)
	if m.err != nil {
		return nil, m.err
	}
	m.references(doc)
	return m.done.List(), nil
}

func (m *repairer) report(format string, args ...any) { m.done.Add(m.at, fmt.Sprintf(format, args...)) }

func (m *repairer) schema(s *tree.Value) {
	if s.Form != tree.ObjectForm {
		return
	}
	m.nulls(s)
	m.misplaced(s)
	m.types(s)
	m.enum(s)
	m.numbers(s)
	m.booleans(s)
	m.annotations(s)
	m.groups(s)
	m.required(s)
	s.EachSubschema(func(below *tree.Value, steps ...string) {
		before := len(m.at)
		for _, name := range steps {
			m.at = append(m.at, tree.Step{Name: name, Index: -1})
		}
		m.inner(below, steps[0])
		m.at = m.at[:before]
	})
}

// inner repairs a value in the place of a schema.
func (m *repairer) inner(v *tree.Value, keyword string) {
	switch v.Form {
	case tree.NullForm:
		*v = *tree.Object()
		m.report("null is read as any value")
	case tree.StringForm:
		if t, ok := typeNames[strings.ToLower(v.Text)]; ok {
			m.report("%s is read as a schema of this type", tree.Quote(v.Text))
			*v = *tree.Object()
			if t != "" {
				v.Set("type", tree.Text(t))
			}
		} else if keyword == "properties" {
			*v = *tree.Object(tree.Member{Name: "description", Value: tree.Text(v.Text)})
			m.report("a text is read as the description of any value")
		}
	case tree.ArrayForm:
		if len(v.Items) == 0 && keyword != "dependencies" && keyword != "items" {
			*v = *tree.Object()
			m.report("[] is read as {}")
		}
	}
	m.schema(v)
}

// Keywords by the type of their values.
var (
	numeric = []string{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
		"minItems", "maxItems", "minContains", "maxContains", "minProperties", "maxProperties"}
	logical = []string{"uniqueItems", "deprecated", "readOnly", "writeOnly", "nullable"}
	textual = []string{"$ref", "$id", "$schema", "$anchor", "$comment", "title", "description", "format", "pattern",
		"contentEncoding", "contentMediaType"}
	wellKnown = slices.Concat(tree.OneSchema, tree.ListOfSchemas, tree.SchemasByNames, numeric, logical, textual,
		[]string{"type", "enum", "required", "dependentRequired", "examples"})
)

// nulls removes keywords that are null. Some generators write null for an absent
// keyword.
func (m *repairer) nulls(s *tree.Value) {
	s.Members = slices.DeleteFunc(s.Members, func(k tree.Member) bool {
		none := k.Value.Form == tree.NullForm && slices.Contains(wellKnown, k.Name)
		if none {
			m.report("%s: null is left out", tree.Quote(k.Name))
		}
		return none
	})
}

// misplaced moves keywords of an object out of its properties. Only values that cannot
// be the schema of a property are moved.
func (m *repairer) misplaced(s *tree.Value) {
	properties := s.Get("properties")
	texts := func(p tree.Member) bool { return p.Value.Form == tree.StringForm && !isMisplaced(p) }
	if slices.ContainsFunc(tree.Members(properties), texts) {
		return // all strings may be descriptions
	}
	for _, p := range slices.Clone(tree.Members(properties)) {
		if !isMisplaced(p) {
			continue
		}
		m.report("%s among the properties is read as the keyword of the object", tree.Quote(p.Name))
		properties.Remove(p.Name)
		if p.Name == "required" {
			s.Require(p.Value.Strings()...)
		} else {
			s.SetDefault(p.Name, p.Value)
		}
	}
}

func isMisplaced(p tree.Member) bool {
	_, isType := typeNames[strings.ToLower(p.Value.Str())]
	switch p.Value.Form {
	case tree.ArrayForm:
		return p.Name == "required" && !slices.ContainsFunc(p.Value.Items, func(v *tree.Value) bool { return v.Form != tree.StringForm })
	case tree.StringForm:
		return p.Name == "type" && p.Value.Text == "object" || slices.Contains(textual, p.Name) && !isType
	case tree.NumberForm:
		return p.Name == "minProperties" || p.Name == "maxProperties"
	}
	return false
}

// typeNames maps common type names to the types of JSON. "" means any type.
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

// types translates type names to those of JSON Schema.
func (m *repairer) types(s *tree.Value) {
	written := s.Get("type")
	if written == nil || slices.ContainsFunc(written.Items, func(v *tree.Value) bool { return v.Form != tree.StringForm }) {
		return
	}
	names := written.Strings()
	if written.Form == tree.StringForm {
		names = strings.Split(written.Text, "|")
	} else if written.Form != tree.ArrayForm {
		return
	}
	if len(names) == 0 {
		s.Remove("type")
		m.report("type [] is left out")
	}
	var types []string
	for _, name := range names {
		t, ok := typeNames[strings.ToLower(strings.TrimSpace(name))]
		switch {
		case !ok:
			return
		case t == "":
			m.report("type %s is read as any value", clip.Runes(string(written.JSON()), tree.MaxEcho))
			s.Remove("type")
			return
		case !slices.Contains(types, t):
			types = append(types, t)
		}
	}
	if !slices.Equal(types, names) || written.Form == tree.StringForm && len(names) > 1 {
		m.setTypes(s, written, types)
	}
}

func (m *repairer) setTypes(s, written *tree.Value, types []string) {
	now := tree.Texts(types...)
	if len(types) == 1 {
		now = tree.Text(types[0])
	}
	s.Set("type", now)
	m.report("type %s is read as %s", clip.Runes(string(written.JSON()), tree.MaxEcho), clip.Runes(string(now.JSON()), tree.MaxEcho))
}

// enum turns "enum" into a list of distinct values. An empty enum is an error, because
// no value would be valid.
func (m *repairer) enum(s *tree.Value) {
	enum := s.Get("enum")
	if enum == nil {
		return
	}
	m.asList(enum, "enum")
	if enum.Form != tree.ArrayForm && enum.Form != tree.ObjectForm {
		*enum = tree.Value{Form: tree.ArrayForm, Items: []*tree.Value{{Form: enum.Form, Text: enum.Text}}}
		m.report("enum is read as a list of this one value")
	}
	if enum.Form == tree.ArrayForm && len(enum.Items) == 0 && m.err == nil {
		where := clip.Runes(tree.Pointer(append(m.at.Steps(), "enum")), 3*tree.MaxEcho)
		m.err = errors.New("schema: " + where + ": has no values, so nothing would be taken; give some or leave it out")
	}
	m.dedupe(enum, "enum")
}

// asList turns an object whose names are indexes into a list. PHP and Lua write some
// lists in this way.
func (m *repairer) asList(v *tree.Value, keyword string) {
	isIndex := func(name string) bool { return name != "" && strings.Trim(name, "0123456789") == "" }
	if v.Form != tree.ObjectForm || slices.ContainsFunc(v.Names(), func(name string) bool { return !isIndex(name) }) {
		return
	}
	list := tree.Value{Form: tree.ArrayForm}
	for _, item := range v.Members {
		list.Items = append(list.Items, item.Value)
	}
	*v = list
	m.report("%s is read as a list", keyword)
}

func (m *repairer) dedupe(list *tree.Value, keyword string) {
	seen := map[string]bool{}
	before := len(list.Items)
	list.Items = slices.DeleteFunc(list.Items, func(v *tree.Value) bool {
		key := string(validate.AppendKey(nil, v.Any()))
		twice := seen[key]
		seen[key] = true
		return twice
	})
	if len(list.Items) < before {
		m.report("%s has each value once", keyword)
	}
}

// numbers parses bounds that are strings. numbers also removes boolean exclusive bounds
// of draft-04 that have no bound beside them, since such a keyword has no effect.
func (m *repairer) numbers(s *tree.Value) {
	for _, keyword := range numeric {
		bound := s.Get(keyword)
		if bound == nil {
			continue
		}
		if d, ok := tree.ReadNumber(bound.Str()); ok && len(bound.Text) <= tree.MaxNumber && max(d.Exponent, -d.Exponent) <= tree.MaxExponent {
			*bound = *tree.Number(d.Canonical(bound.Text))
			m.report("%s is read as the number in the string", keyword)
		}
		inclusive := strings.ToLower(strings.TrimPrefix(keyword, "exclusive"))
		if bound.Form == tree.BooleanForm && inclusive != strings.ToLower(keyword) && !s.Has(inclusive) {
			s.Remove(keyword)
			m.report("%s without %s is left out", keyword, inclusive)
		}
	}
}

// booleans parses booleans that are strings.
func (m *repairer) booleans(s *tree.Value) {
	for _, keyword := range slices.Concat(logical, tree.OneSchema) {
		if v := s.Get(keyword); asBoolean(v) && v.Form == tree.StringForm {
			*v = tree.Value{Form: tree.BooleanForm, Text: strings.ToLower(v.Text)}
			m.report("%s is read as the boolean in the string", keyword)
		}
	}
}

// asBoolean reports whether v is a boolean or the text of a boolean.
func asBoolean(v *tree.Value) bool {
	return v != nil && (v.Form == tree.BooleanForm || v.Form == tree.StringForm && slices.Contains([]string{"true", "false"}, strings.ToLower(v.Text)))
}

// annotations removes ill-formed annotations, which do not affect validation.
func (m *repairer) annotations(s *tree.Value) {
	for _, keyword := range []string{"title", "description", "$comment", "format", "deprecated", "readOnly", "writeOnly"} {
		v, want := s.Get(keyword), tree.StringForm
		if slices.Contains(logical, keyword) {
			want = tree.BooleanForm
		}
		switch {
		case v == nil || v.Form == want:
		case keyword == "description" && len(v.Items) > 0 && !slices.ContainsFunc(v.Items, func(v *tree.Value) bool { return v.Form != tree.StringForm }):
			*v = *tree.Text(strings.Join(v.Strings(), " "))
			m.report("description is read as one text")
		default:
			s.Remove(keyword)
			m.report("%s is removed, because its value is not a %s", keyword, want)
		}
	}
	if v := s.Get("examples"); v != nil && v.Form != tree.ArrayForm {
		s.Set("examples", &tree.Value{Form: tree.ArrayForm, Items: []*tree.Value{v}})
		m.report("examples is read as a list of this one")
	}
}

// groups repairs keywords that contain several schemas.
func (m *repairer) groups(s *tree.Value) {
	for _, k := range s.Members {
		switch {
		case k.Value.Form == tree.ArrayForm && len(k.Value.Items) == 0 && slices.Contains(tree.SchemasByNames, k.Name):
			*k.Value = *tree.Object() // PHP writes an empty object as []
			m.report("%s: [] is read as {}", k.Name)
		case k.Value.Form == tree.ObjectForm && k.Name != "items" && slices.Contains(tree.ListOfSchemas, k.Name):
			one := *k.Value
			*k.Value = tree.Value{Form: tree.ArrayForm, Items: []*tree.Value{&one}}
			m.report("%s is read as a list of this one schema", k.Name)
		}
	}
}

// required turns "required" into a list of names. Booleans inside of the properties, as
// in drafts up to draft-03, are included.
func (m *repairer) required(s *tree.Value) {
	own := s.Get("required")
	switch {
	case own == nil:
	case asBoolean(own):
		s.Remove("required")
		m.report("required is left out: it has no names")
	default:
		m.names(s, own)
	}
	for _, p := range tree.Members(s.Get("properties")) {
		own := p.Value.Get("required")
		if !asBoolean(own) {
			continue
		}
		p.Value.Remove("required")
		if strings.EqualFold(own.Text, "true") {
			s.Require(p.Name)
		}
		m.report("required of property %s is read as the keyword of the object", tree.Quote(p.Name))
	}
}

func (m *repairer) names(s, list *tree.Value) {
	if list.Form == tree.StringForm && s.Get("properties").Get(list.Text) != nil {
		*list = *tree.Texts(list.Text)
		m.report("required is read as a list of this one name")
	}
	m.asList(list, "required")
	m.dedupe(list, "required")
}
