package tool

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"
)

// A value is JSON with its members in order and its numbers as text. Schemas
// and arguments are worked on in this form, since a map loses both.
type value struct {
	form    form
	text    string // of a string, decoded; of a number or boolean, as JSON
	items   []*value
	members []member
}

type member struct {
	name  string
	value *value
}

// A form is one of JSON's kinds of value, by its name in JSON Schema.
type form string

const (
	nullForm    form = "null"
	booleanForm form = "boolean"
	numberForm  form = "number"
	stringForm  form = "string"
	arrayForm   form = "array"
	objectForm  form = "object"
)

func object(members ...member) *value { return &value{form: objectForm, members: members} }
func text(s string) *value            { return &value{form: stringForm, text: s} }
func number(s string) *value          { return &value{form: numberForm, text: s} }

func texts(ss ...string) *value {
	v := &value{form: arrayForm}
	for _, s := range ss {
		v.items = append(v.items, text(s))
	}
	return v
}

// get returns the member of that name; nil if there is none, or v is no object.
func (v *value) get(name string) *value {
	if v == nil {
		return nil
	}
	for i := range v.members {
		if v.members[i].name == name {
			return v.members[i].value
		}
	}
	return nil
}

// set replaces the member of that name in its place, or adds it at the end.
func (v *value) set(name string, to *value) {
	for i := range v.members {
		if v.members[i].name == name {
			v.members[i].value = to
			return
		}
	}
	v.members = append(v.members, member{name, to})
}

// setDefault adds a member unless there is one of that name.
func (v *value) setDefault(name string, to *value) {
	if v.get(name) == nil {
		v.set(name, to)
	}
}

func (v *value) remove(names ...string) {
	v.members = slices.DeleteFunc(v.members, func(m member) bool { return slices.Contains(names, m.name) })
}

// front moves the member of that name before all others.
func (v *value) front(name string) {
	i := slices.IndexFunc(v.members, func(m member) bool { return m.name == name })
	if i > 0 {
		m := v.members[i]
		copy(v.members[1:i+1], v.members[:i])
		v.members[0] = m
	}
}

func (v *value) has(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return v.get(name) != nil })
}

// str returns the text of a string, and "" for anything else.
func (v *value) str() string {
	if v == nil || v.form != stringForm {
		return ""
	}
	return v.text
}

// bound returns the number of a keyword as its author wrote it. Up to draft-04
// exclusiveMinimum is a boolean beside minimum.
func (v *value) bound(keyword string) string {
	n := v.get(keyword)
	if n != nil && n.form == booleanForm {
		n = v.get(strings.ToLower(strings.TrimPrefix(keyword, "exclusive")))
	}
	if n == nil {
		return "the limit"
	}
	return n.text
}

// strs returns the texts of an array of strings.
func (v *value) strs() []string {
	if v == nil {
		return nil
	}
	var ss []string
	for _, item := range v.items {
		ss = append(ss, item.str())
	}
	return ss
}

// names returns the names of an object's members in their order.
func (v *value) names() []string {
	if v == nil {
		return nil
	}
	names := make([]string, len(v.members))
	for i, m := range v.members {
		names[i] = m.name
	}
	return names
}

// firstNames returns as many names as fill room bytes, commas between them, and
// one more.
func (v *value) firstNames(room int) []string {
	return (&value{members: v.members[:min(len(v.members), room/2+2)]}).names()
}

// size is the number of values in v, itself included.
func (v *value) size() int {
	n := 1
	for _, item := range v.items {
		n += item.size()
	}
	for _, m := range v.members {
		n += m.value.size()
	}
	return n
}

// schemas is the number of values in v that may be schemas, itself included.
func (v *value) schemas() int {
	n := 0
	if v.form == objectForm || v.form == booleanForm {
		n = 1
	}
	for _, item := range v.items {
		n += item.schemas()
	}
	for _, m := range v.members {
		n += m.value.schemas()
	}
	return n
}

// bytes is the length of the texts and names in v.
func (v *value) bytes() int {
	n := len(v.text)
	for _, item := range v.items {
		n += item.bytes()
	}
	for _, m := range v.members {
		n += len(m.name) + m.value.bytes()
	}
	return n
}

func (v *value) clone() *value {
	if v == nil {
		return nil
	}
	c := &value{form: v.form, text: v.text}
	for _, item := range v.items {
		c.items = append(c.items, item.clone())
	}
	for _, m := range v.members {
		c.members = append(c.members, member{m.name, m.value.clone()})
	}
	return c
}

// any returns v as encoding/json would decode it with UseNumber.
func (v *value) any() any {
	switch v.form {
	case booleanForm:
		return v.text == "true"
	case numberForm:
		return json.Number(v.text)
	case stringForm:
		return v.text
	case arrayForm:
		items := make([]any, len(v.items))
		for i, item := range v.items {
			items[i] = item.any()
		}
		return items
	case objectForm:
		members := make(map[string]any, len(v.members))
		for _, m := range v.members {
			members[m.name] = m.value.any()
		}
		return members
	}
	return nil
}

// json returns v as compact JSON.
func (v *value) json() []byte { return v.append(nil) }

func (v *value) append(b []byte) []byte {
	switch v.form {
	case booleanForm, numberForm:
		return append(b, v.text...)
	case stringForm:
		return appendString(b, v.text)
	case arrayForm:
		b = append(b, '[')
		for i, item := range v.items {
			if i > 0 {
				b = append(b, ',')
			}
			b = item.append(b)
		}
		return append(b, ']')
	case objectForm:
		b = append(b, '{')
		for i, m := range v.members {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, m.name)
			b = append(b, ':')
			b = m.value.append(b)
		}
		return append(b, '}')
	}
	return append(b, "null"...)
}

// appendString appends s as a JSON string in which only what must be escaped is.
func appendString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"', c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c < ' ':
			b = append(b, `\u00`...)
			b = append(b, hex[c>>4], hex[c&15])
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// pointer is a path as a JSON pointer.
func pointer(path []string) string {
	var b strings.Builder
	for _, step := range path {
		b.WriteByte('/')
		b.WriteString(strings.ReplaceAll(strings.ReplaceAll(step, "~", "~0"), "/", "~1"))
	}
	return b.String()
}
