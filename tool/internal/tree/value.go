package tree

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
)

// A Value is JSON with ordered members and with numbers as text. Schemas and arguments
// have this form, because a map would lose both.
type Value struct {
	Form    form
	Text    string // of a string, decoded; of a number or boolean, as JSON
	Items   []*Value
	Members []Member
}

type Member struct {
	Name  string
	Value *Value
}

// A form is a kind of JSON value, by its name in JSON Schema.
type form string

const (
	NullForm    form = "null"
	BooleanForm form = "boolean"
	NumberForm  form = "number"
	StringForm  form = "string"
	ArrayForm   form = "array"
	ObjectForm  form = "object"
)

func Object(members ...Member) *Value { return &Value{Form: ObjectForm, Members: members} }

func Text(s string) *Value { return &Value{Form: StringForm, Text: s} }

func Number(s string) *Value { return &Value{Form: NumberForm, Text: s} }

func Texts(ss ...string) *Value {
	v := &Value{Form: ArrayForm}
	for _, s := range ss {
		v.Items = append(v.Items, Text(s))
	}
	return v
}

// Get returns the member with the name, or nil.
func (v *Value) Get(name string) *Value {
	if v == nil {
		return nil
	}
	for i := range v.Members {
		if v.Members[i].Name == name {
			return v.Members[i].Value
		}
	}
	return nil
}

// Set replaces the member with the name, or adds a member at the end.
func (v *Value) Set(name string, to *Value) {
	for i := range v.Members {
		if v.Members[i].Name == name {
			v.Members[i].Value = to
			return
		}
	}
	v.Members = append(v.Members, Member{name, to})
}

// SetDefault adds a member unless there is a member with the name.
func (v *Value) SetDefault(name string, to *Value) {
	if v.Get(name) == nil {
		v.Set(name, to)
	}
}

func (v *Value) Remove(names ...string) {
	v.Members = slices.DeleteFunc(v.Members, func(m Member) bool { return slices.Contains(names, m.Name) })
}

// Front moves the member with the name to the front.
func (v *Value) Front(name string) {
	i := slices.IndexFunc(v.Members, func(m Member) bool { return m.Name == name })
	if i > 0 {
		m := v.Members[i]
		copy(v.Members[1:i+1], v.Members[:i])
		v.Members[0] = m
	}
}

func (v *Value) Has(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return v.Get(name) != nil })
}

// Str returns the text of a string, or "" for other values.
func (v *Value) Str() string {
	if v == nil || v.Form != StringForm {
		return ""
	}
	return v.Text
}

// Strings returns the texts of an array of strings.
func (v *Value) Strings() []string {
	if v == nil {
		return nil
	}
	var ss []string
	for _, item := range v.Items {
		ss = append(ss, item.Str())
	}
	return ss
}

// Names returns the names of an object's members in order, in a new slice.
func (v *Value) Names() []string {
	if v == nil {
		return nil
	}
	names := make([]string, len(v.Members))
	for i, m := range v.Members {
		names[i] = m.Name
	}
	return names
}

// FirstNames returns the names that fill room bytes, and at least one more name if there
// is one.
func (v *Value) FirstNames(room int) []string {
	return (&Value{Members: v.Members[:min(len(v.Members), room/2+2)]}).Names()
}

// Len returns the number of values in v, including v.
func (v *Value) Len() int {
	n := 1
	for _, item := range v.Items {
		n += item.Len()
	}
	for _, m := range v.Members {
		n += m.Value.Len()
	}
	return n
}

// Size returns the length of all texts and names in v.
func (v *Value) Size() int {
	n := len(v.Text)
	for _, item := range v.Items {
		n += item.Size()
	}
	for _, m := range v.Members {
		n += len(m.Name) + m.Value.Size()
	}
	return n
}

func (v *Value) Clone() *Value {
	if v == nil {
		return nil
	}
	c := &Value{Form: v.Form, Text: v.Text}
	for _, item := range v.Items {
		c.Items = append(c.Items, item.Clone())
	}
	for _, m := range v.Members {
		c.Members = append(c.Members, Member{m.Name, m.Value.Clone()})
	}
	return c
}

// Shallow returns a copy whose members can be replaced.
func (v *Value) Shallow() *Value {
	c := *v
	c.Members = slices.Clone(v.Members)
	return &c
}

// Any returns v as encoding/json with UseNumber would decode v.
func (v *Value) Any() any {
	switch v.Form {
	case BooleanForm:
		return v.Text == "true"
	case NumberForm:
		return json.Number(v.Text)
	case StringForm:
		return v.Text
	case ArrayForm:
		items := make([]any, len(v.Items))
		for i, item := range v.Items {
			items[i] = item.Any()
		}
		return items
	case ObjectForm:
		members := make(map[string]any, len(v.Members))
		for _, m := range v.Members {
			members[m.Name] = m.Value.Any()
		}
		return members
	}
	return nil
}

// JSON returns v as compact JSON.
func (v *Value) JSON() []byte { return v.append(nil) }

func (v *Value) append(b []byte) []byte {
	switch v.Form {
	case BooleanForm, NumberForm:
		return append(b, v.Text...)
	case StringForm:
		return rawjson.AppendString(b, v.Text)
	case ArrayForm:
		b = append(b, '[')
		for i, item := range v.Items {
			if i > 0 {
				b = append(b, ',')
			}
			b = item.append(b)
		}
		return append(b, ']')
	case ObjectForm:
		b = append(b, '{')
		for i, m := range v.Members {
			if i > 0 {
				b = append(b, ',')
			}
			b = rawjson.AppendString(b, m.Name)
			b = append(b, ':')
			b = m.Value.append(b)
		}
		return append(b, '}')
	}
	return append(b, "null"...)
}

// Pointer returns a path as a JSON pointer.
func Pointer(path []string) string {
	var b strings.Builder
	for _, step := range path {
		b.WriteByte('/')
		b.WriteString(strings.ReplaceAll(strings.ReplaceAll(step, "~", "~0"), "/", "~1"))
	}
	return b.String()
}
