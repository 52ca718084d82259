package tool_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"net"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/invopop/jsonschema"
	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

type jsonTime struct {
	At time.Time `json:"at"`
}

// takes makes a tool of In that returns the decoded arguments.
func takes[In any]() (tool.Tool, error) {
	return tool.New("takes", "", func(_ context.Context, in In) (In, error) { return in, nil })
}

type base struct {
	ID int `json:"id"`
}

type Options struct {
	Limit int `json:"limit"`
}

type tree struct {
	Name  string  `json:"name"`
	Kids  []tree  `json:"kids"`
	Next  *tree   `json:"next"`
	Other *forest `json:"other,omitempty"`
}

type forest struct {
	Trees map[string]tree `json:"trees"`
}

type page[T any] struct {
	Items []T `json:"items"`
}

// celsius has its own schema, by a pointer receiver and from one shared value.
type celsius float64

var celsiusSchema = &jsonschema.Schema{Type: "number", Minimum: "-273.15", Description: "Degrees Celsius"}

func (*celsius) JSONSchema() *jsonschema.Schema { return celsiusSchema }

// money decodes itself and says how.
type money struct{ cents int64 }

func (money) JSONSchema() *jsonschema.Schema { return &jsonschema.Schema{Type: "string"} }

func (m money) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, `"%d"`, m.cents), nil }

func (m *money) UnmarshalJSON(b []byte) error {
	if _, err := fmt.Sscanf(string(b), `"%d"`, &m.cents); err != nil {
		return errors.New("money is a number of cents in a string")
	}
	return nil
}

// opaque decodes itself and does not say how.
type opaque struct{ X int }

func (*opaque) UnmarshalJSON([]byte) error { return nil }

