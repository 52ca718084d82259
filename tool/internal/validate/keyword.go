package validate

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	sj "github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/tool/internal/tree"
)

// keywords collects every schema during compilation, and replaces some keywords of the
// library. In the library, "enum", "const" and "uniqueItems" compare all pairs of
// values; here they use maps. With fuel, each schema pays before its keywords are
// applied.
type keywords struct {
	fuel   *fuel
	all    []*keyword
	unions unions // set by install
}

// A keyword is a collected schema.
type keyword struct {
	fuel    *fuel
	schema  *sj.Schema
	unique  bool
	allowed []valueSet // a value must be in each set
	tag     *tag       // nil if the schema is not a variant
	format  func(any) error

	inPlace  int // schemas for the same value
	named    int // declared properties
	members  int // cost of each member of an object, in quarters
	passes   int // cost of each item of an array, in quarters
	required int // names required in an object
	pattern  int // size of the pattern for strings
	names    int // size of the patterns for names
}

// An valueSet is a set of values, by key.
type valueSet struct {
	keys    map[string]bool
	longest int  // length of the longest key
	nested  bool // the set contains arrays or objects
	err     *notAllowed
}

// A notAllowed is the error of a value that is not in "enum" or "const".
type notAllowed struct {
	keyword string
	values  []any
}

func (e *notAllowed) Error() string { return "not among the values of " + e.keyword }

// replacedKeywords lists the keywords that are slow in the library, and those of unions.
var replacedKeywords = []string{"enum", "const", "uniqueItems", "format", "anyOf", "oneOf"}

// vocabulary returns a vocabulary without keywords, only to observe the compilation.
func (ks *keywords) vocabulary() *sj.Vocabulary {
	return &sj.Vocabulary{URL: "tool:///keywords", Compile: func(c *sj.CompilerContext, obj map[string]any) (sj.SchemaExt, error) {
		if ks.fuel == nil && !slices.ContainsFunc(replacedKeywords, func(name string) bool { return obj[name] != nil }) {
			return nil, nil
		}
		k := &keyword{fuel: ks.fuel, schema: c.Enqueue(nil)}
		ks.all = append(ks.all, k)
		if obj["uniqueItems"] == true || ks.fuel != nil {
			return k, nil
		}
		return nil, nil
	}}
}

// install changes the collected schemas after the compilation.
func (ks *keywords) install() {
	levels := ks.levels()
	unevaluated := slices.ContainsFunc(ks.all, func(k *keyword) bool {
		return k.schema.UnevaluatedProperties != nil || k.schema.UnevaluatedItems != nil
	})
	for _, k := range ks.all {
		k.take()
	}
	ks.unions = ks.findUnions()
	for _, k := range ks.all {
		if k.fuel != nil {
			k.weigh(levels[k.schema], unevaluated)
		}
		if k.fuel != nil || k.allowed != nil {
			k.install()
		}
	}
}

// take moves keywords from the library's schema to k.
func (k *keyword) take() {
	s := k.schema
	if s.Format != nil && s.Format.Name == "regex" {
		s.Format = &sj.Format{Name: "regex", Validate: k.readPattern}
	}
	k.unique, s.UniqueItems = s.UniqueItems, false
	if s.Const != nil {
		k.allowed = append(k.allowed, allow("const", *s.Const))
		s.Const = nil
	}
	if s.Enum != nil {
		k.allowed = append(k.allowed, allow("enum", s.Enum.Values...))
		s.Enum = nil
	}
}

// readPattern implements the format "regex". A schema from elsewhere accepts every
// text, since the syntax of patterns depends on the language.
func (k *keyword) readPattern(v any) error {
	if s, ok := v.(string); ok && k.fuel == nil {
		return checkPattern(s)
	}
	return nil
}

func allow(keyword string, values ...any) valueSet {
	a := valueSet{err: &notAllowed{keyword, values}, keys: make(map[string]bool, len(values))}
	for _, v := range values {
		key := string(AppendKey(nil, v))
		a.keys[key] = true
		a.longest = max(a.longest, len(key))
		a.nested = a.nested || isNested(v)
	}
	return a
}

// install puts k before all other keywords, except for "type". The library runs formats
// first. An extension would run last, and never inside of "not".
func (k *keyword) install() {
	before := &sj.Format{Validate: func(any) error { return nil }}
	if k.schema.Format != nil {
		before = k.schema.Format
	}
	k.format = before.Validate
	k.schema.Format = &sj.Format{Name: before.Name, Validate: k.check}
}

func (k *keyword) check(got any) error {
	if k.fuel != nil {
		if err := k.tag.exclude(got, k.fuel); err != nil {
			return err
		}
	}
	k.charge(got)
	for _, a := range k.allowed {
		if !a.has(got, k.fuel) {
			return a.err
		}
	}
	return k.format(got)
}

func (a valueSet) has(got any, f *fuel) bool {
	if isNested(got) && !a.nested {
		return false
	}
	if s, ok := got.(string); ok && len(s) > a.longest {
		return false
	}
	var room [64]byte
	key := AppendKey(room[:0], got)
	f.use(len(key) / 128)
	return a.keys[string(key)]
}

