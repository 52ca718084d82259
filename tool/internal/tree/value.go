package tree

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// AddBeside adds to v what stands beside a reference to it, and reports whether
// all of it could be.
func (v *Value) AddBeside(top *Value, legacy bool) bool {
	for _, m := range top.Members {
		switch {
		case m.Name == "$ref", m.Name == "properties" && len(m.Value.Members) == 0:
		case m.Name == "type":
			v.SetDefault(m.Name, m.Value)
		case slices.Contains(Storage, m.Name), IsAnnotation(m.Name):
			v.Set(m.Name, m.Value)
		case legacy:
		case v.Has(m.Name):
			return false
		default:
			v.Set(m.Name, m.Value)
		}
	}
	return true
}

// DropUnused removes the definition at path if no reference leads into it.
func (v *Value) DropUnused(path []string) {
	known := path[0] == "$defs" || path[0] == "definitions"
	if len(path) != 2 || !known || v.Has("components") || v.refersInto(path, nil) {
		return
	}
	defs := v.Get(path[0])
	defs.Remove(path[1])
	if len(defs.Members) == 0 {
		v.Remove(path[0])
	}
}

// refersInto reports whether a schema outside of path has a reference into it.
func (v *Value) refersInto(path, at []string) bool {
	if slices.Equal(at, path) {
		return false
	}
	to, _ := PathOf(v.Get("$ref").Str())
	found := len(to) >= len(path) && slices.Equal(to[:len(path)], path)
	v.Inner(func(s *Value, steps ...string) {
		found = found || s.refersInto(path, slices.Concat(at, steps))
	})
	return found
}

// Require adds names to "required".
func (v *Value) Require(names ...string) {
	list := v.Get("required")
	if list == nil || list.Form != ArrayForm {
		list = &Value{Form: ArrayForm}
		v.Set("required", list)
	}
	for _, name := range names {
		if !slices.Contains(list.Strings(), name) {
			list.Items = append(list.Items, Text(name))
		}
	}
}

// DropReference removes a reference, and what would forbid all that it leads to.
func (v *Value) DropReference(keyword string) {
	if v.Has(keyword) {
		v.Remove(keyword, "unevaluatedProperties", "unevaluatedItems")
	}
}

// JoinTop adds to the properties of an object those of its "allOf". It reports
// whether that is all that the branches say of properties.
func (v *Value) JoinTop() bool {
	all := v.Get("allOf")
	if all == nil {
		return true
	}
	whole := true
	for _, branch := range all.Items {
		target := branch
		for range 8 {
			path, local := PathOf(target.Get("$ref").Str())
			if !local || len(path) == 0 {
				break
			}
			whole = whole && len(target.Members) == 1
			target = Descend(v, path)
		}
		whole = v.join(target) && whole
	}
	return whole
}

// join adds what one branch says. Where the object is closed, it is so to all that it
// does not name itself.
func (v *Value) join(branch *Value) bool {
	if branch == nil || branch.Form != ObjectForm {
		return false
	}
	properties, whole := v.Get("properties"), true
	for _, k := range branch.Members {
		switch {
		case k.Name == "properties" && k.Value.Form == ObjectForm:
			for _, p := range k.Value.Members {
				own := properties.Get(p.Name)
				if own == nil && !v.Has("additionalProperties") || own != nil && (IsTrue(own) || len(own.Members) == 0 && own.Form == ObjectForm) {
					properties.Set(p.Name, p.Value.Clone())
				}
			}
		case k.Name == "required" && k.Value.Form == ArrayForm:
			v.Require(k.Value.Strings()...)
		case k.Name != "type" && !IsAnnotation(k.Name):
			whole = false
		}
	}
	return whole
}

// Cut removes the keyword in which path ends, and makes a schema take any value if
// path ends at it.
func (v *Value) Cut(path []string) {
	for len(path) > 0 {
		keyword := path[0]
		k := v.Get(keyword)
		steps := 1
		if k != nil && (slices.Contains(SchemasByNames, keyword) && k.Form == ObjectForm || slices.Contains(ListOfSchemas, keyword) && k.Form == ArrayForm) {
			steps = 2
		}
		below := Descend(v, path[:min(steps, len(path))])
		switch {
		case below == nil:
			return
		case len(path) < steps || steps == 1 && !slices.Contains(OneSchema, keyword) || below.Form == ArrayForm:
			v.Remove(keyword)
			return
		case !IsSchema(below):
			*below = *Object()
			return
		}
		v, path = below, path[steps:]
	}
}

// Shallow returns a copy whose members can be replaced.
func (v *Value) Shallow() *Value {
	c := *v
	c.Members = slices.Clone(v.Members)
	return &c
}

