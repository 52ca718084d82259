package tool_test

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/invopop/jsonschema"
)

// Types that package reflect cannot make.
type (
	GenBase struct {
		ID   int8    `json:"base_id"`
		Note *string `json:"base_note,omitempty"`
	}
	GenMore struct {
		When time.Time `json:"more_when"`
		Tags []string  `json:"more_tags"`
	}
	genQuiet struct {
		Q uint16 `json:"quiet_q"`
		R []bool
	}
	GenNames  []string
	GenLevel  int32
	genEmbeds struct {
		GenBase
		*GenMore
		genQuiet
		X int `json:"x,string"`
	}
	genNamedEmbeds struct {
		GenBase  `json:"base"`
		*GenMore `json:"more,omitempty"`
		GenNames
		*GenLevel `json:",omitempty"`
	}
	GenMiddle struct {
		*GenBase
		GenMore
	}
	genDeep struct {
		*GenMiddle
		Z string
	}
	genHides struct {
		GenBase
		Secret string `json:"-"`
		Admin  bool   `json:"admin,omitzero" jsonschema:"-"`
	}
	genPage[T any] struct {
		Items []T `json:"items"`
		Next  *T  `json:"next,omitzero"`
	}
	genPair[K comparable, V any] struct {
		Key   K   `json:"key"`
		Value V   `json:"value,omitempty"`
		Rest  []V `json:"rest,omitempty"`
	}
	genTree struct {
		Name string              `json:"name"`
		Kids []genTree           `json:"kids"`
		Left *genTree            `json:"left"`
		By   map[string]*genTree `json:"by,omitempty" jsonschema_description:"By name."`
	}
	genForest map[string]genTree
	genList   []genList
	genPing   struct {
		Pong *genPong `json:"pong,omitempty"`
		N    int8     `json:"n"`
	}
	genPong struct {
		Pings []*genPing         `json:"pings"`
		By    map[int16]*genPong `json:"by"`
	}
	genName   string
	genBlob   []byte
	genRatio  float32
	genNoted  map[genName]*genBlob
	genQuoted struct {
		A int8          `json:"a,string" jsonschema:"enum=1,enum=-7"`
		B *float64      `json:"b,omitempty,string" jsonschema:"pattern=^[0-9.]+$"`
		C bool          `json:"c,string" jsonschema:"enum=true"`
		D *uint64       `json:"d,string" jsonschema:"nullable"`
		E time.Duration `json:"e,string,omitzero"`
		F *genRatio     `json:"f,string"`
		G uint          `json:"g,string" jsonschema:"maxLength=2"`
	}
	genTyped struct {
		A any             `json:"a" jsonschema:"type=integer,enum=1,enum=2,nullable"`
		B json.RawMessage `json:"b" jsonschema:"type=object"`
		C *big.Int        `json:"c" jsonschema:"type=integer,minimum=0,maximum=99"`
		D any             `json:"d,omitempty" jsonschema:"anyof_type=string;boolean,nullable"`
		E []*any          `json:"e,omitzero" jsonschema:"maxItems=2"`
		F [2]*genTree     `json:"f,omitzero"`
		G **int           `json:"g"`
	}
	genCase struct {
		Key  int               `json:"key"`
		KEY  string            `json:"KEY,omitempty"`
		Sum  *bool             `json:"ſum,omitempty"`
		Odd  int               `json:"a/b~c %d,omitempty"`
		Ref  any               `json:"$ref,omitempty"`
		Type string            `json:"type"`
		Enum []int             `json:"enum,omitempty"`
		Prop []GenBase         `json:"properties,omitempty"`
		Item *genTree          `json:"items,omitempty"`
		Need bool              `json:"required,omitzero"`
		More map[string]string `json:"additionalProperties,omitempty"`
		All  *genCase          `json:"allOf,omitempty" jsonschema_description:"Itself."`
		Defs [1]string         `json:"$defs,omitempty"`
		Null *genTree          `json:"anyOf" jsonschema:"nullable"`
	}
)

// genColor has its own enum.
type genColor string

func (genColor) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Enum: []any{"red", "green"}, Description: "A colour."}
}

// genKelvin has bounds of its own, by a pointer receiver.
type genKelvin float64

func (*genKelvin) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "number", Minimum: "0", Maximum: "10000"}
}

// genMoney has its own UnmarshalJSON and an exact schema.
type genMoney struct{ cents int32 }

const moneyPattern = `^(0|[1-9][0-9]{0,6})c$`

