package sample_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/mutant"
	"github.com/seed-916e8f6a/toolloop/runner/runnertest/internal/sample"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// node is a type that holds itself.
type node struct {
	Name     string  `json:"name"`
	Children []node  `json:"children,omitempty"`
	Next     *node   `json:"next,omitempty"`
	Weights  []int8  `json:"weights"`
	Parent   *parent `json:"parent"`
}

type parent struct {
	Of *node `json:"of"`
}

type embedded struct {
	Page int `json:"page" jsonschema:"minimum=1,maximum=9"`
}

// every has what of Go a schema can express.
type every struct {
	embedded
	Text     string              `json:"text" jsonschema:"minLength=3,maxLength=9"`
	Code     string              `json:"code" jsonschema:"pattern=^[A-Z]{2}-[0-9]+$"`
	Choice   string              `json:"choice" jsonschema:"enum=a,enum=b\\,c"`
	Mail     string              `json:"mail" jsonschema:"format=email"`
	Day      string              `json:"day,omitempty" jsonschema:"format=date"`
	Small    uint8               `json:"small"`
	Signed   int16               `json:"signed"`
	Large    int64               `json:"large"`
	Odd      int                 `json:"odd" jsonschema:"multipleOf=7,minimum=-20"`
	Price    float64             `json:"price" jsonschema:"minimum=0,exclusiveMaximum=0.5"`
	Ratio    float32             `json:"ratio"`
	Yes      bool                `json:"yes,omitempty"`
	Pointer  *int                `json:"pointer"`
	When     time.Time           `json:"when"`
	Long     time.Duration       `json:"long"`
	Bytes    []byte              `json:"bytes" jsonschema:"minLength=5,maxLength=9"`
	Raw      json.RawMessage     `json:"raw"`
	Number   json.Number         `json:"number"`
	Any      any                 `json:"any"`
	Three    [3]string           `json:"three"`
	Set      []string            `json:"set" jsonschema:"minItems=2,maxItems=4,uniqueItems=true,enum=x,enum=y,enum=z,enum=w"`
	Names    map[string]int      `json:"names"`
	Numbered map[uint8]string    `json:"numbered,omitempty"`
	Free     map[string]any      `json:"free,omitempty"`
	Matrix   [][]float64         `json:"matrix"`
	Quoted   int64               `json:"quoted,string"`
	Address  netip.Addr          `json:"address" jsonschema:"example=192.0.2.7,example=2001:db8::7"`
	Fraction *big.Rat            `json:"fraction,omitempty" jsonschema:"example=1/3"`
	Maybe    *struct{ A, B int } `json:"maybe,omitempty" jsonschema:"nullable"`
}

func noted[In any](t testing.TB) tool.Tool {
	t.Helper()
	made, err := tool.New("noted", "Takes notes.", func(context.Context, In) (string, error) { return "", nil })
	require.NoError(t, err)
	return made
}

// TestTyped: what is made from the schema that a model is shown is what the
// tool takes, for a thousand seeds of each type.
func TestTyped(t *testing.T) {
	t.Parallel()
	for name, made := range map[string]tool.Tool{
		"every": noted[every](t), "node": noted[node](t), "nothing": noted[struct{}](t),
		"map": noted[map[string][]bool](t), "map of itself": noted[map[string]node](t),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireTaken(t, made, seeds())
		})
	}
}

// seeds is how many documents are made of a schema.
func seeds() uint64 {
	if raced {
		return 60 // what takes a second takes ten with the race detector
	}
	return 1000
}

// requireTaken makes that many documents. Some are made twice, to the same.
func requireTaken(t *testing.T, made tool.Tool, many uint64) {
	t.Helper()
	schema := made.Def().Schema
	check := sample.Check(schema)
	document := func(seed uint64) (json.RawMessage, error) { return sample.Document(seed, "noted", schema, check) }
	different := map[string]bool{}
	for seed := range many {
		doc, err := document(seed)
		require.NoError(t, err, "seed %d", seed)
		require.NoError(t, sample.Accept(made, string(doc)), "seed %d: %s", seed, doc)
		if seed%20 == 0 {
			again, err := document(seed)
			require.NoError(t, err)
			require.Equal(t, string(doc), string(again), "seed %d", seed)
		}
		different[string(doc)] = true
	}
	t.Logf("%d different documents", len(different))
}

