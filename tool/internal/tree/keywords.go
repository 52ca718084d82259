package tree

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// AdmitNull makes a schema take null too. An allOf of ours bears on numbers and
// strings only.
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

// Storage are the keywords of a schema that only hold others to refer to.
var Storage = []string{"$defs", "definitions", "components"}

func IsTrue(v *Value) bool { return v != nil && v.Form == BooleanForm && v.Text == "true" }

// IsSchema reports whether a value can be a schema.
func IsSchema(v *Value) bool {
	return v != nil && (v.Form == ObjectForm || v.Form == BooleanForm)
}

// Combinators are the keywords that providers refuse at the top of a schema.
var Combinators = []string{"oneOf", "anyOf", "allOf", "not", "enum"}

// annotations are keywords that hold no value to anything.
var annotations = []string{"description", "examples", "deprecated", "readOnly", "writeOnly", "nullable", "$anchor", "$dynamicAnchor", "$defs", "definitions"}

func IsAnnotation(name string) bool {
	return slices.Contains(annotations, name) || strings.HasPrefix(name, "x-")
}

var UnescapeStep = strings.NewReplacer("~1", "/", "~0", "~")

// PathOf returns the path that a reference within the same schema names.
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
		return nil, false // nothing is so deep
	}
	path = make([]string, 0, strings.Count(rest, "/"))
	for step := range strings.SplitSeq(rest[1:], "/") {
		path = append(path, UnescapeStep.Replace(step))
	}
	return path, true
}

// EnumOf returns the values that enum and const leave.
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

// The keywords of JSON Schema that hold schemas: one, a list of them, or one for
// each of some names. "items" is one or a list, and a value of "dependencies"
// may be a list of names.
var (
	OneSchema = []string{"additionalProperties", "additionalItems", "items", "unevaluatedProperties", "unevaluatedItems",
		"contains", "propertyNames", "not", "if", "then", "else", "contentSchema"}
	ListOfSchemas  = []string{"items", "prefixItems", "allOf", "anyOf", "oneOf"}
	SchemasByNames = []string{"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"}
)