func (genMoney) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: moneyPattern}
}

func (m genMoney) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, `"%dc"`, m.cents), nil }

func (m *genMoney) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	_, err := fmt.Sscanf(string(b), `"%dc"`, &m.cents)
	return err
}

// genPoint has its own closed schema with one optional property.
type genPoint struct {
	X float64  `json:"x"`
	Y *float64 `json:"y,omitempty"`
}

func (genPoint) JSONSchema() *jsonschema.Schema {
	p := jsonschema.NewProperties()
	p.Set("x", &jsonschema.Schema{Type: "number", Minimum: "-1e9", Maximum: "1e9"})
	p.Set("y", &jsonschema.Schema{Type: "number", Minimum: "-1e9", Maximum: "1e9"})
	return &jsonschema.Schema{Type: "object", Properties: p, Required: []string{"x"}, AdditionalProperties: jsonschema.FalseSchema}
}

// genExtended extends the reflected schema.
type genExtended struct {
	Amount uint `json:"amount"`
	Secret bool `json:"secret,omitzero" jsonschema:"-"`
}

func (genExtended) JSONSchemaExtend(s *jsonschema.Schema) {
	p, _ := s.Properties.Get("amount")
	p.Maximum = "100"
	s.Description = "At most 100."
}

// genUnit reads text by a value receiver.
type genUnit struct{}

func (genUnit) MarshalText() ([]byte, error) { return []byte("unit"), nil }
func (genUnit) UnmarshalText(b []byte) error {
	if string(b) != "unit" {
		return errors.New("a unit is unit")
	}
	return nil
}

// genWrites is a slice that is written as text; nil is the empty text.
type genWrites []string

func (w genWrites) MarshalText() ([]byte, error) { return []byte(strings.Join(w, ";")), nil }
func (w *genWrites) UnmarshalText(b []byte) error {
	*w = strings.Split(string(b), ";")
	return nil
}

// Types that read text: a string, a struct, an integer, a byte, a map.
type (
	genWord  string
	genSpan  struct{ from, to int }
	genCode  int
	genGrade uint8
	genSet   map[string]bool
)

func (w genWord) MarshalText() ([]byte, error) { return []byte(w), nil }
func (w *genWord) UnmarshalText(b []byte) error {
	*w = genWord(strings.ToLower(string(b)))
	return nil
}

func (s *genSpan) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%d-%d", s.from, s.to), nil }
func (s *genSpan) UnmarshalText(b []byte) error {
	from, to, found := strings.Cut(string(b), "-")
	var errFrom, errTo error
	s.from, errFrom = strconv.Atoi(from)
	s.to, errTo = strconv.Atoi(to)
	if !found || errFrom != nil || errTo != nil {
		return errors.New("a span is 1-2")
	}
	return nil
}

func (c genCode) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "C%d", int(c)), nil }
func (c *genCode) UnmarshalText(b []byte) error {
	n, err := strconv.Atoi(strings.TrimPrefix(string(b), "C"))
	*c = genCode(n)
	return err
}

func (g genGrade) MarshalText() ([]byte, error) { return []byte{'A' + byte(g)}, nil }
func (g *genGrade) UnmarshalText(b []byte) error {
	if len(b) != 1 || b[0] < 'A' || b[0] > 'F' {
		return errors.New("a grade is A to F")
	}
	*g = genGrade(b[0] - 'A')
	return nil
}

func (s genSet) MarshalText() ([]byte, error) {
	var names []string
	for _, name := range []string{"a", "b"} {
		if s[name] {
			names = append(names, name)
		}
	}
	return []byte(strings.Join(names, ",")), nil
}

func (s *genSet) UnmarshalText(b []byte) error {
	*s = genSet{}
	for name := range strings.SplitSeq(string(b), ",") {
		if name != "" && name != "a" && name != "b" {
			return errors.New("a set has a and b")
		}
		(*s)[name] = true
	}
	return nil
}

// A genReader is what a type with an UnmarshalJSON of its own and no JSONSchema
// is to a tag: here, a whole number.
var genReader = reflect.TypeFor[big.Int]()