// rawSchemas are schemas of one property.
var rawSchemas = []struct{ name, property string }{
	{"const", `{"const":{"a":[1]}}`},
	{"enum of a type", `{"type":"integer","enum":["a",1,2.5,2]}`},
	{"types", `{"type":["string","null","integer"],"minimum":4,"minLength":2}`},
	{"no type", `{"minLength":7}`},
	{"true", `true`},
	{"any of", `{"anyOf":[{"type":"string","maxLength":1},{"type":"number","multipleOf":0.25}]}`},
	{"one of", `{"oneOf":[{"type":"integer","multipleOf":3},{"type":"integer","multipleOf":5}]}`},
	{"both unions", `{"anyOf":[{"minimum":3},{"minimum":90}],"oneOf":[{"type":"integer","maximum":91},{"type":"string"}]}`},
	{"all of", `{"allOf":[{"type":"number","minimum":1},{"type":"integer","maximum":3},{"multipleOf":2}]}`},
	{"all of objects", `{"type":"object","allOf":[{"required":["a"],"properties":{"a":{"type":"string"}}},{"properties":{"a":{"minLength":5},"b":{"type":"null"}}}]}`},
	{"patterns", `{"type":"string","allOf":[{"pattern":"^a"},{"pattern":"z$"},{"pattern":"^[a-z]{3,9}$"}]}`},
	{"not", `{"type":"integer","minimum":0,"maximum":3,"not":{"enum":[1,2]}}`},
	{"if", `{"type":"object","required":["kind"],"properties":{"kind":{"enum":["card","cash"]},"number":{"type":"string"}},
			"if":{"properties":{"kind":{"const":"card"}}},"then":{"required":["number"]},"else":{"properties":{"number":false}}}`},
	{"false property", `{"type":"object","properties":{"never":false,"a":true},"required":["a"]}`},
	{"tuple", `{"type":"array","prefixItems":[{"type":"string"},{"type":"integer"}],"items":false,"minItems":1}`},
	{"open tuple", `{"type":"array","prefixItems":[{"type":"string"}],"items":{"type":"boolean"},"minItems":3,"maxItems":3}`},
	{"contains", `{"type":"array","items":{"type":"integer"},"contains":{"minimum":1000},"minContains":2,"maxItems":4}`},
	{"unique objects", `{"type":"array","minItems":3,"uniqueItems":true,"items":{"type":"object","required":["n"],"properties":{"n":{"type":"integer"}}}}`},
	{"unique of two", `{"type":"array","uniqueItems":true,"items":{"type":"boolean"},"maxItems":9}`},
	{"pattern properties", `{"type":"object","patternProperties":{"^x-[a-c]+$":{"type":"integer"},"^y":false},"additionalProperties":false,"minProperties":2}`},
	{"property names", `{"type":"object","propertyNames":{"pattern":"^[a-z]{4}$"},"additionalProperties":{"type":"string"},"minProperties":1,"maxProperties":2}`},
	{"additional", `{"type":"object","properties":{"1":{"type":"string"}},"additionalProperties":{"type":"boolean"},"minProperties":3}`},
	{"needed and not named", `{"type":"object","required":["a/b~"],"additionalProperties":{"type":"integer"}}`},
	{"dependent", `{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"},"c":{"type":"integer"}},"dependentRequired":{"a":["b"],"b":["c"]}}`},
	{"bounds", `{"type":"number","exclusiveMinimum":0,"exclusiveMaximum":0.001}`},
	{"one number", `{"type":"number","minimum":0.125,"maximum":0.125}`},
	{"multiple", `{"type":"integer","multipleOf":2.5,"minimum":-7,"maximum":21}`},
	{"below", `{"type":"integer","exclusiveMaximum":-9223372036854775807}`},
	{"huge", `{"type":"integer","minimum":-1e30,"maximum":1e300}`},
	{"int64", `{"type":"integer","minimum":-9223372036854775808,"maximum":9223372036854775807}`},
	{"length", `{"type":"string","minLength":300,"maxLength":300}`},
	{"no length", `{"type":"string","maxLength":0}`},
	{"pattern and length", `{"type":"string","pattern":"^[a-f]+$","minLength":40,"maxLength":44}`},
	{"open pattern and length", `{"type":"string","pattern":"[0-9]{3}","minLength":20}`},
	{"hard pattern", `{"type":"string","pattern":"^(?i:ab)?(x|[^a-z]|\\d{2,}|\\u00e9|.)\\w*\\.(com|org)$"}`},
	{"a pattern that Go lacks", `{"type":"string","pattern":"^(?=a)a+$"}`},
	{"base64", `{"type":"string","contentEncoding":"base64","minLength":9,"maxLength":13}`},
	{"format and pattern", `{"type":"string","format":"uri","pattern":"^ftp://[a-z]+/$"}`},
	{"examples", `{"type":"string","examples":["W1","W2"],"pattern":"^W[0-9]$"}`},
	{"examples that do not fit", `{"type":"string","examples":["none"],"pattern":"^W[0-9]$"}`},
	{"reference", `{"$ref":"#/$defs/a~1b"}`},
	{"reference to the name", `{"$ref":"#named"}`},
	{"expression", `{"$ref":"#/$defs/expression"}`},
	{"bushy", `{"$ref":"#/$defs/bush"}`},
	{"description and reference", `{"description":"A place.","$ref":"#/$defs/a~1b","required":["lon"]}`},
}

