package tool_test

import (
	"encoding"
	"encoding/json"
	"math"
	"math/big"
	"math/rand/v2"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"
)

// A valueGen makes random values of a type within the limits of the tags.
type valueGen struct{ *rand.Rand }

var genStrings = []string{"", "a", "null", "true", "1", "1e2", "é😀", "\u2028<>&\"\\/\n\t\x01", "\ufffd\u0000", " x ", "2024-01-01T00:00:00Z", "YQ==", "\xff"}

// genMakers lists the types whose JSON differs from their kind.
var genMakers = map[reflect.Type]func(valueGen) any{
	reflect.TypeFor[time.Time](): func(g valueGen) any {
		return pick(g.Rand, []time.Time{{}, time.Unix(0, 1).UTC(), time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC), time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC),
			time.Date(2024, 2, 29, 1, 2, 3, 4000, time.FixedZone("", -23*3600-59*60)), time.Unix(g.Int64N(1<<33), 0).In(time.FixedZone("", 5400))})
	},
	reflect.TypeFor[json.RawMessage](): func(g valueGen) any {
		raw, err := json.Marshal(g.loose(2))
		if err != nil {
			panic(err)
		}
		return pick(g.Rand, []json.RawMessage{nil, raw, raw, json.RawMessage(` { "z" : 1.50 , "a" : [ 1e2 ] } `)})
	},
	reflect.TypeFor[json.Number](): func(g valueGen) any {
		return pick(g.Rand, []json.Number{"", "0", "-0", "1.50", "-1.5e300", "1E-400", "1e400", "12345678901234567890123", "9007199254740993", "0.1"})
	},
	reflect.TypeFor[any](): func(g valueGen) any { return g.loose(2) },
	reflect.TypeFor[netip.Addr](): func(g valueGen) any {
		return pick(g.Rand, []netip.Addr{{}, netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("fe80::1%eth0")})
	},
	reflect.TypeFor[netip.Prefix](): func(g valueGen) any {
		return pick(g.Rand, []netip.Prefix{{}, netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")})
	},
	reflect.TypeFor[net.IP](): func(g valueGen) any { return pick(g.Rand, []net.IP{nil, net.ParseIP("192.0.2.1"), net.IPv6loopback}) },
	reflect.TypeFor[big.Rat](): func(g valueGen) any {
		return *big.NewRat(g.Int64N(9)-4, 1+g.Int64N(3))
	},
	reflect.TypeFor[genSpan]():  func(g valueGen) any { return genSpan{g.IntN(9), g.IntN(9)} },
	reflect.TypeFor[genCode]():  func(g valueGen) any { return genCode(g.IntN(9) - 4) },
	reflect.TypeFor[genGrade](): func(g valueGen) any { return genGrade(g.IntN(6)) },
	reflect.TypeFor[genSet](): func(g valueGen) any {
		return pick(g.Rand, []genSet{nil, {}, {"a": true}, {"a": true, "b": true}})
	},
	reflect.TypeFor[genWord]():     func(g valueGen) any { return genWord(pick(g.Rand, []string{"", "word", "é\n"})) },
	reflect.TypeFor[genColor]():    func(g valueGen) any { return genColor(pick(g.Rand, []string{"red", "green"})) },
	reflect.TypeFor[genKelvin]():   func(g valueGen) any { return genKelvin(pick(g.Rand, []float64{0, 10000, 273.15})) },
	reflect.TypeFor[genMoney]():    func(g valueGen) any { return genMoney{g.Int32N(10_000_000)} },
	reflect.TypeFor[genExtended](): func(g valueGen) any { return genExtended{Amount: g.UintN(101)} },
	reflect.TypeFor[genPoint](): func(g valueGen) any {
		return pick(g.Rand, []genPoint{{}, {X: -1e9, Y: new(1e9)}, {X: 0.1, Y: new(0.0)}})
	},
}

// loose makes a value for a field of type any.
func (g valueGen) loose(depth int) any {
	switch n := g.IntN(8); {
	case n == 0:
		return nil
	case n == 1:
		return g.IntN(2) == 0
	case n == 2:
		return g.float(64)
	case n == 3:
		return json.Number("9007199254740993")
	case n == 4 && depth > 0:
		return []any{g.loose(depth - 1), g.loose(depth - 1)}
	case n == 5 && depth > 0:
		return map[string]any{"A": g.loose(depth - 1), "a": g.loose(depth - 1)}
	}
	return pick(g.Rand, genStrings)
}

func (g valueGen) float(bits int) float64 {
	if bits == 32 {
		return float64(pick(g.Rand, []float32{0, float32(math.Copysign(0, -1)), 1, -0.1, math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32, 1e20, g.Float32()}))
	}
	return pick(g.Rand, []float64{0, math.Copysign(0, -1), 1, -0.1, math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 1e20, 1e21, 1 << 53, g.NormFloat64()})
}

func (g valueGen) int(bits int) int64 {
	top := int64(math.MaxInt64) >> (64 - bits)
	return pick(g.Rand, []int64{0, 1, -1, top, -top - 1, g.Int64() >> (64 - bits)})
}

// value makes an addressable value; at depth 0, what can be nil or empty is.
func (g valueGen) value(t reflect.Type, depth int) reflect.Value {
	v := reflect.New(t).Elem()
	g.fill(v, depth)
	return v
}

func (g valueGen) fill(v reflect.Value, depth int) {
	t := v.Type()
	if maker, ok := genMakers[t]; ok {
		if made := maker(g); made != nil {
			v.Set(reflect.ValueOf(made))
		}
		return
	}
	none := depth <= 0 || g.IntN(5) == 0
	switch t.Kind() {
	case reflect.Bool:
		v.SetBool(g.IntN(2) == 0)
	case reflect.String:
		v.SetString(pick(g.Rand, genStrings))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(g.int(t.Bits()))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(pick(g.Rand, []uint64{0, 1, math.MaxUint64 >> (64 - t.Bits()), g.Uint64() >> (64 - t.Bits())}))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(g.float(t.Bits()))
	case reflect.Pointer:
		if !none {
			v.Set(g.value(t.Elem(), depth-1).Addr())
		}
	case reflect.Slice:
		if !none {
			g.fillSlice(v, g.IntN(3), depth)
		}
	case reflect.Array:
		for i := range v.Len() {
			g.fill(v.Index(i), depth-1)
		}
	case reflect.Map:
		if !none {
			g.fillMap(v, depth)
		}
	case reflect.Struct:
		g.fillStruct(v, depth)
	default:
		panic("no value of " + t.String())
	}
}

func (g valueGen) fillSlice(v reflect.Value, n, depth int) {
	v.Set(reflect.MakeSlice(v.Type(), n, n))
	for i := range n {
		g.fill(v.Index(i), depth-1)
	}
}

func (g valueGen) fillMap(v reflect.Value, depth int) {
	v.Set(reflect.MakeMap(v.Type()))
	for range g.IntN(3) {
		key := g.value(v.Type().Key(), 0)
		if key.Kind() == reflect.String { // two keys with invalid UTF-8 would be one key in JSON
			key.SetString(strings.ToValidUTF8(key.String(), "?"))
		}
		v.SetMapIndex(key, g.value(v.Type().Elem(), depth-1))
	}
}

func (g valueGen) fillStruct(v reflect.Value, depth int) {
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		switch f, tagged := facetOf(sf.Type, sf.Tag); {
		case !sf.IsExported() && !sf.Anonymous, sf.Tag.Get("json") == "-", sf.Tag.Get("jsonschema") == "-":
		case tagged && len(f.good) > 0:
			if err := json.Unmarshal([]byte(pick(g.Rand, f.good)), v.Field(i).Addr().Interface()); err != nil {
				panic(err)
			}
		case tagged:
			g.fillSlice(v.Field(i), f.items[0]+g.IntN(f.items[1]-f.items[0]+1), depth)
		default:
			g.fill(v.Field(i), depth-1)
		}
	}
}