var genLeaves = []reflect.Type{
	reflect.TypeFor[bool](), reflect.TypeFor[string](), reflect.TypeFor[genName](),
	reflect.TypeFor[int](), reflect.TypeFor[int8](), reflect.TypeFor[int16](), reflect.TypeFor[int32](), reflect.TypeFor[int64](),
	reflect.TypeFor[uint](), reflect.TypeFor[uint8](), reflect.TypeFor[uint16](), reflect.TypeFor[uint32](), reflect.TypeFor[uint64](),
	reflect.TypeFor[float32](), reflect.TypeFor[float64](), reflect.TypeFor[genRatio](), reflect.TypeFor[GenLevel](),
	reflect.TypeFor[time.Time](), reflect.TypeFor[time.Duration](), reflect.TypeFor[time.Month](),
	reflect.TypeFor[[]byte](), reflect.TypeFor[genBlob](), reflect.TypeFor[json.RawMessage](), reflect.TypeFor[json.Number](), reflect.TypeFor[any](),
	reflect.TypeFor[netip.Addr](), reflect.TypeFor[netip.Prefix](), reflect.TypeFor[net.IP](), reflect.TypeFor[big.Rat](),
	reflect.TypeFor[genWord](), reflect.TypeFor[genSpan](), reflect.TypeFor[genCode](), reflect.TypeFor[genGrade](), reflect.TypeFor[genSet](),
	reflect.TypeFor[genColor](), reflect.TypeFor[genKelvin](), reflect.TypeFor[genMoney](), reflect.TypeFor[genPoint](),
	reflect.TypeFor[genExtended](), reflect.TypeFor[genUnit](), reflect.TypeFor[genWrites](),
}

// genBlocks are types that a tool can take by themselves too.
var genBlocks = []reflect.Type{
	reflect.TypeFor[GenBase](), reflect.TypeFor[genEmbeds](), reflect.TypeFor[genNamedEmbeds](), reflect.TypeFor[genDeep](), reflect.TypeFor[genHides](),
	reflect.TypeFor[genPage[string]](), reflect.TypeFor[genPage[genPage[*int]]](), reflect.TypeFor[genPair[int8, []byte]](), reflect.TypeFor[genPair[string, genEmbeds]](),
	reflect.TypeFor[genTree](), reflect.TypeFor[genForest](), reflect.TypeFor[genPing](), reflect.TypeFor[genPong](), reflect.TypeFor[genPage[genTree]](),
	reflect.TypeFor[genNoted](), reflect.TypeFor[genQuoted](), reflect.TypeFor[genTyped](), reflect.TypeFor[genCase](), reflect.TypeFor[genExtended](), reflect.TypeFor[struct{}](), reflect.TypeFor[map[string]any](), reflect.TypeFor[genPoint](),
	reflect.TypeFor[map[genName]json.Number](), reflect.TypeFor[genPair[time.Time, genList]](),
}

// A facet is the limit in a field's tag: the allowed values as JSON, or the number of
// items.
type facet struct {
	tag   string
	good  []string
	items [2]int
}

func ints(tag string, good ...string) facet { return facet{tag: tag, good: good} }

