package demo_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/examples/internal/demo"
	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/tool"
)

// Arguments of many kinds of tools.
type (
	meeting struct {
		Title  string     `json:"title" jsonschema:"minLength=3,maxLength=12"`
		Starts time.Time  `json:"starts"`
		Ends   *time.Time `json:"ends"`
		Remind *time.Time `json:"remind,omitempty"`
		Length time.Duration
	}
	contact struct {
		Mail   string     `json:"mail" jsonschema:"format=email"`
		Site   string     `json:"site" jsonschema:"format=uri"`
		ID     string     `json:"id" jsonschema:"format=uuid"`
		Host   string     `json:"host" jsonschema:"format=ipv4"`
		Addr   netip.Addr `json:"ip"`
		Born   string     `json:"born" jsonschema:"format=date"`
		Wakes  string     `json:"wakes" jsonschema:"format=time"`
		Sleeps string     `json:"sleeps" jsonschema:"format=duration"`
	}
	lists struct {
		Tags   []string    `json:"tags" jsonschema:"minItems=2,maxItems=3,uniqueItems=true"`
		Points [3]float32  `json:"points"`
		Days   []string    `json:"days" jsonschema:"enum=mon,enum=tue,enum=wed,minItems=2,uniqueItems=true"`
		Times  []time.Time `json:"times" jsonschema:"minItems=2,uniqueItems=true"`
		Grid   [][]int     `json:"grid" jsonschema:"minItems=2"`
		Some   []int       `json:"some,omitempty" jsonschema:"minItems=4"`
	}
	numbers struct {
		Small  int8        `json:"small"`
		Byte   uint8       `json:"byte"`
		Share  float64     `json:"share" jsonschema:"exclusiveMinimum=0,exclusiveMaximum=0.1"`
		Price  float64     `json:"price" jsonschema:"multipleOf=0.05,minimum=0.97"`
		Even   int         `json:"even" jsonschema:"multipleOf=2,exclusiveMinimum=2"`
		Below  int         `json:"below" jsonschema:"exclusiveMaximum=-3"`
		Quoted int64       `json:"quoted,string"`
		Exact  json.Number `json:"exact"`
		Narrow int         `json:"narrow" jsonschema:"minimum=7,maximum=7"`
	}
	texts struct {
		SKU   string `json:"sku" jsonschema:"pattern=^[A-Z]{3}-[0-9]{4}$"`
		Slug  string `json:"slug" jsonschema:"pattern=^[a-z0-9]+(-[a-z0-9]+)*$,minLength=9"`
		Digit string `json:"digit" jsonschema:"pattern=^(\\d|x)$"`
		Short string `json:"short" jsonschema:"maxLength=1"`
		Long  string `json:"long" jsonschema:"minLength=200"`
		Empty string `json:"empty" jsonschema:"maxLength=0"`
		Blob  []byte `json:"blob"`
		Any   any    `json:"any"`
	}
	address struct {
		Street string `json:"street"`
		Zip    string `json:"zip" jsonschema:"pattern=^[0-9]{5}$"`
	}
	line struct {
		SKU      string `json:"sku"`
		Quantity int    `json:"quantity" jsonschema:"minimum=1"`
	}
	purchase struct {
		Customer string            `json:"customer"`
		Lines    []line            `json:"lines" jsonschema:"minItems=1,uniqueItems=true"`
		To       *address          `json:"to"`
		Bill     *address          `json:"bill,omitempty"`
		Labels   map[string]string `json:"labels"`
		Counts   map[string]int    `json:"counts"`
		Places   map[int]address   `json:"places"`
		Color    string            `json:"color" jsonschema:"enum=red,enum=blue"`
		Size     int               `json:"size" jsonschema:"enum=38,enum=40"`
		Gift     bool              `json:"gift"`
	}
	tree struct {
		Value    int             `json:"value"`
		Next     *tree           `json:"next"`
		Children []tree          `json:"children"`
		ByName   map[string]tree `json:"by_name"`
	}
	forest struct {
		Best  tree   `json:"best"`
		Trees []tree `json:"trees" jsonschema:"minItems=2"`
	}
	ping struct {
		Pong *pong `json:"pong"`
		Name string
	}
	pong struct {
		Pings []ping    `json:"pings"`
		At    time.Time `json:"at"`
	}
	optional struct {
		City  string    `json:"city,omitempty"`
		Since time.Time `json:"since,omitzero"`
		Limit int       `json:"limit,omitempty" jsonschema:"minimum=1"`
	}
)

// rich returns a tool for each type.
func rich() []tool.Tool {
	return []tool.Tool{
		returns[meeting]("meeting", "", ""), returns[contact]("contact", "", ""), returns[lists]("lists", "", ""),
		returns[numbers]("numbers", "", ""), returns[texts]("texts", "", ""), returns[purchase]("purchase", "", ""),
		returns[tree]("tree", "", ""), returns[forest]("forest", "", ""), returns[ping]("ping", "", ""),
		returns[pong]("pong", "", ""), returns[optional]("optional", "", ""), returns[none]("none", "", ""),
		returns[map[string]int]("map", "", ""), returns[*address]("address", "", ""), returns[paint]("paint", "", ""),
	}
}

