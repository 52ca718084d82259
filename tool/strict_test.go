package tool_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool"
)

// TestStrictForms compares the schema of a property with the strict form.
func TestStrictForms(t *testing.T) {
	t.Parallel()
	object := func(properties, required string) string {
		return `{"type":"object","properties":{` + properties + `},"required":[` + required + `],"additionalProperties":false}`
	}
	for _, tt := range []struct{ name, in, want string }{
		{"a string", `{"type":"string"}`, `{"type":"string"}`},
		{"words", `{"type":"string","minLength":1,"maxLength":9,"contentEncoding":"base64","contentMediaType":"image/png","description":"A picture","deprecated":true,"examples":["a",1]}`,
			`{"type":"string","description":"A picture. At least 1 character. At most 9 characters. Encoded in base64. Of the media type image/png. Examples: \"a\", 1. Deprecated."}`},
		{"a format", `{"type":"string","format":"uuid","pattern":"^a$"}`, `{"type":"string","format":"uuid","pattern":"^a$"}`},
		{"formats that it has not", `{"type":"string","format":"uri"}`, `{"type":"string","description":"Must be an absolute URI such as https://example.com/."}`},
		{"unknown formats", `{"type":"string","format":"colour"}`, `{"type":"string","description":"Must be of the format colour."}`},
		{"a pattern that few know", `{"type":"string","pattern":"^(?!a)b"}`, `{"type":"string","description":"Must match the regular expression ^(?!a)b ."}`},
		{"numbers", `{"type":"number","format":"double","minimum":0,"exclusiveMaximum":1,"multipleOf":0.5,"minLength":3}`, `{"type":"number","minimum":0,"exclusiveMaximum":1,"multipleOf":0.5}`},
		{"a constant", `{"const":3,"description":"Three"}`, `{"type":"integer","description":"Three","enum":[3]}`},
		{"an enum of several types", `{"enum":["a",1,"b",null,"a"]}`, `{"anyOf":[{"type":"string","enum":["a","b"]},{"type":"integer","enum":[1]},{"type":"null"}]}`},
		{"an enum and its type", `{"type":["string","null"],"enum":["a",1]}`, `{"type":"string","enum":["a"]}`},
		{"an enum of null", `{"type":["string","null"],"enum":["a",null]}`, `{"type":["string","null"],"enum":["a",null]}`},
		{"an enum of numbers", `{"type":"integer","enum":[1,1.5,2]}`, `{"type":"integer","enum":[1,2]}`},
		{"nothing but null", `{"type":"null","description":"d"}`, `{"type":"null","description":"d"}`},
		{"several types", `{"type":["string","integer","number"],"minimum":1,"pattern":"^a","description":"d"}`,
			`{"description":"d","anyOf":[{"type":"string","pattern":"^a"},{"type":"number","minimum":1}]}`},
		{"lists", `{"type":"array","items":{"type":"string","minLength":2},"minItems":1,"uniqueItems":true,"contains":{"const":"x"},"maxContains":2}`,
			`{"type":"array","description":"All items are different. Of its items at least 1 and at most 2 fit {\"const\":\"x\"}.","items":{"type":"string","description":"At least 2 characters."},"minItems":1}`},
		{"objects", `{"type":"object","properties":{"b":{"type":"string"},"a":{"type":"integer","enum":[1]},"c":false,"d":{"type":["string","null"],"default":null}},"required":["b"],"minProperties":2,"maxProperties":3,"dependentRequired":{"a":["d","b"]}}`,
			`{"type":"object","description":"Give at least 2 properties. Give at most 3 properties. a needs d, b.",` +
				`"properties":{"b":{"type":"string"},"a":{"type":["integer","null"],"enum":[1,null]},"d":{"type":["string","null"]}},"required":["b","a","d"],"additionalProperties":false}`},
		{"the type is left out", `{"properties":{"a":{"items":{"enum":["x"]}}},"required":["a"]}`, object(`"a":{"type":"array","items":{"type":"string","enum":["x"]}}`, `"a"`)},
		{"no properties", `{"type":"object","additionalProperties":false}`, object(``, ``)},
		{"not of anything", `{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":{"not":{}}}`, object(`"a":{"type":["string","null"]}`, `"a"`)},
		{"anyOf", `{"description":"d","anyOf":[{"type":"string"},{"type":"integer","description":"e"},false]}`, `{"description":"d","anyOf":[{"type":"string"},{"type":"integer","description":"e"}]}`},
		{"anyOf of one", `{"description":"d","anyOf":[{"type":"string","description":"e"}]}`, `{"type":"string","description":"d. e"}`},
		{"anyOf in anyOf", `{"anyOf":[{"anyOf":[{"type":"string"},{"type":"boolean"}]},{"type":"null"}]}`, `{"anyOf":[{"type":"string"},{"type":"boolean"},{"type":"null"}]}`},
		{"anyOf with a type beside it", `{"type":"string","anyOf":[{"format":"date"},{"type":["string","integer"],"pattern":"^a"},{"type":"integer"}]}`,
			`{"anyOf":[{"type":"string","format":"date"},{"type":"string","pattern":"^a"}]}`},
		{"anyOf of required", `{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"additionalProperties":false,"anyOf":[{"required":["a"]},{"required":["a","b"]}]}`,
			`{"type":"object","description":"Give at least one of: a; a, b.","properties":{"a":{"type":["string","null"]},"b":{"type":["string","null"]}},"required":["a","b"],"additionalProperties":false}`},
		{"oneOf by type", `{"oneOf":[{"type":"string"},{"type":"array","items":{"type":"string"}}]}`, `{"anyOf":[{"type":"string"},{"type":"array","items":{"type":"string"}}]}`},
		{"oneOf by constant", `{"oneOf":[{"const":"a"},{"enum":["b","c"]}]}`, `{"anyOf":[{"type":"string","enum":["a"]},{"type":"string","enum":["b","c"]}]}`},
		{"oneOf by a mark", `{"oneOf":[{"type":"object","properties":{"k":{"const":"a"}},"required":["k"]},{"$ref":"#/$defs/b"}]}`,
			`{"anyOf":[` + object(`"k":{"type":"string","enum":["a"]}`, `"k"`) + `,{"$ref":"#/$defs/b"}]}`},
		{"oneOf by a property that only one has", `{"oneOf":[{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false},{"type":"object","properties":{"b":{"type":"string"}},"required":["b"]}]}`,
			`{"anyOf":[` + object(`"a":{"type":"string"}`, `"a"`) + `,` + object(`"b":{"type":"string"}`, `"b"`) + `]}`},
		{"allOf of one", `{"description":"d","allOf":[{"type":"string","pattern":"^a","description":"e"}]}`, `{"type":"string","description":"d","pattern":"^a"}`},
		{"allOf of a reference", `{"type":"object","description":"d","allOf":[{"$ref":"#/$defs/b"}]}`, `{"$ref":"#/$defs/b"}`},
		{"a reference", `{"$ref":"#/$defs/b"}`, `{"$ref":"#/$defs/b"}`},
		{"a list of references", `{"type":"array","items":{"$ref":"#/$defs/b","description":"A b."}}`, `{"type":"array","description":"Each item: A b.","items":{"$ref":"#/$defs/b"}}`},
		{"a reference or null", `{"description":"d","anyOf":[{"$ref":"#/$defs/b"},{"type":"null"}]}`, `{"description":"d","anyOf":[{"$ref":"#/$defs/b"},{"type":"null"}]}`},
		{"an optional property of the one form", `{"anyOf":[{"type":"object","properties":{"a":{"type":"string"}}},{"type":"null"}]}`, `{"anyOf":[` + object(`"a":{"type":["string","null"]}`, `"a"`) + `,{"type":"null"}]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			const defs = `"$defs":{"b":{"type":"object","properties":{"k":{"const":"b"}},"required":["k"]}}`
			made, err := tool.NewRaw("x", "", json.RawMessage(`{"type":"object","properties":{"p":`+tt.in+`},"required":["p"],`+defs+`}`), echo)
			require.NoError(t, err)
			require.NoError(t, made.NotStrict())
			require.Empty(t, strictRules(made.Def().Strict))
			var strict struct{ Properties struct{ P json.RawMessage } }
			require.NoError(t, json.Unmarshal(made.Def().Strict, &strict))
			require.JSONEq(t, tt.want, string(strict.Properties.P))
		})
	}
}

type strictOrder struct {
	ID     string       `json:"id" jsonschema:"minLength=3,description=Order id"`
	Lines  []strictLine `json:"lines" jsonschema:"minItems=1"`
	When   *time.Time   `json:"when,omitempty"`
	Unit   string       `json:"unit,omitempty" jsonschema:"enum=kg,enum=lb,default=kg"`
	Parent *strictOrder `json:"parent,omitempty" jsonschema:"description=What it belongs to"`
	Host   netip.Addr   `json:"host,omitzero"`
}

type strictLine struct {
	SKU   string `json:"sku"`
	Count uint8  `json:"count,omitempty"`
}

// TestStrictTool: the whole form, in the order of the fields.
func TestStrictTool(t *testing.T) {
	t.Parallel()
	made := tool.Must(takes[strictOrder]())
	require.NoError(t, made.NotStrict())
	line := `{"type":"object","properties":{"sku":{"type":"string"},"count":{"type":["integer","null"],"minimum":0,"maximum":255}},"required":["sku","count"],"additionalProperties":false}`
	object := `{"type":"object","properties":{"id":{"type":"string","description":"Order id. At least 3 characters."},` +
		`"lines":{"type":"array","minItems":1,"items":` + line + `},` +
		`"when":{"type":["string","null"],"format":"date-time"},` +
		`"unit":{"type":["string","null"],"description":"Default: \"kg\".","enum":["kg","lb",null]},` +
		`"parent":{"description":"What it belongs to","anyOf":[{"$ref":"#/$defs/strictOrder"},{"type":"null"}]},` +
		`"host":{"type":["string","null"]}},"required":["id","lines","when","unit","parent","host"],"additionalProperties":false`
	require.Equal(t, object+`,"$defs":{"strictOrder":`+object+`}}}`, string(made.Def().Strict))

	args, _, err := made.Parse(`{"id":"abc","lines":[{"sku":"s","count":null}],"when":null,"unit":null,"parent":{"id":"def","lines":[{"sku":"s","count":1}],"when":null,"unit":null,"parent":null,"host":null},"host":null}`)
	require.NoError(t, err)
	order := strictOrder{}
	require.NoError(t, json.Unmarshal(args, &order))
	require.Equal(t, strictOrder{ID: "abc", Lines: []strictLine{{SKU: "s"}}, Parent: &strictOrder{ID: "def", Lines: []strictLine{{"s", 1}}}}, order)
}

// TestStrictTops: what stands at the top of a schema.
func TestStrictTops(t *testing.T) {
	t.Parallel()
	const empty = `{"type":"object","properties":{},"required":[],"additionalProperties":false}`
	for in, want := range map[string]string{
		``:                  empty,
		`{"type":"object"}`: empty,
		`{"$schema":"http://json-schema.org/draft-07/schema#","$ref":"#/definitions/a","definitions":{"a":{"type":"object","properties":{"b/c":{"$ref":"#/definitions/a/properties/n"},"n":{"type":"string","$comment":"c"},"up":{"$ref":"#"}},"required":["b/c","n"]}}}`:                `{"type":"object","properties":{"b/c":{"$ref":"#/$defs/n"},"n":{"type":"string"},"up":{"anyOf":[{"$ref":"#"},{"type":"null"}]}},"required":["b/c","n","up"],"additionalProperties":false,"$defs":{"n":{"type":"string"}}}`,
		`{"properties":{"a":{"type":"string"},"b":{"type":"string"}},"oneOf":[{"required":["a"]},{"required":["b"]}],"not":{"required":["a","b"]},"description":"d"}`:                                                                                                                    `{"type":"object","description":"d. Give exactly one of: a; b. Do not give together: a, b.","properties":{"a":{"type":["string","null"]},"b":{"type":["string","null"]}},"required":["a","b"],"additionalProperties":false}`,
		`{"$schema":"http://json-schema.org/draft-04/schema#","properties":{"a":{"type":"number","minimum":1,"exclusiveMinimum":true,"maximum":2,"exclusiveMaximum":false},"b":{"$ref":"#/definitions/é","minimum":7,"description":"d"}},"definitions":{"é":{"type":"integer"},"x":{}}}`: `{"type":"object","properties":{"a":{"type":["number","null"],"exclusiveMinimum":1,"maximum":2},"b":{"description":"d","anyOf":[{"$ref":"#/$defs/_"},{"type":"null"}]}},"required":["a","b"],"additionalProperties":false,"$defs":{"_":{"type":"integer"}}}`,
	} {
		made, err := tool.NewRaw("x", "", json.RawMessage(in), echo)
		require.NoError(t, err, in)
		require.NoError(t, made.NotStrict(), in)
		require.Empty(t, strictRules(made.Def().Strict), in)
		require.JSONEq(t, want, string(made.Def().Strict), in)
	}
}

// TestNotStrict: the reasons, each with the place in the schema.
func TestNotStrict(t *testing.T) {
	t.Parallel()
	p := func(schema string) string { return `{"type":"object","properties":{"p":` + schema + `}}` }
	enum := func(n, length int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"%0*d"`, length, i)
		}
		return `{"enum":[` + b.String()[1:] + `]}`
	}
	many := func(n int, schema string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"p%d":%s`, i, schema)
		}
		return `{"type":"object","properties":{` + b.String()[1:] + `}}`
	}
	for in, want := range map[string]string{
		p(`{"type":"object"}`):                                       `/properties/p: properties of any name`,
		p(`{"type":"object","additionalProperties":true}`):           `/properties/p: properties of any name (additionalProperties)`,
		`{"type":"object","additionalProperties":{"type":"string"}}`: `(top level): properties of any name (additionalProperties)`,
		p(`{"type":"object","properties":{"a":{"type":"string"}},"patternProperties":{"^x":{"type":"string"}},"additionalProperties":false}`): `/properties/p: properties of any name that fits (patternProperties)`,
		p(`{}`):                          `/properties/p: any value`,
		p(`true`):                        `/properties/p: any value`,
		p(`{"description":"d"}`):         `/properties/p: any value`,
		p(`{"type":"array"}`):            `/properties/p: a list of any values`,
		p(`{"type":"array","items":{}}`): `/properties/p/items: any value`,
		p(`{"type":"array","prefixItems":[{"type":"string"}]}`):                                                                 `/properties/p: prefixItems`,
		`{"$schema":"http://json-schema.org/draft-07/schema#","properties":{"p":{"type":"array","items":[{"type":"string"}]}}}`: `/properties/p: prefixItems`,
		p(`{"not":{"type":"string"}}`):                                                                          `/properties/p: not`,
		p(`{"type":"string","if":{"minLength":1},"then":{"maxLength":2}}`):                                      `/properties/p: if`,
		p(`{"type":"object","properties":{"a":{"type":"string"}},"dependentSchemas":{"a":{"required":["b"]}}}`): `/properties/p: dependentSchemas`,
		p(`{"type":"object","properties":{"a":{"type":"string"}},"required":["b"]}`):                            `/properties/p: requires the property "b", which it does not describe`,
		p(`{"const":{"a":1}}`):                                                                               `/properties/p: an enum of objects or lists`,
		p(`{"allOf":[{"type":"string"},{"minLength":1}]}`):                                                   `/properties/p: allOf`,
		p(`{"minLength":2,"allOf":[{"type":"string","minLength":1}]}`):                                       `/properties/p: allOf with minLength on both sides`,
		p(`{"type":"object","properties":{"a":{"type":"string"}},"allOf":[{"additionalProperties":false}]}`): `/properties/p: allOf with properties on both sides`,
		p(`{"minLength":2,"anyOf":[{"type":"string"}]}`):                                                     `/properties/p: minLength beside anyOf`,
		p(`{"oneOf":[{"type":"string"},{"type":"boolean"},{"type":"string","maxLength":3}]}`):                `/properties/p: oneOf: forms 0 and 2 do not exclude each other`,
		p(`{"oneOf":[{"type":"number"},{"type":"integer"}]}`):                                                `/properties/p: oneOf: forms 0 and 1 do not exclude each other`,
		p(`{"anyOf":[{"type":"string"},{"type":"object","properties":{"a/b":{"type":"string"}}}]}`):          `/properties/p/anyOf/1/properties/a~1b: may be left out, inside of a choice of forms, where null could not stand for that`,
		`{"properties":{"p":{"anyOf":[{"type":"string"},{"$ref":"#/$defs/d"}]}},"$defs":{"d":{"type":"object","properties":{"e":{"$ref":"#/$defs/e"}},"required":["e"]},"e":{"type":"object","properties":{"f":{"type":"string"}}}}}`: `/$defs/e/properties/f: may be left out, inside of a choice of forms, where null could not stand for that`,
		`{"type":"object","properties":{"p":{"anyOf":[{"type":"string"},{"$ref":"#"}]}}}`:                                                                    `/properties/p: may be left out, inside of a choice of forms, where null could not stand for that`,
		`{"properties":{"p":{"$ref":"#/$defs/a","minimum":1}},"$defs":{"a":{"type":"integer"}}}`:                                                             `/properties/p: minimum beside a reference`,
		`{"properties":{"p":{"$ref":"#/$defs/a"}},"$defs":{"a":{"type":"object","properties":{"b":{"$ref":"#/$defs/a"},"c":{"type":"object"}}}}}`:            `/$defs/a/properties/c: properties of any name`,
		`{"properties":{"p":{"$ref":"#/$defs/a"}},"required":["p"],"$defs":{"a":{"anyOf":[{"$ref":"#/$defs/b"},{"type":"null"}]},"b":{"$ref":"#/$defs/a"}}}`: `/$defs/a: refers to nothing but itself`,
		`{"properties":{"p":{"type":"string"}},"allOf":[{"if":{"required":["p"]}}]}`:                                                                         `(top level): allOf at the top, which the model is not shown`,
		`{"properties":{"p":{"type":"string"}},"anyOf":[{"required":["q"]}]}`:                                                                                `(top level): anyOf at the top, which the model is not shown`,
		`{"properties":{"p":{"type":"string"}},"if":{"required":["p"]}}`:                                                                                     `(top level): if`,
		"{\"properties\":{\"a\\nb\":{}}}": "/properties/a\uFFFDb: any value",
		many(11, enum(100, 1)):            `more than 1000 values in enums`,
		p(enum(251, 60)):                  `/properties/p: more than 15000 characters in 252 values of an enum`,
		many(7, enum(100, 200)):           `more than 120000 characters in names and enums`,
		nestingOf(11):                     `nested more than 10 deep`,
	} {
		name := strings.ReplaceAll(in[:min(len(in), 60)], "/", "|")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			made, err := tool.NewRaw("x", "", json.RawMessage(in), echo)
			require.NoError(t, err)
			require.EqualError(t, made.NotStrict(), `tool "x" has no strict form: `+want)
			require.Nil(t, made.Def().Strict)
			require.NotNil(t, made.Def().Schema)
		})
	}
	require.EqualError(t, tool.Must(takes[struct{ M map[string]int }]()).NotStrict(), `tool "takes" has no strict form: /properties/M: properties of any name (additionalProperties)`)
	require.Error(t, tool.Tool{}.NotStrict())
}

// TestStrictLimits: a schema just within the limits has a strict form.
func TestStrictLimits(t *testing.T) {
	t.Parallel()
	for _, in := range []string{nestingOf(10), wide(5_000), wideEnum(1_000)} {
		strict, err := tool.StrictForm(json.RawMessage(in))
		require.NoError(t, err)
		require.Empty(t, strictRules(strict))
	}
	_, err := tool.StrictForm(json.RawMessage(wide(5_001)))
	require.EqualError(t, err, "more than 5000 properties")
}

func wide(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"p%d":{"type":"string"}`, i)
	}
	return `{"type":"object","properties":{` + b.String()[1:] + `}}`
}