func TestSchemas(t *testing.T) {
	t.Parallel()
	object := func(properties, required string) string {
		return `{"type":"object","properties":{` + properties + `},"additionalProperties":false,"required":[` + required + `]}`
	}
	tests := []struct {
		name string
		make func() (tool.Tool, error)
		want string
	}{
		{"nothing", takes[struct{}], `{"type":"object","properties":{},"additionalProperties":false}`},
		{"pointer", takes[*base], object(`"id":{"type":"integer"}`, `"id"`)},
		{"map", takes[map[string]int], `{"type":"object","additionalProperties":{"type":"integer"},"properties":{}}`},
		{"untagged and optional", takes[struct {
			City string
			Unit string `json:",omitempty"`
			Day  *int   `json:"day,omitzero"`
			none int
			Gone int `json:"-"`
			Hid  int `jsonschema:"-"`
		}], object(`"City":{"type":"string"},"Unit":{"type":"string"},"day":{"type":"integer"}`, `"City"`)},
		{"embedded", takes[struct {
			base
			*Options
			Named base `json:"named"`
		}], object(`"id":{"type":"integer"},"limit":{"type":"integer"},"named":`+object(`"id":{"type":"integer"}`, `"id"`), `"id","limit","named"`)},
		{"embedded with a name", takes[struct {
			Options `json:"options"`
		}], object(`"options":`+object(`"limit":{"type":"integer"}`, `"limit"`), `"options"`)},
		{"generic", takes[page[page[string]]], object(`"items":{"type":"array","items":`+
			object(`"items":{"type":"array","items":{"type":"string"}}`, `"items"`)+`}`, `"items"`)},
		{"integers", takes[struct {
			A int8   `json:"a"`
			B uint16 `json:"b" jsonschema:"minimum=3"`
			C uint64 `json:"c"`
			D int64  `json:"d" jsonschema:"maximum=9"`
		}], object(`"a":{"type":"integer","minimum":-128,"maximum":127},"b":{"type":"integer","minimum":3,"maximum":65535},`+
			`"c":{"type":"integer","minimum":0},"d":{"type":"integer","maximum":9}`, `"a","b","c","d"`)},
		{"other leaves", takes[struct {
			T time.Time       `json:"t"`
			D time.Duration   `json:"d"`
			B []byte          `json:"b"`
			F [2]byte         `json:"f"`
			R json.RawMessage `json:"r"`
			N json.Number     `json:"n"`
			A any             `json:"a" jsonschema_description:"Anything."`
			I net.IP          `json:"i"`
			P *netip.Addr     `json:"p"`
			S int             `json:"s,string"`
			O bool            `json:"o,string"`
		}], object(`"t":{"type":"string","format":"date-time"},`+
			`"d":{"type":"string","description":"A duration such as 30s or 1h30m.","pattern":"^-?([0-9]+(\\.[0-9]+)?(ns|us|ms|s|m|h))+$"},`+
			`"b":{"type":"string","contentEncoding":"base64"},`+
			`"f":{"type":"array","items":{"type":"integer","minimum":0,"maximum":255},"maxItems":2,"minItems":2},`+
			`"r":{},"n":{"type":"number"},"a":{"description":"Anything."},"i":{"type":"string"},"p":{"type":["string","null"]},`+
			`"s":{"type":"string","pattern":"^-?(0|[1-9][0-9]*)$"},"o":{"type":"string","enum":["true","false"]}`,
			`"t","d","b","f","r","n","a","i","p","s","o"`)},
		{"tags", takes[struct {
			A string   `json:"a" jsonschema:"description=City\\, country,pattern=^x$,minLength=1,default=x"`
			B []string `json:"b" jsonschema:"enum=x,enum=y,uniqueItems=true"`
			C *string  `json:"c" jsonschema:"nullable,enum=x"`
			D any      `json:"d" jsonschema:"type=string"`
			E opaque   `json:"e" jsonschema:"type=integer,minimum=2"`
		}], object(`"a":{"type":"string","description":"City, country. Default: \"x\".","minLength":1,"pattern":"^x$"},`+
			`"b":{"type":"array","items":{"type":"string","enum":["x","y"]},"uniqueItems":true},`+
			`"c":{"type":["string","null"],"enum":["x",null]},"d":{"type":"string"},"e":{"type":"integer","minimum":2}`,
			`"a","b","c","d","e"`)},
		{"what no keyword says", takes[struct {
			D time.Duration  `json:"d,string" jsonschema_description:"Patience."`
			U uint8          `json:"u,string"`
			N int            `json:"n,omitempty" jsonschema:"default=5"`
			M map[uint8]bool `json:"m,omitempty" jsonschema:"description=By age"`
			A any            `json:"a" jsonschema:"nullable,description=Anything"`
		}], object(`"d":{"type":"string","description":"Patience. (A duration such as 30s or 1h30m.)","pattern":"^-?([0-9]+(\\.[0-9]+)?(ns|us|ms|s|m|h))+$"},`+
			`"u":{"type":"string","pattern":"^(0|[1-9][0-9]*)$"},"n":{"type":"integer","description":"Default: 5."},`+
			`"m":{"type":"object","description":"By age (Its keys are whole numbers.)","additionalProperties":{"type":"boolean"}},`+
			`"a":{"description":"Anything"}`, `"d","u","a"`)},
		{"own schema", takes[struct {
			A celsius   `json:"a" jsonschema:"title=A,maximum=50"`
			B *celsius  `json:"b" jsonschema_description:"Outside."`
			C []celsius `json:"c"`
			M money     `json:"m"`
		}], object(`"a":{"type":"number","description":"Degrees Celsius","maximum":50,"minimum":-273.15},`+
			`"b":{"type":["number","null"],"description":"Outside.","minimum":-273.15},`+
			`"c":{"type":"array","items":{"type":"number","description":"Degrees Celsius","minimum":-273.15}},`+
			`"m":{"type":"string"}`, `"a","b","c","m"`)},
		{"maps", takes[struct {
			A map[string]any   `json:"a"`
			B map[int]base     `json:"b"`
			C map[uint8][]bool `json:"c"`
		}], object(`"a":{"type":"object"},"b":{"type":"object","description":"Its keys are whole numbers.","additionalProperties":`+object(`"id":{"type":"integer"}`, `"id"`)+`},`+
			`"c":{"type":"object","description":"Its keys are whole numbers.","additionalProperties":{"type":"array","items":{"type":"boolean"}}}`, `"a","b","c"`)},
		{"pointers that may not be left out", takes[struct {
			A *string        `json:"a"`
			B *string        `json:"b" jsonschema:"enum=x"`
			C *int           `json:"c,string"`
			D **base         `json:"d"`
			E *big.Int       `json:"e" jsonschema:"type=integer"`
			F *time.Duration `json:"f" jsonschema:"enum=1s"`
			G *any           `json:"g"`
			H *string        `json:"h,omitempty"`
			I *string        `json:"i,omitempty" jsonschema:"required,minLength=1"`
			J *bool          `json:"j" jsonschema:"nullable"`
			K []*bool        `json:"k"`
		}], object(`"a":{"type":["string","null"]},"b":{"type":["string","null"],"enum":["x",null]},`+
			`"c":{"type":["string","null"],"pattern":"^-?(0|[1-9][0-9]*)$"},`+
			`"d":{"type":["object","null"],"properties":{"id":{"type":"integer"}},"additionalProperties":false,"required":["id"]},`+
			`"e":{"type":["integer","null"]},"f":{"type":["string","null"],"enum":["1s",null]},"g":{},`+
			`"h":{"type":"string"},"i":{"type":["string","null"],"minLength":1},"j":{"type":["boolean","null"]},`+
			`"k":{"type":"array","items":{"type":"boolean"}}`, `"a","b","c","d","e","f","g","i","j","k"`)},
		{"recursive", takes[tree], `{"type":"object","properties":{"name":{"type":"string"},"kids":{"type":"array","items":{"$ref":"#/$defs/tree"}},` +
			`"next":{"anyOf":[{"$ref":"#/$defs/tree"},{"type":"null"}]},` +
			`"other":` + object(`"trees":{"type":"object","additionalProperties":{"$ref":"#/$defs/tree"}}`, `"trees"`) + `},` +
			`"additionalProperties":false,"required":["name","kids","next"],"$defs":{"tree":{"type":"object",` +
			`"properties":{"name":{"type":"string"},"kids":{"type":"array","items":{"$ref":"#/$defs/tree"}},` +
			`"next":{"anyOf":[{"$ref":"#/$defs/tree"},{"type":"null"}]},` +
			`"other":` + object(`"trees":{"type":"object","additionalProperties":{"$ref":"#/$defs/tree"}}`, `"trees"`) + `},` +
			`"additionalProperties":false,"required":["name","kids","next"]}}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			made, err := tt.make()
			require.NoError(t, err)
			require.Equal(t, tt.want, string(made.Def().Schema))
		})
	}
	require.Equal(t, &jsonschema.Schema{Type: "number", Minimum: "-273.15", Description: "Degrees Celsius"}, celsiusSchema)
}

// What json.Marshal writes of a value is taken, and decodes to the same value.
func TestMarshalledValuesAreTaken(t *testing.T) {
	t.Parallel()
	five, addr := 5, netip.MustParseAddr("2001:db8::1")
	when := time.Date(2024, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600))
	type leaves struct {
		P   *int               `json:"p"`
		L   []string           `json:"l"`
		M   map[string]*int    `json:"m"`
		I   map[int16]string   `json:"i"`
		B   []byte             `json:"b"`
		A   any                `json:"a"`
		R   json.RawMessage    `json:"r"`
		N   json.Number        `json:"n"`
		T   time.Time          `json:"t"`
		D   time.Duration      `json:"d"`
		IP  net.IP             `json:"ip"`
		Ad  *netip.Addr        `json:"ad"`
		S   int64              `json:"s,string"`
		SB  *bool              `json:"sb,string"`
		F   float64            `json:"f"`
		F32 float32            `json:"f32"`
		Min int64              `json:"min"`
		Max uint64             `json:"max"`
		E   *string            `json:"e" jsonschema:"enum=a,enum=b"`
		C   *celsius           `json:"c"`
		Mo  money              `json:"mo"`
		Sub *struct{ X []int } `json:"sub"`
		*Options
	}
	yes := true
	for name, v := range map[string]leaves{
		"zero": {N: "0", R: json.RawMessage("null")},
		"full": {P: &five, L: []string{"<é>"}, M: map[string]*int{"a": nil, "b": &five}, I: map[int16]string{-7: "x"},
			B: []byte{0, 255}, A: map[string]any{"x": json.Number("9007199254740993")}, R: json.RawMessage(`{"z":1,"a":[]}`),
			N: "12345678901234567890123", T: when, D: time.Second, IP: net.ParseIP("192.0.2.1"), Ad: &addr,
			S: math.MinInt64, SB: &yes, F: math.MaxFloat64, F32: -math.MaxFloat32, Min: math.MinInt64, Max: math.MaxUint64,
			E: new("a"), C: new(celsius(-1)), Mo: money{7}, Sub: &struct{ X []int }{}, Options: &Options{3}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireTaken(t, v)
		})
	}
	requireTaken(t, tree{Kids: []tree{{Name: "a", Other: &forest{map[string]tree{"b": {}}}}}, Next: &tree{}})
	requireTaken(t, &tree{})
	requireTaken(t, map[string]base{"a": {1}})
	requireTaken(t, page[*page[int]]{Items: []*page[int]{nil, {Items: []int{1}}}})
}

func requireTaken[In any](t *testing.T, v In) {
	t.Helper()
	written, err := json.Marshal(v)
	require.NoError(t, err)
	var got In
	reads := tool.Must(tool.New("reads", "", func(_ context.Context, in In) (string, error) {
		got = in
		return "", nil
	}))
	args, _, err := reads.Parse(string(written))
	require.NoError(t, err)
	_, err = reads.Call(t.Context(), args)
	require.NoError(t, err)
	again, err := json.Marshal(got)
	require.NoError(t, err)
	require.JSONEq(t, string(written), string(again))
}

func TestHiddenFieldsStayUnset(t *testing.T) {
	t.Parallel()
	made := tool.Must(takes[struct {
		X      int  `json:"x"`
		Admin  bool `json:"admin" jsonschema:"-"`
		Amount int  `json:"amount,omitempty" jsonschema:"maximum=100"`
	}]())
	for _, in := range []string{`{"x":1,"admin":true}`, `{"x":1,"Admin":true}`, `{"x":1,"AMOUNT":99999}`, `{"x":1,"X":2}`} {
		_, _, err := made.Parse(in)
		require.ErrorContains(t, err, "unknown property")
	}
}

func TestAnyKeepsItsDigits(t *testing.T) {
	t.Parallel()
	made := tool.Must(takes[struct {
		A any `json:"a"`
	}]())
	got, err := made.Call(t.Context(), json.RawMessage(`{"a":[9007199254740993]}`))
	require.NoError(t, err)
	require.Equal(t, `{"a":[9007199254740993]}`, llm.Message{Parts: got}.Text())
}

type rudeText string

func (*rudeText) UnmarshalText([]byte) error { panic("rude") }

type rudeJSON string

func (*rudeJSON) UnmarshalJSON([]byte) error { panic("rude") }

func TestPanicsWhileDecoding(t *testing.T) {
	t.Parallel()
	text := tool.Must(takes[struct{ X rudeText }]())
	_, _, err := text.Parse(`{"X":"a"}`)
	requireFailure(t, err, tool.Panicked, "The tool broke down because of an internal fault, which is not yours. The same call is likely to break down again.")

	own := tool.Must(takes[struct {
		X rudeJSON `jsonschema:"type=string"`
	}]())
	_, _, err = own.Parse(`{"X":"a"}`)
	requireFailure(t, err, tool.Panicked, "The tool broke down because of an internal fault, which is not yours. The same call is likely to break down again.")
}

func requireFailure(t *testing.T, err error, failure tool.Failure, message string) {
	t.Helper()
	e, ok := errors.AsType[*tool.Error](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, failure, e.Failure)
	require.Equal(t, message, e.Message)
	require.Error(t, e.Err)
}

func TestDecodeErrors(t *testing.T) {
	t.Parallel()
	made := tool.Must(takes[struct {
		M money `json:"m"`
	}]())
	_, _, err := made.Parse(`{"m":"much"}`)
	requireProblems(t, err, "takes", `(top level): does not have the form that the tool reads: money is a number of cents in a string`)

	_, err = made.Call(t.Context(), json.RawMessage(`{"m":"much"}`))
	requireProblems(t, err, "takes", `(top level): does not have the form that the tool reads: money is a number of cents in a string`)

	wrong := tool.Must(takes[struct {
		In struct {
			X loose `json:"x"`
		} `json:"in"`
	}]())
	_, _, err = wrong.Parse(`{"in":{"x":"a"}}`)
	requireProblems(t, err, "takes", `/in/x: does not fit, got a string`)
}

// TestTextThatIsBytesIsRead: net.IP is a slice of bytes, but not base64.
func TestTextThatIsBytesIsRead(t *testing.T) {
	t.Parallel()
	made := tool.Must(takes[struct {
		X net.IP
		L []net.IP `json:",omitempty"`
	}]())
	_, _, err := made.Parse(`{"X":"True","L":["::1","a"]}`)
	requireProblems(t, err, "takes", `/L/1: must be an IP address such as 192.0.2.1 or 2001:db8::1; got the string "a"`,
		`/X: must be an IP address such as 192.0.2.1 or 2001:db8::1; got the string "True"`)
}

func TestNumbersInStrings(t *testing.T) {
	t.Parallel()
	made := tool.Must(takes[struct {
		I int8  `json:"i,omitzero,string" jsonschema:"pattern=."`
		U uint8 `json:"u,omitzero,string" jsonschema:"pattern=."`
		B bool  `json:"b,omitzero,string" jsonschema:"pattern=."`
	}]())
	for _, good := range []string{`{"i":"-128"}`, `{"i":"-0"}`, `{"u":"255"}`, `{"b":"true"}`} {
		_, _, err := made.Parse(good)
		require.NoError(t, err, good)
	}
	for _, text := range []string{"-0", "-1", "256", "1.0", "1e1", "01", "+1", " 1", "1 ", "0x1", "null", "1_0", "NaN"} {
		_, _, err := made.Parse(`{"u":"` + text + `"}`)
		requireProblems(t, err, "takes", `/u: must be a whole number in range, in a string; got the string "`+text+`"`)
	}
	_, _, err := made.Parse(`{"b":"null"}`)
	requireProblems(t, err, "takes", `/b: must be one of "true", "false"; got the string "null"`)
}

// onlyRead is a slice that is read as text and written as a slice: nil becomes null.
type onlyRead []string

func (r *onlyRead) UnmarshalText(b []byte) error {
	*r = onlyRead{string(b)}
	return nil
}

func TestNilOfATypeThatOnlyReadsText(t *testing.T) {
	t.Parallel()
	requireTaken(t, struct{ X onlyRead }{})
	requireTaken(t, struct{ X net.IP }{})
	_, _, err := tool.Must(takes[struct{ X net.IP }]()).Parse(`{"X":null}`)
	require.Error(t, err)
}

// TestTextInMaps: encoding/json does not write a value of a map by a method
// with a pointer receiver, but it reads one.
func TestTextInMaps(t *testing.T) {
	t.Parallel()
	type ratios struct {
		M map[string]big.Rat `json:"m"`
	}
	var got ratios
	made := tool.Must(tool.New("reads", "", func(_ context.Context, in ratios) (string, error) {
		got = in
		return "", nil
	}))
	args, _, err := made.Parse(`{"m":{"a":"1/3"}}`)
	require.NoError(t, err)
	_, err = made.Call(t.Context(), args)
	require.NoError(t, err)
	require.Equal(t, ratios{map[string]big.Rat{"a": *big.NewRat(1, 3)}}, got)
	_, _, err = made.Parse(`{"m":{"a":{}}}`)
	require.Error(t, err)
}

type branch struct {
	Branches []branch `json:"branches,omitempty"`
}

// TestCycleThroughSlice: whichever field comes first, the cycle is found at the
// type that has a name.
func TestCycleThroughSlice(t *testing.T) {
	t.Parallel()
	type first struct {
		All  []branch `json:"all"`
		Best branch   `json:"best"`
	}
	type last struct {
		Best branch   `json:"best"`
		All  []branch `json:"all"`
	}
	const args = `{"all":[{"branches":[{}]}],"best":{"branches":[{"branches":[]}]}}`
	one, err := tool.New("one", "", func(context.Context, first) (string, error) { return "", nil })
	require.NoError(t, err)
	other, err := tool.New("other", "", func(context.Context, last) (string, error) { return "", nil })
	require.NoError(t, err)
	for _, made := range []tool.Tool{one, other} {
		_, _, err := made.Parse(args)
		require.NoError(t, err)
	}
}

func TestMapsWithKeysThatHaveNames(t *testing.T) {
	t.Parallel()
	type months struct {
		M map[time.Month]int `json:"m"`
		U map[uint8]int      `json:"u,omitempty"`
	}
	x := tool.Must(takes[months]())
	requireTaken(t, months{M: map[time.Month]int{time.May: 1, -7: 2}, U: map[uint8]int{255: 1}})
	for _, key := range []string{"05", "+5", "-0", "5.0", "1e1", "May", " 5", "", "9223372036854775808"} {
		_, _, err := x.Parse(`{"m":{"` + key + `":1}}`)
		require.Error(t, err, key)
	}
	for _, key := range []string{"256", "-1", "007"} {
		_, _, err := x.Parse(`{"m":{},"u":{"` + key + `":1}}`)
		require.Error(t, err, key)
	}
}

// counter and gauge fail with texts about Go.
type counter int

func (c *counter) UnmarshalText(b []byte) error {
	n, err := strconv.Atoi(string(b))
	*c = counter(n)
	if err != nil {
		return fmt.Errorf("counter: %w", err)
	}
	return nil
}

type gauge struct{ _ string }

func (g *gauge) UnmarshalText(b []byte) error { return errors.New(string(b)) }

func TestErrorsOfUnmarshalTextAreFreeOfGo(t *testing.T) {
	t.Parallel()
	refused := func(parse tool.Tool, err error) func(string, string) {
		require.NoError(t, err)
		return func(arg, want string) {
			_, _, err := parse.Parse(`{"X":` + strconv.Quote(arg) + `}`)
			requireProblems(t, err, "takes", "/X: "+want+"; got the string "+strconv.Quote(arg))
		}
	}
	refused(takes[struct{ X netip.Prefix }]())("x", "must be an IP address range such as 192.0.2.0/24 or 2001:db8::/32")
	refused(takes[struct{ X netip.AddrPort }]())("x", "must be an IP address and port such as 192.0.2.1:80 or [2001:db8::1]:80")
	refused(takes[struct{ X big.Float }]())("x", "must be a number in a string")
	refused(takes[struct{ X big.Rat }]())("x", "must be a number or fraction in a string, such as 2.5 or 1/3")
	refused(takes[struct{ X counter }]())("x", "is not accepted: invalid syntax")
	for text, want := range map[string]string{
		"pkg.ParseThing: no slash":              "is not accepted: no slash",
		"pkg.(*T).Do: no slash":                 "is not accepted: no slash",
		"thing: strconv.Atoi: a.B: no":          "is not accepted: thing: no",
		"big: cannot read into a *big.Float":    "is not accepted",
		"example.com: use another host, please": "is not accepted: example.com: use another host, please",
	} {
		refused(takes[struct{ X gauge }]())(text, want)
	}
}

// loose has a JSONSchema that contradicts the type.
type loose int

func (loose) JSONSchema() *jsonschema.Schema { return &jsonschema.Schema{Type: "string"} }

// unit returns one shared schema with extra keywords.
type unit float64

var unitSchema = &jsonschema.Schema{Type: "number", Extras: map[string]any{"x-unit": "C"}}

func (unit) JSONSchema() *jsonschema.Schema { return unitSchema }

func TestASharedSchemaIsNotChanged(t *testing.T) {
	x := tool.Must(takes[struct {
		A unit `json:"a" jsonschema_extras:"x-a=1"`
		B unit `json:"b"`
	}]())
	require.JSONEq(t, `{"type":"object","additionalProperties":false,"required":["a","b"],"properties":{
		"a":{"type":"number","x-unit":"C","x-a":"1"},"b":{"type":"number","x-unit":"C"}}}`, string(x.Def().Schema))
	require.Equal(t, map[string]any{"x-unit": "C"}, unitSchema.Extras)
}

func TestATypeInATagIsForTypesWithoutOne(t *testing.T) {
	t.Parallel()
	refused := func(_ tool.Tool, err error) {
		t.Helper()
		require.ErrorContains(t, err, "tag jsonschema: the JSON type of ")
		require.ErrorContains(t, err, "cannot be set; only that of any, and of types that read themselves")
	}
	refused(takes[struct {
		N int `jsonschema:"type=string"`
	}]())
	refused(takes[struct {
		N struct{ Z int8 } `jsonschema:"type=object"`
	}]())
	refused(takes[struct {
		N *string `jsonschema:"oneof_type=string;number"`
	}]())
	for _, err := range []error{
		second(takes[struct {
			N any `jsonschema:"oneof_type=string;number"`
		}]()),
		second(takes[struct {
			N json.RawMessage `jsonschema:"type=object"`
		}]()),
		second(takes[struct {
			N netip.Addr `jsonschema:"type=string"`
		}]()),
	} {
		require.NoError(t, err)
	}
}

func second(_ tool.Tool, err error) error { return err }

func TestRawSchema(t *testing.T) {
	t.Parallel()
	const schema = ` {"$schema":"x","type":"object", "properties":{"a":{}},"allOf":[{"required":["a"]}]}`
	raw := tool.Must(tool.NewRaw("t", "", json.RawMessage(schema), func(context.Context, json.RawMessage) (string, error) { return "", nil }))
	require.Equal(t, schema, string(raw.RawSchema()))
	copy(raw.RawSchema(), "changed")
	require.Equal(t, schema, string(raw.RawSchema()))
	require.Nil(t, tool.Tool{}.RawSchema())
	require.Nil(t, tool.Must(tool.New("t", "", func(context.Context, struct{}) (string, error) { return "", nil })).RawSchema())
}