// raw returns tools of hand-written schemas. The draft validates the formats of
// strings.
func raw() []tool.Tool {
	var all []tool.Tool
	for name, members := range map[string]string{
		"const":        `"properties":{"kind":{"const":"x"},"n":{"const":7}},"required":["kind","n"]`,
		"null":         `"properties":{"a":{"anyOf":[{"type":"null"},{"type":"string","format":"date-time"}]},"b":{"oneOf":[{"type":"integer","minimum":5},{"type":"null"}]},"c":{"type":["null","number"]},"d":{"type":"null"}},"required":["a","b","c","d"]`,
		"union":        `"properties":{"who":{"oneOf":[{"type":"object","properties":{"kind":{"const":"id"},"id":{"type":"integer"}},"required":["kind","id"]},{"type":"object","properties":{"kind":{"const":"name"},"name":{"type":"string"}},"required":["kind","name"]}]},"what":{"anyOf":[{"type":"array","items":{"type":"string"},"minItems":1},{"type":"string"}]}},"required":["who","what"]`,
		"scalars":      `"properties":{"v":{"anyOf":[{"type":"integer","maximum":0},{"type":"string","maxLength":2}]}},"required":["v"]`,
		"overlapping":  `"properties":{"v":{"oneOf":[{"type":"integer","maximum":5},{"type":"number","minimum":1}]}},"required":["v"]`,
		"defs":         `"properties":{"a":{"$ref":"#/$defs/A"},"as":{"type":"array","items":{"$ref":"#/$defs/A"},"minItems":2}},"required":["a","as"],"$defs":{"A":{"type":"object","properties":{"at":{"$ref":"#/definitions/T"}},"required":["at"]}},"definitions":{"T":{"type":"string","format":"date-time"}}`,
		"self":         `"properties":{"name":{"type":"string"},"parent":{"anyOf":[{"$ref":"#"},{"type":"null"}]},"parts":{"type":"array","items":{"$ref":"#"}}},"required":["name","parent","parts"]`,
		"mutual":       `"properties":{"a":{"$ref":"#/$defs/A"}},"required":["a"],"$defs":{"A":{"type":"object","properties":{"b":{"$ref":"#/$defs/B"}},"required":["b"]},"B":{"type":"object","properties":{"a":{"oneOf":[{"$ref":"#/$defs/A"},{"type":"boolean"}]}},"required":["a"]}}`,
		"all of":       `"properties":{"a":{"allOf":[{"type":"object","properties":{"x":{"type":"string"}},"required":["x"]},{"properties":{"y":{"type":"integer","minimum":3}},"required":["y"]},{"properties":{"z":{"type":"string","format":"ipv6"}},"required":["z"]}]}},"required":["a"]`,
		"any of keys":  `"properties":{"by":{"type":"object","properties":{"id":{"type":"integer"},"name":{"type":"string"}},"anyOf":[{"required":["id"]},{"required":["name"]}]}},"required":["by"]`,
		"tuple":        `"properties":{"t":{"type":"array","items":[{"type":"string"},{"type":"integer"}],"minItems":2,"maxItems":2}},"required":["t"]`,
		"names":        `"properties":{"m":{"type":"object","minProperties":2,"propertyNames":{"pattern":"^[a-z]+$"},"additionalProperties":{"type":"integer"}}},"required":["m"]`,
		"free":         `"properties":{"a":true,"b":{},"c":{"type":"array","minItems":2},"d":{"type":"object","minProperties":1},"e":{"enum":[{"x":1},[2]]}},"required":["a","b","c","d","e","f"]`,
		"few":          `"properties":{"a":{"type":"string"},"b":{"type":"integer"}},"minProperties":2`,
		"fallback":     `"properties":{"p":{"type":"string","pattern":"^(?=.*x)y$","examples":["yx"]},"q":{"type":"string","pattern":"^(?!a)","default":"b"}},"required":["p","q"]`,
		"formats":      `"properties":{"a":{"type":"string","format":"hostname"},"b":{"type":"string","format":"json-pointer"},"c":{"type":"string","format":"uri-reference"},"d":{"type":"string","format":"duration"},"e":{"type":"string","format":"regex"}},"required":["a","b","c","d","e"]`,
		"impossible":   `"properties":{"a":{"type":"array","items":{"type":"boolean"},"maxItems":5,"uniqueItems":true,"minItems":2}},"required":["a"]`,
		"nowhere":      `"properties":{"a":{"$ref":"#/$defs/B"}},"$defs":{"A":{}}`,
		"large":        `"properties":{"n":{"type":"integer","minimum":9007199254740993,"maximum":9007199254740993}},"required":["n"]`,
		"no types":     `"properties":{"a":{"minimum":4},"b":{"maxLength":3},"c":{"properties":{"d":{"type":"boolean"}},"required":["d"]},"e":{"items":{"type":"integer"},"minItems":1}},"required":["a","b","c","e"]`,
		"odd keywords": `"properties":{"a":{"type":"string","minLength":"x","pattern":7},"b":{"type":"strange"}},"required":"a"`,
	} {
		t, err := tool.NewRaw("raw", name, json.RawMessage(`{"$schema":"http://json-schema.org/draft-07/schema#","type":"object",`+members+`}`),
			func(context.Context, json.RawMessage) (string, error) { return "", nil })
		if err == nil { // "odd keywords" is an invalid schema
			all = append(all, t)
		}
	}
	return all
}