var genFacets = map[reflect.Type][]facet{
	reflect.TypeFor[string](): {{tag: "enum=a,enum=b c", good: []string{`"a"`, `"b c"`}}, {tag: "pattern=^x+$", good: []string{`"x"`, `"xxx"`}},
		{tag: "minLength=2,maxLength=3", good: []string{`"ab"`, `"éé😀"`}}, {tag: `description=One\, two,default=a`, good: []string{`"a"`, `""`}},
		{tag: "format=date", good: []string{`"2024-02-29"`}}, {tag: "nullable,enum=a", good: []string{`"a"`}}, {tag: "nullable", good: []string{`""`, `"é"`}}},
	reflect.TypeFor[*string](): {{tag: "enum=a,enum=b", good: []string{`"a"`, `null`}}, {tag: "nullable,minLength=1", good: []string{`"a"`, `null`}}},
	reflect.TypeFor[int](): {ints("minimum=1,maximum=9", "1", "9"), ints("exclusiveMinimum=0,exclusiveMaximum=3", "1", "2"), ints("multipleOf=5,default=5", "5", "-10", "0"),
		ints("enum=1,enum=2", "1", "2"), ints("nullable", "0", "7")},
	reflect.TypeFor[int8]():        {ints("minimum=-3", "-3", "127"), ints("maximum=3", "-128", "3"), ints("exclusiveMaximum=0", "-1"), ints("enum=-128,enum=127", "-128")},
	reflect.TypeFor[uint16]():      {ints("maximum=3", "0", "3"), ints("exclusiveMinimum=65533", "65534", "65535"), ints("title=T,minimum=2", "2")},
	reflect.TypeFor[int64]():       {ints("minimum=-9007199254740993", "-9007199254740993", "9223372036854775807"), ints("enum=9007199254740993", "9007199254740993")},
	reflect.TypeFor[*int]():        {ints("minimum=1", "1", "null"), ints("enum=1,enum=3", "3", "null")},
	reflect.TypeFor[float64]():     {ints("minimum=0.5,maximum=1.5", "0.5", "1.5", "1"), ints("enum=0.5,enum=2", "0.5", "2"), ints("multipleOf=0.5,nullable", "0.5", "3")},
	reflect.TypeFor[float32]():     {ints("exclusiveMinimum=0,default=0.5", "0.5", "3e38")},
	reflect.TypeFor[json.Number](): {ints("minimum=1,maximum=9", "1", "8.5"), ints("enum=1,enum=2.5", "1", "2.5")},
	reflect.TypeFor[any](): {{tag: "type=string", good: []string{`"a"`, `null`}}, {tag: "type=object", good: []string{`{"a":[1]}`, `{}`}}, {tag: "oneof_type=string;integer", good: []string{`"a"`, `3`}},
		{tag: "type=integer,minimum=2", good: []string{`2`}}},
	reflect.TypeFor[[2]int8]():     {ints("minimum=1,maximum=9", "[1,9]"), ints("enum=3", "[3,3]"), {tag: "minItems=2", good: []string{"[0,-128]"}}},
	reflect.TypeFor[[]time.Time](): {{tag: "enum=2024-01-01T00:00:00Z", good: []string{`["2024-01-01T00:00:00Z"]`, "null"}}},
	reflect.TypeFor[[]*string]():   {{tag: "enum=a,enum=b", good: []string{`["a",null]`, "[]", "null"}}},
	reflect.TypeFor[[]genCode]():   {{tag: "enum=C1,enum=C2", good: []string{`["C1"]`, "null"}}},
	genReader:                      {ints("type=integer", "0", "-7", "12345678901234567890")},
	reflect.TypeFor[[]string](): {{tag: "enum=a,enum=b", good: []string{`["a","b","a"]`, `[]`, `null`}}, {tag: "minItems=1,maxItems=3", items: [2]int{1, 3}},
		{tag: "uniqueItems=true", good: []string{`["a","b"]`, `[""]`}}, {tag: "pattern=^x+$", good: []string{`["x","xx"]`}}, {tag: "default=a,default=b", good: []string{`["a"]`}}},
	reflect.TypeFor[[]int](): {{tag: "minItems=2", items: [2]int{2, 4}}, {tag: "minimum=1,maximum=9", good: []string{`[1,9]`, `[]`}}, {tag: "enum=1,enum=2,maxItems=2", good: []string{`[1,2]`}}},
	reflect.TypeFor[[]any](): {{tag: "maxItems=1", items: [2]int{0, 1}}},
	reflect.TypeFor[bool]():  {{tag: "default=true", good: []string{`true`, `false`}}, {tag: "nullable", good: []string{`true`, `false`}}},
	reflect.TypeFor[time.Time](): {{tag: "nullable", good: []string{`"2024-02-29T23:59:59.999999999Z"`}}, {tag: "enum=2024-01-01T00:00:00Z,enum=2025-01-01T00:00:00+01:00",
		good: []string{`"2024-01-01T00:00:00Z"`}}},
	reflect.TypeFor[netip.Addr](): {{tag: "enum=::1,enum=10.0.0.1", good: []string{`"::1"`}}, {tag: "format=ipv4", good: []string{`"10.0.0.1"`}},
		{tag: "type=string", good: []string{`""`, `"::1"`}}},
	reflect.TypeFor[[]byte](): {{tag: "maxLength=8", good: []string{`""`, `"YWJj"`, `null`}}},
	reflect.TypeFor[time.Duration](): {ints("minimum=0,default=1000000000", "0", "1000000000"), ints("enum=30s,enum=60000000000,nullable", "30000000000", "60000000000"),
		ints("exclusiveMinimum=1s,maximum=24h,multipleOf=1ms", "1001000000", "86400000000000")},
	reflect.TypeFor[[]time.Duration](): {ints("enum=1s,enum=1m30s", "[1000000000,90000000000]", "null"), {tag: "minItems=1,maxItems=2", items: [2]int{1, 2}}},
	reflect.TypeFor[genName]():         {{tag: "enum=n", good: []string{`"n"`}}},
	reflect.TypeFor[genKelvin]():       {ints("maximum=300", "0", "300")},
}

