package tool_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A docGen writes what a model that obeys the shown schema would: boundary
// values, and numbers in odd spellings.
//
// A schema does not say all that a type wants. Where it is silent on purpose the
// generator looks at the type:
//   - what a type's UnmarshalText reads: a value of the type is written;
//   - bounds of integers of 32 and 64 bits and of floats, and of integers in
//     strings, where the schema shows none: the numbers stay within those of the type;
//   - that a map has integers as keys, which no keyword that providers take can say;
//   - that a whole number for a type that reads itself is written out.
type docGen struct {
	valueGen
	root map[string]any
}

// obedient returns a document.
func (g docGen) obedient(t reflect.Type) any { return g.doc(g.root, jsonField{typ: t}, 4) }

func (g docGen) doc(s map[string]any, f jsonField, depth int) any {
	t := target(f.typ)
	if ref, ok := s["$ref"].(string); ok {
		defs := g.root["$defs"].(map[string]any)
		return g.doc(defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any), f, depth)
	}
	for _, keyword := range []string{"anyOf", "oneOf"} {
		if branches, ok := s[keyword].([]any); ok {
			if depth <= 0 { // the last one is null, if any
				return g.doc(branches[len(branches)-1].(map[string]any), f, depth)
			}
			return g.doc(pick(g.Rand, branches).(map[string]any), f, depth)
		}
	}
	if enum, ok := s["enum"].([]any); ok {
		return pick(g.Rand, enum)
	}
	typ, _ := s["type"].(string)
	if types, ok := s["type"].([]any); ok {
		typ = pick(g.Rand, types).(string)
	}
	switch {
	case typ == "string" && readsText(t) && s["format"] == nil:
		return g.written(t)
	case typ == "string":
		return g.string(s, t)
	case typ == "integer", typ == "number":
		return g.number(s, typ, t)
	case typ == "boolean":
		return g.IntN(2) == 0
	case typ == "null":
		return nil
	case typ == "array":
		return g.array(s, t, depth)
	case typ == "object":
		return g.object(s, t, depth)
	}
	return reparse(g.loose(2))
}

// written returns a value of a type with UnmarshalText, as encoding/json writes the
// value.
func (g docGen) written(t reflect.Type) any { return reparse(g.value(t, 1).Addr().Interface()) }

// reparse returns v as JSON that was read.
func reparse(v any) any {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return read(raw)
}

func read(raw []byte) any {
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		panic(err)
	}
	return v
}

// patternTexts fit the patterns that the types and tags have.
var patternTexts = map[string][]string{
	"^x+$":                {"x", "xxxxx"},
	moneyPattern:          {"0c", "9999999c"},
	`^(0|[1-9][0-9]*)$`:   {"0", "255", "17"},
	`^-?(0|[1-9][0-9]*)$`: {"0", "127", "-128", "-0"},
	quotedFloatPattern:    {"0", "-0", "1.50", "1e2", "-2.5E-3", "12345678901234567890"},
	"^[0-9.]+$":           {"0", "1.50", "12"},
	durationPattern:       {"30s", "-1h30m", "0s", "1.5h", "250ms7us9ns", "-2562047h"},
	"^" + durationUnits:   {"30s", "1h30m", "0h", "1.5ms"},
}

const (
	durationUnits   = `([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+$`
	durationPattern = "^-?" + durationUnits
)

const quotedFloatPattern = `^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`