// around makes the schema of a tool with one property.
func around(property string) json.RawMessage {
	return json.RawMessage(`{"type":"object","properties":{"it":` + property + `},"required":["it"],"$defs":{
				"a/b":{"type":"object","properties":{"lat":{"type":"number"},"lon":{"type":"number"}}},
				"n":{"$anchor":"named","type":"integer"},
				"expression":{"oneOf":[{"type":"number"},{"type":"object","required":["op","left","right"],"additionalProperties":false,
					"properties":{"op":{"enum":["+","-"]},"left":{"$ref":"#/$defs/expression"},"right":{"$ref":"#/$defs/expression"}}}]},
				"bush":{"type":"object","required":["branches"],"properties":{"branches":{"type":"array","items":{"$ref":"#/$defs/bush"}}}}
			}}`)
}

// TestRawSchemas: the same for what only a written schema says, for 250 seeds.
func TestRawSchemas(t *testing.T) {
	t.Parallel()
	for _, tt := range rawSchemas {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			made, err := tool.NewRaw("noted", "", around(tt.property), func(context.Context, json.RawMessage) (string, error) { return "", nil })
			require.NoError(t, err)
			requireTaken(t, made, seeds()/4)
		})
	}
}

// doubling defines schemas of which each says twice what the next says.
func doubling(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"d%d":{"allOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]},`, i, i+1, i+1)
	}
	return b.String() + fmt.Sprintf(`"d%d":true,`, n)
}