var genFacetTypes = func() []reflect.Type {
	var types []reflect.Type
	for _, t := range append([]reflect.Type{genReader, reflect.TypeFor[*string](), reflect.TypeFor[*int](), reflect.TypeFor[[]string](), reflect.TypeFor[[]int](),
		reflect.TypeFor[[]any](), reflect.TypeFor[[]time.Duration](), reflect.TypeFor[[2]int8](), reflect.TypeFor[[]time.Time](), reflect.TypeFor[[]*string](), reflect.TypeFor[[]genCode]()}, genLeaves...) {
		if genFacets[t] != nil {
			types = append(types, t)
		}
	}
	return types
}()

// genBlockFacets are those of fields of the blocks.
var genBlockFacets = map[reflect.Type][]facet{
	reflect.TypeFor[int8]():     {ints("enum=1,enum=-7", "1", "-7")},
	reflect.TypeFor[*float64](): {ints("pattern=^[0-9.]+$", "0", "1.5", "null")},
	reflect.TypeFor[bool]():     {ints("enum=true", "true")},
	reflect.TypeFor[*uint64]():  {ints("nullable", "0", "18446744073709551615", "null")},
	reflect.TypeFor[uint]():     {ints("maxLength=2", "0", "99")},
	reflect.TypeFor[any](): {ints("type=integer,enum=1,enum=2,nullable", "1", "2", "null"),
		ints("anyof_type=string;boolean,nullable", `"a"`, "true", "null")},
	reflect.TypeFor[json.RawMessage](): {ints("type=object", `{"a":[1e2]}`, "{}")},
	reflect.TypeFor[*big.Int]():        {ints("type=integer,minimum=0,maximum=99", "0", "99", "null")},
	reflect.TypeFor[[]*any]():          {{tag: "maxItems=2", items: [2]int{0, 2}}},
}

// facetOf returns the facet in a field's tag, or nil without such a tag.
func facetOf(t reflect.Type, tag reflect.StructTag) (facet, bool) {
	for _, f := range slices.Concat(genFacets[t], genBlockFacets[t]) {
		if f.tag == tag.Get("jsonschema") {
			return f, true
		}
	}
	return facet{}, false
}

// A typeGen makes types that a tool can take.
type typeGen struct{ *rand.Rand }

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// nth makes the type of a tool's arguments: first each block, then random ones.
func (g typeGen) nth(i int) reflect.Type {
	if i < len(genBlocks) {
		return genBlocks[i]
	}
	return g.root()
}

func (g typeGen) root() reflect.Type {
	switch n := g.IntN(20); {
	case n < 2:
		return pick(g.Rand, genBlocks)
	case n < 3:
		return reflect.PointerTo(g.object(2))
	case n < 4:
		return reflect.MapOf(reflect.TypeFor[string](), g.elem(1))
	}
	return g.object(2)
}

func (g typeGen) any(depth int) reflect.Type {
	n := g.IntN(20)
	if depth == 0 {
		n = g.IntN(11)
	}
	switch {
	case n < 9:
		return pick(g.Rand, genLeaves)
	case n < 11:
		return reflect.PointerTo(pick(g.Rand, genLeaves))
	case n < 13:
		return reflect.SliceOf(g.any(depth - 1))
	case n < 14:
		return reflect.ArrayOf(g.IntN(4), g.any(depth-1))
	case n < 15:
		return reflect.MapOf(pick(g.Rand, []reflect.Type{reflect.TypeFor[string](), reflect.TypeFor[genName]()}), g.elem(depth-1))
	case n < 16:
		return reflect.MapOf(pick(g.Rand, []reflect.Type{reflect.TypeFor[int](), reflect.TypeFor[uint8](), reflect.TypeFor[int16](), reflect.TypeFor[uint64](), reflect.TypeFor[time.Month]()}), g.elem(depth-1))
	case n < 17:
		return reflect.PointerTo(g.any(depth - 1))
	case n < 18:
		return pick(g.Rand, genBlocks)
	}
	return g.object(depth - 1)
}

// elem makes the element type of a map. The element has no address, so encoding/json
// does not use a MarshalText with a pointer receiver.
func (g typeGen) elem(depth int) reflect.Type {
	if t := g.any(depth); !needsAddress(t) {
		return t
	}
	return reflect.TypeFor[*genSpan]()
}

func needsAddress(t reflect.Type) bool {
	switch {
	case readsText(t):
		return !t.Implements(reflect.TypeFor[encoding.TextMarshaler]())
	case t.Kind() == reflect.Array:
		return needsAddress(t.Elem())
	case t.Kind() == reflect.Struct && !hasOwnSchema(t):
		return slices.ContainsFunc(reflect.VisibleFields(t), func(f reflect.StructField) bool { return needsAddress(f.Type) })
	}
	return t == genReader
}

