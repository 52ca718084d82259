package gotype

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	js "github.com/invopop/jsonschema"

	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
	"github.com/seed-916e8f6a/toolloop/tool/internal/validate"
)

// A Reflection makes two schemas of a Go type: the shown schema for the model, and the
// held schema for validation. The held schema also contains rules that would confuse a
// model: null for nil, the bounds of an int64, the texts that UnmarshalText reads.
type Reflection struct {
	scan    *typeScan
	root    reflect.Type // type under reflection, until its first occurrence
	held    map[*tree.Value]*extra
	Formats map[string]validate.TextFormat

	KeepsNull error // first field for which null differs from absence
}

// An extra is the difference between the held and the shown schema at one place.
type extra struct {
	drop   []string      // keywords that are only shown
	set    []tree.Member // keywords in place of the dropped keywords
	also   []tree.Member // keywords of a further schema that must match
	null   bool          // null is valid
	absent []string      // required properties that may be absent
}

// ReflectArguments returns the shown schema of type t. The Reflection makes the held
// schema.
func ReflectArguments(t reflect.Type) (r *Reflection, shown *tree.Value, err error) {
	defer func() { // the reflector panics, and a type's own JSONSchema may panic
		if p := recover(); p != nil {
			err = fmt.Errorf("the schema of %s: %v", t, p)
		}
	}()
	r = &Reflection{held: map[*tree.Value]*extra{}, Formats: map[string]validate.TextFormat{}}
	r.scan = newTypeScan(hasSchema)
	base := Indirect(t)
	if err := r.checkRoot(base); err != nil {
		return nil, nil, err
	}
	if shown, err = r.reflect(base); err != nil {
		return nil, nil, err
	}
	if shown.Get("type").Str() != "object" {
		return nil, nil, fmt.Errorf("the arguments must be a JSON object; the schema of %s says %s", t, shown.Get("type").Str())
	}
	if shown.Has(tree.Combinators...) {
		return nil, nil, fmt.Errorf("the schema of %s has %s at its top, which providers refuse", t, strings.Join(tree.Combinators, ", "))
	}
	shown.SetDefault("properties", tree.Object())
	return r, shown, r.define(shown)
}

func (r *Reflection) checkRoot(t reflect.Type) error {
	if _, err := r.scan.visit(t, ""); err != nil {
		return err
	}
	own, _ := hasSchema(t)
	switch {
	case own, t.Kind() == reflect.Struct, t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		return nil
	case t.Kind() == reflect.Interface, t == RawType:
		return fmt.Errorf("%s has no schema; use NewRaw", t)
	}
	return fmt.Errorf("arguments are a JSON object: a struct or a map with string keys, not %s", t)
}

// reflect returns the schema of one type, with references to recursive types.
func (r *Reflection) reflect(t reflect.Type) (*tree.Value, error) {
	r.root = t
	s := (&js.Reflector{Anonymous: true, DoNotReference: true, Mapper: r.schemaOf}).ReflectFromType(t)
	s.Version, s.ID = "", ""
	if at, found := emptyEnum(s, nil); found {
		return nil, fmt.Errorf("the schema of %s: %s: has no values, so nothing would be taken; give some or leave it out", t, tree.Pointer(at))
	}
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("the schema of %s: %w", t, err)
	}
	shown, err := tree.Parse(string(raw), tree.ReflectedLimits)
	if err != nil {
		return nil, fmt.Errorf("the schema of %s: %w", t, err)
	}
	return shown, r.fit(shown, t, nil, "")
}

// emptyEnum finds an "enum" without values. A type's own JSONSchema may build such a
// list at run time, and the JSON of the schema would not contain the keyword.
func emptyEnum(s *js.Schema, at []string) (where []string, found bool) {
	if s == nil || s.Enum != nil && len(s.Enum) == 0 {
		return append(at, "enum"), s != nil
	}
	look := func(inner *js.Schema, steps ...string) {
		if !found {
			where, found = emptyEnum(inner, slices.Concat(at, steps))
		}
	}
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		look(p.Value, "properties", p.Key)
	}
	for _, name := range slices.Sorted(maps.Keys(s.PatternProperties)) {
		look(s.PatternProperties[name], "patternProperties", name)
	}
	look(s.Items, "items")
	look(s.AdditionalProperties, "additionalProperties")
	look(s.Contains, "contains")
	look(s.PropertyNames, "propertyNames")
	for keyword, list := range map[string][]*js.Schema{"allOf": s.AllOf, "anyOf": s.AnyOf, "oneOf": s.OneOf, "prefixItems": s.PrefixItems} {
		for i, inner := range list {
			look(inner, keyword, strconv.Itoa(i))
		}
	}
	return where, found
}

