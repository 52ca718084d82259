package sample

import (
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"reflect"
	"slices"
	"strings"
)

func (s schema) has(name string) bool { _, ok := s.keywords[name]; return ok }

func (s schema) list(name string) []any { l, _ := s.keywords[name].([]any); return l }

func (s schema) object(name string) map[string]any {
	m, _ := s.keywords[name].(map[string]any)
	return m
}

func (s schema) text(name string) string { t, _ := s.keywords[name].(string); return t }

// strings returns the texts of a keyword whose value is a text or a list of
// texts.
func (s schema) strings(name string) []string {
	if t, ok := s.keywords[name].(string); ok {
		return []string{t}
	}
	var texts []string
	for _, v := range s.list(name) {
		if t, ok := v.(string); ok {
			texts = append(texts, t)
		}
	}
	return texts
}

// types returns the types of the keyword "type". Nil means that the schema does
// not name a type.
func (s schema) types() []string { return s.strings("type") }

// rat returns the number of a keyword. Nil means that there is no number.
func (s schema) rat(name string) *big.Rat { return ratOf(s.keywords[name]) }

func ratOf(v any) *big.Rat {
	n, ok := v.(json.Number)
	if !ok || len(n) > 64 {
		return nil
	}
	if _, exponent, found := strings.Cut(strings.ToLower(string(n)), "e"); found && len(exponent) > 4 {
		return nil // too large to write down
	}
	r, ok := new(big.Rat).SetString(string(n))
	if !ok {
		return nil
	}
	return r
}

// count returns the keyword as a non-negative integer, or the value of without
// if the keyword is not a count.
func (s schema) count(name string, without int) int {
	r := s.rat(name)
	if r == nil || !r.IsInt() || r.Sign() < 0 || !r.Num().IsInt64() || r.Num().Int64() > 1<<20 {
		return without
	}
	return int(r.Num().Int64())
}

// typesOf returns the names of a value's types, in the words of "type".
func typesOf(v any) []string {
	switch v := v.(type) {
	case nil:
		return []string{"null"}
	case bool:
		return []string{"boolean"}
	case string:
		return []string{"string"}
	case json.Number:
		if r := ratOf(v); r != nil && r.IsInt() {
			return []string{"number", "integer"}
		}
		return []string{"number"}
	case []any:
		return []string{"array"}
	}
	return []string{"object"}
}

// both returns a schema with the constraints of a and b.
func both(a, b schema) (schema, error) {
	s := schema{keywords: maps.Clone(a.keywords), unions: slices.Concat(a.unions, b.unions)}
	if s.keywords == nil {
		s.keywords = map[string]any{}
	}
	for _, name := range slices.Sorted(maps.Keys(b.keywords)) {
		had, ok := a.keywords[name]
		if !ok {
			s.keywords[name] = b.keywords[name]
			continue
		}
		v, err := bothSay(name, had, b.keywords[name])
		if err != nil {
			return schema{}, err
		}
		s.keywords[name] = v
	}
	return s, nil
}

// bothSay merges the values of a keyword that stands in two schemas.
func bothSay(name string, a, b any) (any, error) {
	switch name {
	case "type":
		return commonTypes(a, b)
	case "enum":
		return commonValues(a, b)
	case "const":
		if !equal(a, b) {
			return nil, errors.New("it is to be two constants at once")
		}
	case "required", "pattern":
		return slices.Concat(listOf(a), listOf(b)), nil
	case "properties", "patternProperties":
		return bothMembers(a, b), nil
	case "prefixItems":
		return bothItems(listOf(a), listOf(b)), nil
	case "items", "additionalProperties", "additionalItems", "contains", "propertyNames":
		return allOf(a, b), nil
	case "minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains":
		return extreme(a, b, 1), nil
	case "maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains":
		return extreme(a, b, -1), nil
	case "multipleOf":
		return commonMultiple(a, b), nil
	case "uniqueItems":
		return a == true || b == true, nil
	}
	return a, nil // descriptions and the like; the final check finds lost constraints
}

func allOf(a, b any) any { return map[string]any{"allOf": []any{a, b}} }

func listOf(v any) []any {
	if l, ok := v.([]any); ok {
		return l
	}
	return []any{v}
}

func commonTypes(a, b any) (any, error) {
	var common []any
	for _, x := range listOf(a) {
		for _, y := range listOf(b) {
			switch {
			case x == y, x == "integer" && y == "number":
				common = append(common, x)
			case x == "number" && y == "integer":
				common = append(common, y)
			}
		}
	}
	if common == nil {
		return nil, errors.New("its types exclude each other")
	}
	return common, nil
}

func commonValues(a, b any) (any, error) {
	common := slices.DeleteFunc(slices.Clone(listOf(a)), func(x any) bool {
		return !slices.ContainsFunc(listOf(b), func(y any) bool { return equal(x, y) })
	})
	if len(common) == 0 {
		return nil, errors.New("its enums have nothing in common")
	}
	return common, nil
}

// equal compares values as JSON Schema does: 1 is 1.0.
func equal(a, b any) bool { return reflect.DeepEqual(canonical(a), canonical(b)) }

// canonical returns a value in which each number has a single form, a [*big.Rat]
// in lowest terms.
func canonical(v any) any {
	switch v := v.(type) {
	case json.Number:
		if r := ratOf(v); r != nil {
			return r
		}
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = canonical(item)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, m := range v {
			out[name] = canonical(m)
		}
		return out
	}
	return v
}

func bothMembers(a, b any) any {
	x, _ := a.(map[string]any)
	y, _ := b.(map[string]any)
	out := maps.Clone(x)
	if out == nil {
		out = map[string]any{}
	}
	for name, s := range y {
		if had, ok := x[name]; ok {
			s = allOf(had, s)
		}
		out[name] = s
	}
	return out
}

func bothItems(a, b []any) any {
	if len(a) < len(b) {
		a, b = b, a
	}
	out := slices.Clone(a)
	for i := range b {
		out[i] = allOf(a[i], b[i])
	}
	return out
}

// extreme returns the larger number, or the smaller number if sign is -1. If
// only one of a and b is a number, extreme returns that number; draft 4 has
// booleans here.
func extreme(a, b any, sign int) any {
	x, y := ratOf(a), ratOf(b)
	switch {
	case x == nil && y != nil, x != nil && y != nil && y.Cmp(x)*sign > 0:
		return b
	}
	return a
}

func commonMultiple(a, b any) any {
	x, y := ratOf(a), ratOf(b)
	if x == nil || y == nil || x.Sign() <= 0 || y.Sign() <= 0 {
		return a
	}
	m := lcm(x, y)
	if digits, exact := m.FloatPrec(); exact {
		return json.Number(m.FloatString(digits))
	}
	return a
}

// lcm returns the least common multiple of two positive numbers.
func lcm(x, y *big.Rat) *big.Rat {
	d := new(big.Int).Mul(x.Denom(), y.Denom())
	a, b := new(big.Int).Mul(x.Num(), y.Denom()), new(big.Int).Mul(y.Num(), x.Denom())
	m := new(big.Int).Mul(a, b)
	m.Div(m, new(big.Int).GCD(nil, nil, a, b))
	return new(big.Rat).SetFrac(m, d)
}