func (g typeGen) object(depth int) reflect.Type {
	var fields []reflect.StructField
	if g.IntN(6) == 0 {
		fields = append(fields, reflect.StructField{Name: "GenBase", Type: reflect.TypeFor[GenBase](), Anonymous: true})
	}
	if g.IntN(6) == 0 {
		fields = append(fields, reflect.StructField{Name: "GenMore", Type: reflect.TypeFor[*GenMore](), Anonymous: true})
	}
	for i := range 1 + g.IntN(5) {
		fields = append(fields, g.field(i, depth))
	}
	return reflect.StructOf(fields)
}

// genRefused are types that encoding/json does not read, or reads in a way that
// no schema says.
var genRefused = []reflect.Type{
	reflect.TypeFor[chan int](), reflect.TypeFor[func()](), reflect.TypeFor[complex64](), reflect.TypeFor[uintptr](), reflect.TypeFor[error](),
	reflect.TypeFor[url.URL](), reflect.TypeFor[opaque](), reflect.TypeFor[big.Int](), reflect.TypeFor[map[bool]int](), reflect.TypeFor[map[netip.Addr]int](),
	reflect.TypeFor[aliased](), reflect.TypeFor[[]readByte](), reflect.TypeFor[struct{ x int }](), reflect.TypeFor[genPointer](),
	reflect.TypeFor[struct {
		X int `json:",inline,string" jsonschema:"-"`
	}](),
}

// genPointer holds itself and nothing else.
type genPointer *genPointer

// bad makes a struct that contains a refused type, and returns the Go field of the type.
func (g typeGen) bad(depth int) (t reflect.Type, path string) {
	inner := pick(g.Rand, genRefused)
	if depth > 0 && g.IntN(3) > 0 {
		inner, path = g.bad(depth - 1)
		path = "." + path
	}
	for range g.IntN(3) {
		switch g.IntN(4) {
		case 0:
			inner, path = reflect.SliceOf(inner), "[]"+path
		case 1:
			inner, path = reflect.MapOf(reflect.TypeFor[string](), inner), "[]"+path
		case 2:
			inner, path = reflect.ArrayOf(2, inner), "[]"+path
		case 3:
			inner = reflect.PointerTo(inner)
		}
	}
	n := g.IntN(3)
	var fields []reflect.StructField
	for i := range n {
		fields = append(fields, g.field(i, 1))
	}
	name := fmt.Sprintf("F%d", n)
	return reflect.StructOf(append(fields, reflect.StructField{Name: name, Type: inner})), name + path
}

func (g typeGen) field(i, depth int) reflect.StructField {
	f := reflect.StructField{Name: fmt.Sprintf("F%d", i), Type: g.any(depth)}
	var tags []string
	if g.IntN(4) == 0 {
		f.Type = pick(g.Rand, genFacetTypes)
		tags = append(tags, "jsonschema:"+strconv.Quote(pick(g.Rand, genFacets[f.Type]).tag))
	}
	name := pick(g.Rand, []string{"", "f%d", "f%d", "f%d", "näme %d", "x/~%d", "$ref%d", "F_%d"})
	if name != "" {
		name = fmt.Sprintf(name, i)
	}
	switch options := pick(g.Rand, []string{"", "", ",omitempty", ",omitzero", ",omitempty,omitzero", ",string"}); {
	case options == ",string" && len(tags) == 0 && quotable(f.Type):
		name += options
	case options != ",string":
		name += options
	}
	if name != "" {
		tags = append(tags, "json:"+strconv.Quote(name))
	}
	if g.IntN(4) == 0 {
		tags = append(tags, `jsonschema_description:"What it is, and why."`)
	}
	if i > 0 && g.IntN(30) == 0 {
		tags = []string{`json:"-"`}
	}
	f.Tag = reflect.StructTag(strings.Join(tags, " "))
	return f
}

// quotable reports whether ",string" may be said of a type.
func quotable(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	scalar := t.Kind() == reflect.Bool || reflect.Int <= t.Kind() && t.Kind() <= reflect.Float64 && t.Kind() != reflect.Uintptr
	return scalar && t.PkgPath() != "" == (t == reflect.TypeFor[GenLevel]() || t == reflect.TypeFor[genRatio]() || t == reflect.TypeFor[time.Duration]())
}