// A jsonField is a member of an object as encoding/json finds it in a struct:
// the shallowest of a name wins.
type jsonField struct {
	typ                                   reflect.Type
	tag                                   reflect.StructTag
	depth                                 int
	quoted, omitEmpty, omitZero, optional bool
}

func jsonFields(t reflect.Type) map[string]jsonField {
	fields := map[string]jsonField{}
	collectFields(t, 0, false, fields)
	return fields
}

func collectFields(t reflect.Type, depth int, optional bool, into map[string]jsonField) {
	for i := range t.NumField() {
		sf := t.Field(i)
		parts := strings.Split(sf.Tag.Get("json"), ",")
		base := sf.Type
		if base.Kind() == reflect.Pointer {
			base = base.Elem()
		}
		switch name := parts[0]; {
		case sf.Tag.Get("json") == "-":
		case sf.Anonymous && name == "" && base.Kind() == reflect.Struct:
			collectFields(base, depth+1, optional || base != sf.Type, into)
		case sf.IsExported():
			if name == "" {
				name = sf.Name
			}
			if known, taken := into[name]; taken && known.depth <= depth {
				continue
			}
			f := jsonField{typ: sf.Type, tag: sf.Tag, depth: depth, optional: optional}
			f.quoted, f.omitEmpty, f.omitZero = slices.Contains(parts[1:], "string"), slices.Contains(parts[1:], "omitempty"), slices.Contains(parts[1:], "omitzero")
			f.optional = f.optional || f.omitEmpty || f.omitZero
			into[name] = f
		}
	}
}

// target follows pointers.
func target(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

func readsText(t reflect.Type) bool {
	return t.Kind() != reflect.Interface && t != reflect.TypeFor[time.Time]() && reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

func hasOwnSchema(t reflect.Type) bool {
	_, own := reflect.PointerTo(t).MethodByName("JSONSchema")
	return own
}