func wideEnum(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("," + strconv.Itoa(i))
	}
	return `{"type":"object","properties":{"p":{"enum":[` + b.String()[1:] + `]}},"required":["p"]}`
}

// TestNullOfOptionalThatTakesNull: null stays if an optional property admits null, and
// differs from the absence. So the strict form, which has null for both, would lose
// calls.
func TestNullOfOptionalThatTakesNull(t *testing.T) {
	t.Parallel()
	const defs = `"$defs":{"n":{"type":["integer","null"]}}`
	for name, p := range map[string]string{
		"a type":                 `{"type":["string","null"],"description":"null to remove, omit to keep"}`,
		"null alone":             `{"type":"null"}`,
		"an enum":                `{"enum":["a",null]}`,
		"anyOf":                  `{"anyOf":[{"type":"string"},{"type":"null"}]}`,
		"oneOf":                  `{"oneOf":[{"type":"null"},{"type":"array","items":{"type":"string"}}]}`,
		"allOf":                  `{"allOf":[{"type":["string","null"]}]}`,
		"a reference":            `{"$ref":"#/$defs/n"}`,
		"a reference to choose":  `{"anyOf":[{"type":"string"},{"$ref":"#/$defs/n"}]}`,
		"OpenAPI":                `{"type":"string","nullable":true}`,
		"a default that is none": `{"type":["string","null"],"default":"a"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const why = "/properties/a: may be left out and may be null, and the form has only null for both"
			made, err := tool.NewRaw("x", "", json.RawMessage(`{"type":"object","properties":{"a":`+p+`,"b":{"type":"string"}},`+defs+`}`), echo)
			require.NoError(t, err)
			args, _, err := made.Parse(`{"a":null,"b":null}`)
			require.NoError(t, err)
			require.Equal(t, `{"a":null}`, string(args))
			require.EqualError(t, made.NotStrict(), `tool "x" has no strict form: `+why)
			require.Nil(t, made.Def().Strict)

			inside, err := tool.NewRaw("x", "", json.RawMessage(`{"properties":{"l":{"type":"array","items":{"type":"object","properties":{"a":`+p+`}}}},`+defs+`}`), echo)
			require.NoError(t, err)
			require.EqualError(t, inside.NotStrict(), `tool "x" has no strict form: /properties/l/items`+why)

			required, err := tool.NewRaw("x", "", json.RawMessage(`{"properties":{"a":`+p+`},"required":["a"],`+defs+`}`), echo)
			require.NoError(t, err)
			require.NoError(t, required.NotStrict())

			if strings.Contains(p, `"default"`) {
				return
			}
			same, err := tool.NewRaw("x", "", json.RawMessage(`{"$ref":"#/$defs/top","$defs":{"top":{"properties":{"a":`+strings.Replace(p, "{", `{"default":null,`, 1)+`}},"n":{"type":["integer","null"]}}}`), echo)
			require.NoError(t, err)
			require.NoError(t, same.NotStrict(), "its default says that absence is null")
		})
	}
}

// asked tells null from absence.
type asked struct{ set bool }

func (a *asked) UnmarshalJSON([]byte) error { a.set = true; return nil }

// TestNullOfOptionalGoFields: a nil stands for both, but for types that are told.
func TestNullOfOptionalGoFields(t *testing.T) {
	t.Parallel()
	require.NoError(t, tool.Must(takes[struct {
		A *string    `json:"a,omitempty" jsonschema:"nullable"`
		B string     `json:"b,omitempty" jsonschema:"nullable"`
		C *chain     `json:"c,omitempty"`
		D *asked     `json:"d,omitempty" jsonschema:"type=string,nullable"`
		E *time.Time `json:"e,omitempty" jsonschema:"nullable"`
		F *asked     `json:"f" jsonschema:"type=string"`
	}]()).NotStrict())
	for _, make := range []func() (tool.Tool, error){
		takes[struct {
			In struct {
				A asked `json:"a,omitempty" jsonschema:"type=string,nullable"`
			}
		}],
		takes[struct {
			In struct {
				A json.RawMessage `json:"a,omitempty" jsonschema:"type=string,nullable"`
			}
		}],
	} {
		made, err := make()
		require.NoError(t, err)
		require.ErrorContains(t, made.NotStrict(), "field In.A: may be left out and may be null, and ")
	}
}

// TestStrictHostile: a schema from elsewhere costs little time and memory.
func TestStrictHostile(t *testing.T) {
	t.Parallel()
	var chain, forms, defs strings.Builder
	for i := range 3_000 {
		fmt.Fprintf(&chain, `"d%d":{"anyOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]},`, i, i+1, i+1)
		if i >= 2_000 {
			continue
		}
		fmt.Fprintf(&defs, `"d%d":{"type":"object","properties":{"a":{"$ref":"#/$defs/d%d"},"b":{"$ref":"#/$defs/d%d"}}},`, i, i+1, (i*7)%2_000)
	}
	for range 4_000 {
		forms.WriteString(`{"type":"string"},`)
	}
	deep := strings.Repeat(`{"type":"object","properties":{"p":{"anyOf":[`, 15) + `{"type":"string"}` + strings.Repeat(`,{"type":"null"}]}}}`, 15)
	for name, in := range map[string]string{
		"chain": `{"properties":{"p":{"$ref":"#/$defs/d0"}},"$defs":{` + chain.String() + `"d3000":{"type":"string"}}}`,
		"defs":  `{"properties":{"p":{"$ref":"#/$defs/d0"}},"$defs":{` + defs.String() + `"d2000":{"type":"string"}}}`,
		"oneOf": `{"properties":{"p":{"oneOf":[` + forms.String() + `{"type":"null"}]}}}`,
		"deep":  deep,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var strict json.RawMessage
			var why error
			took := spent(func() { strict, why = tool.StrictForm(json.RawMessage(`{"type":"object",` + in[1:])) })
			t.Logf("%d bytes to %d in %v: %v", len(in), len(strict), took, why)
			require.Less(t, took, 5*time.Second)
			require.Less(t, len(strict), 4*len(in))
		})
	}
}

// TestNotStrictUnchecked: a schema that is not understood has no strict form.
func TestNotStrictUnchecked(t *testing.T) {
	t.Parallel()
	made, err := tool.NewRaw("x", "", json.RawMessage(`{"properties":{"a":{"type":"dict","title":3,"default":1,"items":7,"anyOf":{"x":[]},"description":[]}}}`), echo, tool.AllowUnchecked())
	require.NoError(t, err)
	require.EqualError(t, made.NotStrict(), `tool "x" has no strict form: its schema cannot be checked here`)
	require.Nil(t, made.Def().Strict)
}

type chain struct {
	Next *chain `json:"next,omitempty"`
}