func (g docGen) string(s map[string]any, t reflect.Type) string {
	pattern, _ := s["pattern"].(string)
	if examples, ok := s["examples"].([]any); ok && t == reflect.TypeFor[time.Duration]() {
		return pick(g.Rand, examples).(string) // its bounds are told in words
	}
	switch texts := patternTexts[pattern]; {
	case pattern != "" && texts == nil:
		panic("no text for the pattern " + pattern)
	case pattern != "":
		texts = slices.DeleteFunc(slices.Clone(texts), func(text string) bool { return len(text) > count(s, "maxLength", 1<<20) })
		return pick(g.Rand, texts)
	case s["format"] == "date-time":
		return pick(g.Rand, []string{"2024-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999-23:59", "2024-02-29T12:00:00.10+00:00"})
	case s["format"] == "date":
		return pick(g.Rand, []string{"2024-02-29", "0001-01-01"})
	case s["format"] == "ipv4":
		return pick(g.Rand, []string{"192.0.2.1", "255.255.255.255"})
	case s["contentEncoding"] == "base64":
		return pick(g.Rand, []string{"", "YQ==", "YWJj", "/+8="})
	}
	text := strings.ToValidUTF8(pick(g.Rand, genStrings), "?")
	low, high := count(s, "minLength", 0), count(s, "maxLength", 1<<20)
	for utf8.RuneCountInString(text) < low {
		text += "é"
	}
	for utf8.RuneCountInString(text) > high {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return text
}

func count(s map[string]any, keyword string, otherwise int) int {
	n, ok := s[keyword].(json.Number)
	if !ok {
		return otherwise
	}
	i, err := strconv.Atoi(n.String())
	if err != nil {
		panic(err)
	}
	return i
}

func (g docGen) number(s map[string]any, typ string, t reflect.Type) json.Number {
	low, high, step := -2147483648.0, 2147483647.0, 1.0
	set := func(keyword string, to *float64, by float64) {
		if n, ok := s[keyword].(json.Number); ok {
			bound, err := n.Float64()
			if err != nil {
				panic(err)
			}
			*to = bound + by
		}
	}
	if typ == "number" {
		step = 0.25
	}
	set("minimum", &low, 0)
	set("exclusiveMinimum", &low, step)
	set("maximum", &high, 0)
	set("exclusiveMaximum", &high, -step)
	if low < -1<<53 { // beyond what a float64 tells apart
		low = -1 << 53
	}
	choices := []float64{low, high, low + step, high - step, (low + high) / 2, 0}
	multiple := 0.0
	if set("multipleOf", &multiple, 0); multiple > 0 {
		choices = []float64{0, multiple, 10 * multiple, -multiple}
	}
	for {
		n := pick(g.Rand, choices)
		if typ == "integer" && n != float64(int64(n)) || n < low || n > high {
			continue
		}
		return spelled(g.Rand, n)
	}
}

// spelled writes a number in one of several ways.
func spelled(r *rand.Rand, n float64) json.Number {
	plain := strconv.FormatFloat(n, 'f', -1, 64)
	ways := []string{plain, plain, strconv.FormatFloat(n, 'e', -1, 64)}
	if n == float64(int64(n)) {
		ways = append(ways, plain+".0", plain+"e0", strconv.FormatFloat(10*n, 'f', -1, 64)+"E-1")
	}
	return json.Number(pick(r, ways))
}

func (g docGen) array(s map[string]any, t reflect.Type, depth int) any {
	low := count(s, "minItems", 0)
	high := count(s, "maxItems", low+2)
	n := low
	if depth > 0 {
		n += g.IntN(high - low + 1)
	}
	items := []any{}
	inner, _ := s["items"].(map[string]any)
	elem := jsonField{typ: elemOf(t)}
	for tries := 0; len(items) < n && tries < 20; tries++ {
		item := g.doc(inner, elem, depth-1)
		if s["uniqueItems"] == true && slices.ContainsFunc(items, func(v any) bool { return reflect.DeepEqual(v, item) }) {
			continue
		}
		items = append(items, item)
	}
	return items
}

// elemOf is what a slice, array or map has; any for a type that says otherwise.
func elemOf(t reflect.Type) reflect.Type {
	switch t.Kind() {
	case reflect.Slice, reflect.Array, reflect.Map:
		return t.Elem()
	}
	return reflect.TypeFor[any]()
}

func (g docGen) object(s map[string]any, t reflect.Type, depth int) any {
	doc := map[string]any{}
	var required []string
	if names, ok := s["required"].([]any); ok {
		for _, name := range names {
			required = append(required, name.(string))
		}
	}
	fields := map[string]jsonField{}
	if t.Kind() == reflect.Struct {
		fields = jsonFields(t)
	}
	properties, _ := s["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if !slices.Contains(required, name) && (depth <= 0 || g.IntN(2) == 0) {
			continue
		}
		f, known := fields[name]
		if !known {
			f.typ = reflect.TypeFor[any]()
		}
		doc[name] = g.doc(properties[name].(map[string]any), f, depth-1)
	}
	if s["additionalProperties"] != false && depth > 0 {
		g.more(doc, s, t, depth)
	}
	return doc
}

// more adds members of a map.
func (g docGen) more(doc, s map[string]any, t reflect.Type, depth int) {
	elem := jsonField{typ: elemOf(t)}
	inner, _ := s["additionalProperties"].(map[string]any)
	for range g.IntN(3) {
		key := strings.ToValidUTF8(pick(g.Rand, genStrings), "?")
		if t.Kind() == reflect.Map && t.Key().Kind() != reflect.String {
			key = fmt.Sprint(g.value(t.Key(), 0).Interface())
			if t.Key() == reflect.TypeFor[time.Month]() {
				key = strconv.Itoa(g.IntN(99) - 9)
			}
		}
		doc[key] = g.doc(inner, elem, depth-1)
	}
}

// A place is where in a document a mutant differs.
type place struct {
	got    any
	set    func(any)
	holder map[string]any // nil: in an array
	name   string
}

func places(v any) []place {
	var found []place
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			found = append(found, place{v[name], func(to any) { v[name] = to }, v, name})
			found = append(found, places(v[name])...)
		}
	case []any:
		for i := range v {
			found = append(found, place{v[i], func(to any) { v[i] = to }, nil, ""})
			found = append(found, places(v[i])...)
		}
	}
	return found
}

