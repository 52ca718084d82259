package tree

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
)

// AdmitNull lets a schema admit null. An allOf of a reflected schema needs no change,
// because the allOf is only about numbers and strings.
func AdmitNull(n *Value) {
	typ := n.Get("type")
	switch {
	case !slices.ContainsFunc(n.Names(), func(name string) bool { return name != "description" }), TakesNull(n.Get("anyOf")):
	case n.Has("$ref", "oneOf", "anyOf", "not", "const") || typ == nil:
		either := &Value{Form: ArrayForm, Items: []*Value{{Form: ObjectForm, Members: n.Members}, Object(Member{"type", Text("null")})}}
		n.Members = []Member{{"anyOf", either}}
	default:
		if typ.Form == StringForm {
			typ = Texts(typ.Text)
			n.Set("type", typ)
		}
		if !slices.Contains(typ.Strings(), "null") {
			typ.Items = append(typ.Items, Text("null"))
		}
		if enum := n.Get("enum"); enum != nil && !slices.ContainsFunc(enum.Items, func(v *Value) bool { return v.Form == NullForm }) {
			enum.Items = append(enum.Items, &Value{Form: NullForm})
		}
	}
}

func TakesNull(branches *Value) bool {
	return branches != nil && slices.ContainsFunc(branches.Items, func(b *Value) bool { return b.Get("type").Str() == "null" })
}

// DefinitionKeywords lists the keywords that only contain definitions.
var DefinitionKeywords = []string{"$defs", "definitions", "components"}

func IsTrue(v *Value) bool { return v != nil && v.Form == BooleanForm && v.Text == "true" }

// IsSchema reports whether v can be a schema.
func IsSchema(v *Value) bool {
	return v != nil && (v.Form == ObjectForm || v.Form == BooleanForm)
}

// Combinators lists the keywords that providers refuse at the top of a schema.
var Combinators = []string{"oneOf", "anyOf", "allOf", "not", "enum"}

// annotations lists the keywords that do not affect validation.
var annotations = []string{"description", "examples", "deprecated", "readOnly", "writeOnly", "nullable", "$anchor", "$dynamicAnchor", "$defs", "definitions"}

func IsAnnotation(name string) bool {
	return slices.Contains(annotations, name) || strings.HasPrefix(name, "x-")
}

var UnescapeStep = strings.NewReplacer("~1", "/", "~0", "~")

// PathOf returns the path of a local reference. local is false for other references.
func PathOf(ref string) (path []string, local bool) {
	rest, local := strings.CutPrefix(ref, "#")
	rest, err := url.PathUnescape(rest)
	if !local || err != nil || rest != "" && rest[0] != '/' {
		return nil, false
	}
	if rest == "" {
		return nil, true
	}
	if strings.Count(rest, "/") > ReflectedLimits.Depth {
		return nil, false // no schema is so deep
	}
	path = make([]string, 0, strings.Count(rest, "/"))
	for step := range strings.SplitSeq(rest[1:], "/") {
		path = append(path, UnescapeStep.Replace(step))
	}
	return path, true
}

// EnumOf returns the values that enum and const allow.
func EnumOf(n *Value) []*Value {
	if c := n.Get("const"); c != nil {
		return []*Value{c}
	}
	if enum := n.Get("enum"); enum != nil {
		return enum.Items
	}
	return nil
}

func Members(v *Value) []Member {
	if v == nil {
		return nil
	}
	return v.Members
}

func Descend(v *Value, path []string) *Value {
	for _, step := range path {
		if v != nil && v.Form == ArrayForm {
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(v.Items) {
				return nil
			}
			v = v.Items[i]
			continue
		}
		v = v.Get(step)
	}
	return v
}

// The keywords of JSON Schema that contain one schema, a list of schemas, or schemas by
// name. "items" contains one schema or a list, and a value of "dependencies" may be a
// list of names.
var (
	OneSchema = []string{"additionalProperties", "additionalItems", "items", "unevaluatedProperties", "unevaluatedItems",
		"contains", "propertyNames", "not", "if", "then", "else", "contentSchema"}
	ListOfSchemas  = []string{"items", "prefixItems", "allOf", "anyOf", "oneOf"}
	SchemasByNames = []string{"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"}
)

// AddSiblings adds the keywords beside a reference to v, the target. AddSiblings reports
// whether all of them could be added.
func (v *Value) AddSiblings(top *Value, legacy bool) bool {
	for _, m := range top.Members {
		switch {
		case m.Name == "$ref", m.Name == "properties" && len(m.Value.Members) == 0:
		case m.Name == "type":
			v.SetDefault(m.Name, m.Value)
		case slices.Contains(DefinitionKeywords, m.Name), IsAnnotation(m.Name):
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

// DropUnused removes the definition at path if no reference leads into the definition.
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

// refersInto reports whether a schema outside of path refers into path.
func (v *Value) refersInto(path, at []string) bool {
	if slices.Equal(at, path) {
		return false
	}
	to, _ := PathOf(v.Get("$ref").Str())
	found := len(to) >= len(path) && slices.Equal(to[:len(path)], path)
	v.EachSubschema(func(s *Value, steps ...string) {
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

// DropReference removes a reference, and the keywords that would forbid the members of
// its target.
func (v *Value) DropReference(keyword string) {
	if v.Has(keyword) {
		v.Remove(keyword, "unevaluatedProperties", "unevaluatedItems")
	}
}

// MergeAllOf merges the properties of "allOf" into an object. MergeAllOf reports whether
// the branches say nothing else about properties.
func (v *Value) MergeAllOf() bool {
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
		whole = v.mergeBranch(target) && whole
	}
	return whole
}

// mergeBranch merges one branch. A closed object does not get further properties.
func (v *Value) mergeBranch(branch *Value) bool {
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

// RemoveAt removes the keyword at the end of path. If path ends at a schema, the schema
// then accepts any value.
func (v *Value) RemoveAt(path []string) {
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

// Bound returns the number of a keyword as written. In draft-04, exclusiveMinimum is a
// boolean beside minimum.
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

// Schemas returns the number of values in v that may be schemas, including v.
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

// EachSubschema calls do for each direct subschema, with the path to the subschema.
// Properties named like keywords, and values that look like schemas, are not subschemas.
func (v *Value) EachSubschema(do func(s *Value, steps ...string)) {
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

// ToWire prepares one schema for the model, without its subschemas; see forms.ToWire.
func (v *Value) ToWire() {
	if d := v.Get("default"); d != nil && d.Form != NullForm {
		v.AddSentence("Default: " + clip.Runes(string(d.JSON()), MaxEcho) + ".")
	}
	v.Remove("$schema", "$id", "$anchor", "$comment", "title", "default") // references are pointers at this point
	if v.Get("id").Str() != "" {
		v.Remove("id") // name in draft-04
	}
}

// AddSentence adds a sentence to the description of a schema.
func (v *Value) AddSentence(sentence string) {
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