var questions = []string{
	"Hello.",
	"",
	"Order 3 Bolts and 2 Nuts for Ada from 2026-03-01T10:00:00+02:00 to 2026-03-02, blue and red, size 40, on mon or wed.",
	"Mail ada@example.org and see https://example.org/a?b=c, 10.0.0.1 and 123e4567-e89b-12d3-a456-426614174000 at 12:30.",
	`Is "x" in 2026-13-45T99:99:99Z or 999.999.999.999 or -1000000000000 or 12345678901234567890 or 0.07?`,
	"东京和上海的天气怎么样？ Größe 5 für Zürich & <Öl> \x00",
	"SKU ABC-1234 to zip 12345, 1 1 1 1 1 1 1 1 1 1 1 1, New York, Lisbon, Nairobi, Oslo, Paris, Rome, Berlin, Madrid and Bern",
}

// TestFit: every tool accepts the arguments of the provider.
func TestFit(t *testing.T) {
	t.Parallel()
	for _, tl := range append(rich(), raw()...) {
		for _, question := range questions {
			calls := reply(t, question, llm.ToolRequired, tl)
			require.NotEmpty(t, calls)
			for i, c := range calls {
				_, _, err := tl.Parse(c.Arguments)
				require.NoError(t, err, "%q: %s %s: %s\n%s", question, tl.Name(), tl.Def().Description, c.Arguments, tl.Def().Schema)
				require.NotContains(t, calls[:i], c)
			}
		}
	}
}

func reply(t *testing.T, question string, choice llm.ToolChoice, tools ...tool.Tool) []llm.ToolCall {
	t.Helper()
	req := &llm.Request{Messages: []llm.Message{llm.User(question)}, Settings: llm.Settings{ToolChoice: choice}}
	for _, tl := range tools {
		req.Tools = append(req.Tools, tl.Def())
	}
	resp, err := demo.Reply(t.Context(), req)
	require.NoError(t, err)
	return resp.Message.Calls()
}

// TestLarge: a schema that unfolds without end takes little time.
func TestLarge(t *testing.T) {
	t.Parallel()
	defs := map[string]any{}
	for i := range 30 {
		next := map[string]string{"$ref": fmt.Sprintf("#/$defs/%d", i+1)}
		defs[fmt.Sprint(i)] = map[string]any{
			"type": "object", "required": []string{"a", "b"},
			"properties": map[string]any{"a": next, "b": map[string]any{"anyOf": []any{next, next}}},
		}
	}
	defs["30"] = map[string]string{"type": "string"}
	schema, err := json.Marshal(map[string]any{"type": "object", "properties": map[string]any{"v": map[string]string{"$ref": "#/$defs/0"}}, "$defs": defs})
	require.NoError(t, err)
	req := &llm.Request{
		Messages: []llm.Message{llm.User("Hello.")}, Tools: []llm.ToolDef{{Name: "large", Schema: schema}},
		Settings: llm.Settings{ToolChoice: llm.ToolRequired},
	}
	resp, err := demo.Reply(t.Context(), req)
	require.NoError(t, err)
	require.Equal(t, "{}", resp.Message.Calls()[0].Arguments)
}

// TestFormsFit: final answers fit their schemas.
func TestFormsFit(t *testing.T) {
	t.Parallel()
	for _, tl := range append(rich(), raw()...) {
		for _, question := range questions {
			req := &llm.Request{Messages: []llm.Message{llm.User(question)}, Output: &llm.OutputFormat{Schema: tl.Def().Schema}}
			resp, err := demo.Reply(t.Context(), req)
			require.NoError(t, err)
			_, _, err = tl.Parse(resp.Message.Text())
			require.NoError(t, err, "%q: %s", question, resp.Message.Text())
		}
	}
}

// TestAmong: a choice among tools holds, and "required" holds inside the choice.
func TestAmong(t *testing.T) {
	t.Parallel()
	first := returns[none]("first", "Counts apples.", 1)
	second := returns[none]("second", "Counts pears.", 2)
	names := func(question string, choice llm.ToolChoice) (names []string) {
		for _, c := range reply(t, question, choice, first, second) {
			names = append(names, c.Name)
		}
		return names
	}
	require.Equal(t, []string{"first", "second"}, names("Count the apples and pears.", llm.ToolAuto))
	require.Equal(t, []string{"second"}, names("Count the apples and pears.", llm.ToolAmong(llm.ToolAuto, "second")))
	require.Empty(t, names("Hello.", llm.ToolAmong(llm.ToolAuto, "second")))
	require.Equal(t, []string{"second"}, names("Hello.", llm.ToolAmong(llm.ToolRequired, "second")))
}