// define adds the definitions of recursive types.
func (r *Reflection) define(shown *tree.Value) error {
	if len(r.scan.defs) == 0 {
		return nil
	}
	defs := tree.Object()
	for _, t := range slices.SortedFunc(maps.Keys(r.scan.defs), func(a, b reflect.Type) int { return strings.Compare(r.scan.defs[a], r.scan.defs[b]) }) {
		def, err := r.reflect(t)
		if err != nil {
			return err
		}
		defs.Set(r.scan.defs[t], def)
	}
	shown.Set("$defs", defs)
	return nil
}

// The methods for types with their own schema.
type (
	schemaHook   interface{ JSONSchema() *js.Schema }
	aliasHook    interface{ JSONSchemaAlias() any }
	propertyHook interface{ JSONSchemaProperty(string) any }
	extendHook   interface{ JSONSchemaExtend(*js.Schema) }
)

// hasSchema reports whether a type defines its own schema.
func hasSchema(t reflect.Type) (bool, error) {
	if t.Kind() == reflect.Interface {
		return false, nil
	}
	switch reflect.New(t).Interface().(type) {
	case schemaHook:
		return true, checkPromoted(t)
	case aliasHook, propertyHook:
		return false, fmt.Errorf("%s: JSONSchemaAlias and JSONSchemaProperty are not supported; use JSONSchema", t)
	case extendHook:
		if _, ok := reflect.Zero(t).Interface().(extendHook); !ok {
			return false, fmt.Errorf("%s: JSONSchemaExtend needs a value receiver", t)
		}
	}
	return false, nil
}

// checkPromoted refuses a struct whose schema comes from an embedded struct, because
// such a schema does not describe the other fields.
func checkPromoted(t reflect.Type) error {
	if t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		inner := Indirect(t.Field(i).Type)
		if !t.Field(i).Anonymous || inner.Kind() == reflect.Interface {
			continue
		}
		if _, hooked := reflect.New(inner).Interface().(schemaHook); hooked && reflect.DeepEqual(ownSchema(inner), ownSchema(t)) {
			return fmt.Errorf("%s has its JSONSchema from the embedded %s; give it its own", t, inner)
		}
	}
	return nil
}

// ownSchema returns a copy of a type's own schema, so that the tags of one field do not
// change the schema of other fields.
func ownSchema(t reflect.Type) *js.Schema {
	own := reflect.New(t).Interface().(schemaHook).JSONSchema()
	if own == nil {
		panic("its JSONSchema returns nil")
	}
	c := *own
	c.Extras = maps.Clone(own.Extras)
	if own.Items != nil {
		items := *own.Items
		c.Items = &items
	}
	return &c
}

// schemaOf is the reflector's Mapper, for types that the reflector gets wrong. Nil
// leaves a type to the reflector.
func (r *Reflection) schemaOf(t reflect.Type) *js.Schema {
	if r.root == t {
		r.root = nil // the next occurrence is recursive
	} else if name, ok := r.scan.defs[t]; ok {
		return &js.Schema{Ref: "#/$defs/" + name}
	}
	own, _ := hasSchema(t)
	switch {
	case own:
		return ownSchema(t)
	case t == timeType:
		return &js.Schema{Type: "string", Format: "date-time"}
	case t == RawType, readsItself(t):
		return &js.Schema{}
	case t == numberType:
		return &js.Schema{Type: "number"}
	case readsText(t):
		return &js.Schema{Type: "string"}
	case isBytes(t):
		return &js.Schema{Type: "string", ContentEncoding: "base64"}
	case t == durationType:
		return &js.Schema{Type: "string"}
	case IsInt(t.Kind()), IsUint(t.Kind()):
		return &js.Schema{Type: "integer"}
	}
	return nil
}