// A Value is JSON with its members in order and its numbers as text. Schemas
// and arguments are worked on in this form, since a map loses both.
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

// A form is one of JSON's kinds of value, by its name in JSON Schema.
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

// Get returns the member of that name; nil if there is none, or v is no object.
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

// Set replaces the member of that name in its place, or adds it at the end.
func (v *Value) Set(name string, to *Value) {
	for i := range v.Members {
		if v.Members[i].Name == name {
			v.Members[i].Value = to
			return
		}
	}
	v.Members = append(v.Members, Member{name, to})
}

// SetDefault adds a member unless there is one of that name.
func (v *Value) SetDefault(name string, to *Value) {
	if v.Get(name) == nil {
		v.Set(name, to)
	}
}

func (v *Value) Remove(names ...string) {
	v.Members = slices.DeleteFunc(v.Members, func(m Member) bool { return slices.Contains(names, m.Name) })
}

// Front moves the member of that name before all others.
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

// Str returns the text of a string, and "" for anything else.
func (v *Value) Str() string {
	if v == nil || v.Form != StringForm {
		return ""
	}
	return v.Text
}

// Bound returns the number of a keyword as its author wrote it. Up to draft-04
// exclusiveMinimum is a boolean beside minimum.
func (v *Value) Bound(keyword string) string {
	n := v.Get(keyword)
	if n != nil && n.Form == BooleanForm {
		n = v.Get(strings.ToLower(strings.TrimPrefix(keyword, "exclusive")))
	}
	if n == nil {
		return "the limit"
	}
	return n.Text
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

// Names returns the names of an object's members in their order.
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

// FirstNames returns as many names as fill room bytes, commas between them, and
// one more.
func (v *Value) FirstNames(room int) []string {
	return (&Value{Members: v.Members[:min(len(v.Members), room/2+2)]}).Names()
}

// Len is the number of values in v, itself included.
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

// Schemas is the number of values in v that may be schemas, itself included.
func (v *Value) Schemas() int {
	n := 0
	if v.Form == ObjectForm || v.Form == BooleanForm {
		n = 1
	}
	for _, item := range v.Items {
		n += item.Schemas()
	}
	for _, m := range v.Members {
		n += m.Value.Schemas()
	}
	return n
}

// Size is the length of the texts and names in v.
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

// Any returns v as encoding/json would decode it with UseNumber.
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
		return AppendString(b, v.Text)
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
			b = AppendString(b, m.Name)
			b = append(b, ':')
			b = m.Value.append(b)
		}
		return append(b, '}')
	}
	return append(b, "null"...)
}

// AppendString appends s as a JSON string in which only what must be escaped is.
func AppendString(b []byte, s string) []byte {
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

// Pointer is a path as a JSON pointer.
func Pointer(path []string) string {
	var b strings.Builder
	for _, step := range path {
		b.WriteByte('/')
		b.WriteString(strings.ReplaceAll(strings.ReplaceAll(step, "~", "~0"), "/", "~1"))
	}
	return b.String()
}

// Inner calls do for each schema that stands directly in a schema, with the
// steps that lead there. A property may be named like a keyword, and a value
// may look like a schema; neither is taken for one.
func (v *Value) Inner(do func(s *Value, steps ...string)) {
	for _, m := range v.Members {
		switch {
		case m.Value.Form == ObjectForm && slices.Contains(SchemasByNames, m.Name):
			for _, named := range m.Value.Members {
				do(named.Value, m.Name, named.Name)
			}
		case m.Value.Form == ArrayForm && slices.Contains(ListOfSchemas, m.Name):
			for i, s := range m.Value.Items {
				do(s, m.Name, strconv.Itoa(i))
			}
		case slices.Contains(OneSchema, m.Name):
			do(m.Value, m.Name)
		}
	}
}

// ToWire does so for one schema without those inside.
func (v *Value) ToWire() {
	if d := v.Get("default"); d != nil && d.Form != NullForm {
		v.Say("Default: " + Clip(string(d.JSON()), MaxEcho) + ".")
	}
	v.Remove("$schema", "$id", "$anchor", "$comment", "title", "default") // references are pointers by now
	if v.Get("id").Str() != "" {
		v.Remove("id") // of draft-04
	}
}

// Say adds a sentence to the description of a schema.
func (v *Value) Say(sentence string) {
	about := strings.TrimRight(v.Get("description").Str(), " \t\r\n")
	switch {
	case about == "":
		about = sentence
	case strings.ContainsAny(about[len(about)-1:], ".!?:;"):
		about += " " + sentence
	default:
		about += ". " + sentence
	}
	v.Set("description", Text(about))
}