// oddValues take the place of what was there.
var oddValues = func() []any {
	var odd []any
	for _, text := range []string{`null`, `true`, `false`, `0`, `-1`, `-0`, `-0.0`, `1.5`, `1e2`, `10e-1`, `7`, `128`, `-129`, `256`, `32768`, `65536`, `2147483648`, `4294967296`,
		`9223372036854775807`, `9223372036854775808`, `-9223372036854775809`, `18446744073709551615`, `18446744073709551616`, `12345678901234567890.0`, `1e19`, `1e20`,
		`1.7976931348623157e308`, `1.8e308`, `1e-400`, `3.4028235e38`, `3.5e38`, `0.1000000000000000055511151231257827`,
		`""`, `"a"`, `"1"`, `"-0"`, `"1.0"`, `"01"`, `" 1"`, `"+1"`, `"0x10"`, `"1e2"`, `"1e999"`, `"300"`, `"-1"`, `"true"`, `"True"`, `"null"`, `"NaN"`, `"-Inf"`, `"1_0"`,
		`"2024-01-01"`, `"2024-01-01T00:00:00Z"`, `"2024-01-01t00:00:00z"`, `"2024-01-01T00:00:00"`, `"2024-02-30T00:00:00Z"`, `"2024-01-01T00:00:00,5Z"`, `"2016-12-31T23:59:60Z"`,
		`"2024-01-01T24:00:00Z"`, `"2024-01-01T00:00:00.12345678912Z"`, `"2024-01-01T00:00:00+24:00"`, `"2024-01-01T0:00:00Z"`,
		`"YQ=="`, `"YR=="`, `"YQ"`, `"Y Q=="`, `"Y\nQ=="`, `"_-8="`, `"::1"`, `"192.0.2.1"`, `"192.0.2.01"`, `"1/2"`, `"1-2"`, `"C5"`, `"A"`, `"WORD"`, `"b,a"`, `"007c"`, `"5c"`,
		`[]`, `[null]`, `[1]`, `["a"]`, `[1,2,3,4]`, `{}`, `{"a":1}`, `{"1":1}`, `{"01":1,"1":1}`, `{"-0":0}`, `{"x":1}`, `{"x":1,"X":2}`, `"red"`, `"RED"`, `"\u0000"`} {
		odd = append(odd, read([]byte(text)))
	}
	return odd
}()

// mutate changes a document in one to three places.
func mutate(r *rand.Rand, doc any) any {
	holder := map[string]any{"": doc}
	for range 1 + r.IntN(3)/2 {
		all := places(holder)
		mutateAt(r, all[r.IntN(len(all))], all)
	}
	return holder[""]
}

func mutateAt(r *rand.Rand, at place, all []place) {
	switch n := r.IntN(12); {
	case n < 5:
		at.set(reparse(pick(r, oddValues)))
	case n == 5:
		at.set(nil)
	case n == 6 && at.name != "":
		delete(at.holder, at.name)
	case n == 7 && at.name != "":
		recase(r, at)
	case n == 8:
		requote(at)
	case n == 9:
		at.set(reparse(all[r.IntN(len(all))].got)) // what belongs elsewhere
	default:
		grow(r, at)
	}
}

// recase changes the case of a member's name, or adds such a member.
func recase(r *rand.Rand, at place) {
	name := pick(r, []string{strings.ToUpper(at.name), strings.ToLower(at.name), strings.ReplaceAll(at.name, "k", "\u212a"), strings.ReplaceAll(at.name, "_", "-")})
	if r.IntN(2) == 0 {
		delete(at.holder, at.name)
	}
	at.holder[name] = reparse(at.got)
}

// requote puts a value into a string, or takes it out.
func requote(at place) {
	if s, ok := at.got.(string); ok && json.Valid([]byte(s)) {
		at.set(read([]byte(s)))
		return
	}
	raw, err := json.Marshal(at.got)
	if err != nil {
		panic(err)
	}
	at.set(string(raw))
}

// grow adds or removes a member or an item.
func grow(r *rand.Rand, at place) {
	switch v := at.got.(type) {
	case map[string]any:
		v[pick(r, []string{"", "unknown", "base_id", "secret", "Secret", "admin", "1", "01", "-0", "9999999999999999999", "X", "f0", "F0", "f1"})] = reparse(pick(r, oddValues))
	case []any:
		if len(v) > 0 && r.IntN(2) == 0 {
			at.set(v[:len(v)-1])
			return
		}
		at.set(append(slices.Clone(v), reparse(pick(r, append([]any{nil}, v...)))))
	default:
		at.set(reparse(pick(r, oddValues)))
	}
}