// Validate runs at the end of a schema. Errors repeat the place of the value, which
// costs fuel.
func (k *keyword) Validate(c *sj.ValidatorContext, got any) {
	k.fuel.use(len(c.ValueLocation()) / 8)
	items, ok := got.([]any)
	if !ok || !k.unique || len(items) < 2 {
		return
	}
	first := make(map[string]int, len(items))
	for i, item := range items {
		key := string(AppendKey(nil, item))
		k.fuel.use(len(key) / 128)
		if j, twice := first[key]; twice {
			c.AddError(&kind.UniqueItems{Duplicates: [2]int{j, i}})
			return
		}
		first[key] = i
	}
}

func isNested(v any) bool {
	switch v.(type) {
	case []any, map[string]any:
		return true
	}
	return false
}

// AppendKey appends a key to b. Two values have the same key if and only if they are
// equal.
func AppendKey(b []byte, v any) []byte {
	switch v := v.(type) {
	case bool:
		return strconv.AppendBool(b, v)
	case json.Number:
		return appendNumberKey(b, string(v))
	case string:
		return rawjson.AppendString(b, v)
	case []any:
		b = append(b, '[')
		for _, item := range v {
			b = append(AppendKey(b, item), ',')
		}
		return append(b, ']')
	case map[string]any:
		b = append(b, '{')
		for _, name := range slices.Sorted(maps.Keys(v)) {
			b = append(rawjson.AppendString(b, name), ':')
			b = append(AppendKey(b, v[name]), ',')
		}
		return append(b, '}')
	}
	return append(b, "null"...)
}

func appendNumberKey(b []byte, raw string) []byte {
	d, ok := tree.ReadNumber(raw)
	if !ok {
		return append(b, raw...)
	}
	digits := strings.TrimLeft(d.Whole+d.Fraction, "0")
	exponent := d.Exponent - len(d.Fraction)
	short := strings.TrimRight(digits, "0")
	if short == "" {
		return append(b, '0')
	}
	if d.Negative {
		b = append(b, '-')
	}
	b = append(append(b, short...), 'e')
	return strconv.AppendInt(b, int64(exponent+len(digits)-len(short)), 10)
}

// weigh computes the cost of one value. level is the number of enclosing schemas for the
// same value, which the library searches for a cycle.
func (k *keyword) weigh(level int, unevaluated bool) {
	s := k.schema
	k.inPlace = len(inPlace(s)) + len(s.DependentSchemas) + len(s.Dependencies)
	k.required = len(s.Required)
	for _, names := range s.DependentRequired {
		k.required += 2 * (1 + len(names))
	}
	k.pattern = sizeOf(s.Pattern)
	k.named = len(s.Properties)
	if _, all := s.AdditionalProperties.(*sj.Schema); all || s.UnevaluatedProperties != nil {
		k.members = 4
	}
	k.members += 4 * len(s.PatternProperties)
	if s.PropertyNames != nil {
		k.members += 4
	}
	for re := range s.PatternProperties {
		k.names += sizeOf(re)
	}
	for _, each := range []bool{s.Items != nil, s.Items2020 != nil, s.PrefixItems != nil, s.Contains != nil, s.AdditionalItems != nil, s.UnevaluatedItems != nil} {
		if each {
			k.passes += 4
		}
	}
	if unevaluated { // each schema has its own list of unevaluated members
		k.members += k.inPlace
		k.passes += k.inPlace
	}
	k.inPlace += level / 64
}

func (k *keyword) charge(got any) {
	if k.fuel == nil {
		return
	}
	k.fuel.use(k.inPlace)
	switch got := got.(type) {
	case string: // the library copies the string
		k.fuel.use(len(got)/256 + len(got)*k.pattern/500)
	case []any:
		k.fuel.use(len(got) * (1 + 2*k.passes) / 8)
		k.fuel.place(got, len(got))
	case map[string]any:
		k.fuel.use(min(len(got), k.named) + len(got)*(1+2*k.members)/8 + k.required/4)
		k.fuel.place(got, len(got))
		if k.names > 0 {
			for name := range got {
				k.fuel.use(len(name) * k.names / 500)
			}
		}
	}
}

// inPlace returns the subschemas that apply to the same value.
func inPlace(s *sj.Schema) []*sj.Schema {
	below := slices.Concat([]*sj.Schema{s.Ref, s.RecursiveRef, s.Not, s.If, s.Then, s.Else}, s.AllOf, s.AnyOf, s.OneOf)
	if s.DynamicRef != nil {
		below = append(below, s.DynamicRef.Ref)
	}
	return slices.DeleteFunc(below, func(s *sj.Schema) bool { return s == nil })
}

// levels returns, for each schema, the number of enclosing schemas for the same value. A
// schema in or below a cycle counts as if all schemas enclosed it.
func (ks *keywords) levels() map[*sj.Schema]int {
	above, levels := map[*sj.Schema]int{}, map[*sj.Schema]int{}
	for _, k := range ks.all {
		for _, s := range inPlace(k.schema) {
			above[s]++
		}
	}
	var ready []*sj.Schema
	for _, k := range ks.all {
		if above[k.schema] == 0 {
			ready = append(ready, k.schema)
		}
	}
	done := 0
	for ; done < len(ready); done++ {
		for _, s := range inPlace(ready[done]) {
			levels[s] = max(levels[s], levels[ready[done]]+1)
			if above[s]--; above[s] == 0 {
				ready = append(ready, s)
			}
		}
	}
	for _, k := range ks.all {
		if above[k.schema] > 0 {
			levels[k.schema] = len(ks.all)
		}
	}
	return levels
}