// TestUnfit: what nothing fits is an error that says where.
func TestUnfit(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, property, want string }{
		{"false", `false`, "/it: its schema is false: nothing fits"},
		{"bounds", `{"type":"integer","minimum":3,"maximum":2}`, "/it: no number lies between its bounds"},
		{"third", `{"type":"integer","minimum":3.1,"maximum":3.9}`, "/it: no number lies between its bounds"},
		{"deep", `{"type":"array","minItems":1,"items":{"type":"object","required":["a/b"],"properties":{"a/b":{"type":"string","minLength":3,"maxLength":2}}}}`,
			"/it/0/a~1b: it has at least 3 characters and at most 2"},
		{"pattern", `{"type":"string","pattern":"^[a-z]{5}$","maxLength":4}`, "/it: no text was found that fits its pattern, maxLength"},
		{"endless", `{"$ref":"#/$defs/endless"}`, "no end was found: the schema holds itself"},
		{"circle", `{"$ref":"#/$defs/circle"}`, "/it: its references lead in a circle"},
		{"nowhere", `{"$ref":"#/$defs/none"}`, `/it: its reference "#/$defs/none" leads nowhere`},
		{"outside", `{"$ref":"https://example.com/x"}`, `/it: its reference "https://example.com/x" leads out of the schema`},
		{"types", `{"type":"string","allOf":[{"type":"integer"}]}`, "/it: its types exclude each other"},
		{"unique", `{"type":"array","minItems":3,"uniqueItems":true,"items":{"type":"boolean"}}`, "/it/2: no further item was found that differs from the others"},
		{"doubling", `{"$ref":"#/$defs/d0"}`, "no end was found: the schema holds itself"},
		{"forking", `{"$ref":"#/$defs/fork"}`, "no end was found: the schema holds itself"},
		{"many", `{"type":"array","minItems":1000000,"items":{"type":"boolean"}}`, "no end was found: the schema holds itself"},
		{"long", `{"type":"string","minLength":1000000,"pattern":"^a$"}`, "/it: a text of 1000000 characters is too long to make"},
		{"branches", `{"anyOf":[{"type":"integer","minimum":3,"maximum":2}]}`, "/it: no number lies between its bounds"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := sample.Document(1, "noted", json.RawMessage(`{"type":"object","properties":{"it":`+tt.property+`},"required":["it"],"$defs":{
				"endless":{"type":"object","required":["in"],"properties":{"in":{"$ref":"#/$defs/endless"}}},
				"fork":{"oneOf":[{"$ref":"#/$defs/forked"},{"$ref":"#/$defs/forked"}]},
				"forked":{"type":"object","required":["in"],"properties":{"in":{"$ref":"#/$defs/fork"}}},
				`+doubling(20)+`
				"circle":{"$ref":"#/$defs/circle"}}}`), func(string) error { return nil })
			require.ErrorContains(t, err, tt.want)
			require.ErrorContains(t, err, "nothing that fits its schema was found in 50 tries; the last: ")
		})
	}
}

// FuzzDocument: whatever a schema says, the generator ends, and what it makes
// is JSON that a tool of this schema takes.
func FuzzDocument(f *testing.F) {
	var seeds [][]byte
	for _, s := range rawSchemas {
		seeds = append(seeds, around(s.property))
	}
	for _, seed := range append(seeds, mutant.Of(seeds, 300)...) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, schema []byte) {
		made, err := tool.NewRaw("noted", "", schema, func(context.Context, json.RawMessage) (string, error) { return "", nil })
		if err != nil {
			return
		}
		doc, err := sample.Document(1, "noted", made.Def().Schema, sample.Check(made.Def().Schema))
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		require.True(t, json.Valid(doc))
	})
}

// TestOrderdesk: the tools of a shop, for a thousand seeds.
func TestOrderdesk(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("TOOLLOOP_ORDERDESK")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "..", "shared", "orderdesk")
	}
	data, err := os.ReadFile(filepath.Join(dir, "tools.json"))
	if err != nil {
		if os.Getenv("TOOLLOOP_REQUIRE_SHARED") != "" {
			t.Fatalf("no order desk, and TOOLLOOP_REQUIRE_SHARED is set: %v", err)
		}
		t.Skipf("skipped: no order desk in %s; TOOLLOOP_ORDERDESK names another directory", dir)
	}
	var defs []struct {
		Name       string
		Parameters json.RawMessage
	}
	require.NoError(t, json.Unmarshal(data, &defs))
	require.NotEmpty(t, defs)
	for _, def := range defs {
		t.Run(def.Name, func(t *testing.T) {
			t.Parallel()
			made, err := tool.NewRaw(def.Name, "", def.Parameters, func(context.Context, json.RawMessage) (string, error) { return "", nil })
			require.NoError(t, err)
			requireTaken(t, made, seeds())
		})
	}
}
