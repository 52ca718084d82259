package tool_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool"
)

// bombs are schemas that a hundred bytes of arguments keep busy for hours.
func bombs() map[string]string {
	chain := `"d0":{"type":"string"}`
	for i := 1; i <= 40; i++ {
		chain += fmt.Sprintf(`,"d%d":{"allOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]}`, i, i-1, i-1)
	}
	either := `{"anyOf":[{"type":"array","items":{"$ref":"#/$defs/n"}},{"type":"array","items":{"$ref":"#/$defs/n"},"minItems":1},{"type":"string"}]}`
	twice := `{"type":"array","items":{"$ref":"#/$defs/n"},"contains":{"$ref":"#/$defs/n"}}`
	return map[string]string{
		"anyOf": `{"properties":{"a":{"$ref":"#/$defs/n"}},"$defs":{"n":` + either + `}}`,
		"draft-07": `{"$schema":"http://json-schema.org/draft-07/schema#","properties":{"a":{"$ref":"#/definitions/n"}},"definitions":{"n":` +
			strings.ReplaceAll(either, "$defs", "definitions") + `}}`,
		"allOf":    `{"properties":{"a":{"$ref":"#/$defs/d40"}},"$defs":{` + chain + `}}`,
		"not":      `{"properties":{"a":{"not":{"$ref":"#/$defs/n"}}},"$defs":{"n":` + twice + `}}`,
		"optional": `{"properties":{"a":{"not":{"$ref":"#/$defs/d40"}},"n":{"$ref":"#/$defs/d40"}},"$defs":{` + strings.ReplaceAll(chain, `"string"`, `["string","null"]`) + `}}`,
	}
}

func TestLargeArgumentsAreNotTooComplex(t *testing.T) {
	order := `{"id":"#W%","placed":"2024-01-31","customer":{"name":"Ann","email":"ann@example.com"},"note":null,"items":[{"sku":"a-1","count":2},{"sku":"b-2","count":1}]}`
	maybe := func(schema string) string { return `{"anyOf":[` + schema + `,{"type":"null"}]}` }
	tests := []struct{ name, schema, args string }{
		{"1,000 orders", `{"properties":{"orders":{"type":"array","items":{"$ref":"#/$defs/order"}}},"$defs":{
			"order":{"type":"object","properties":{"id":{"type":"string","pattern":"^#W[0-9]{5}$"},"placed":{"type":"string","format":"date"},
				"customer":{"$ref":"#/$defs/customer"},"note":` + maybe(`{"type":"string"}`) + `,
				"items":{"type":"array","minItems":1,"items":{"$ref":"#/$defs/item"}}},"required":["id","items"],"additionalProperties":false},
			"customer":{"type":"object","properties":{"name":` + maybe(`{"type":"string"}`) + `,"email":` + maybe(`{"type":"string","pattern":"^[^@ ]+@[^@ ]+$"}`) + `}},
			"item":{"type":"object","properties":{"sku":{"type":"string"},"count":{"type":"integer","minimum":1}},"required":["sku","count"]}}}`,
			`{"orders":[` + many(order, 1000) + `]}`},
		{"96,000 values in rows", `{"properties": {"rows": {"type": "array", "items": {"$ref": "#/$defs/row"}}},
			"$defs": {
				"row": {"allOf": [{"$ref": "#/$defs/id"}, {"properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}]},
				"id": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}
			}}`, `{"rows":[` + many(`{"id":1,"a":null,"b":"x","c":[true]}`, 16_000) + `]}`},
		{"99,000 unique integers", `{"properties":{"l":{"type":"array","uniqueItems":true,"items":{"type":"integer"}}}}`, `{"l":[` + many(`1%`, 99_000) + `]}`},
		{"30,000 unique objects", `{"properties":{"l":{"type":"array","uniqueItems":true}}}`, `{"l":[` + many(`{"a":"x","b":1%}`, 30_000) + `]}`},
		{"90,000 of 1,000 allowed words", `{"properties":{"l":{"items":{"enum":[` + many(`"v%"`, 1000) + `]}}}}`, `{"l":[` + strings.Repeat(`"v00999",`, 90_000) + `"v00000"]}`},
		{"10,000 optional texts", `{"properties":{"l":{"items":` + maybe(`{"type":"string","pattern":"^[a-z]+@[a-z.]+$"}`) + `}}}`, `{"l":[` + many(`"ann@mail.example.com"`, 10_000) + `]}`},
		{"a long text", `{"properties":{"a":{"type":"string","minLength":1,"pattern":"\\S"}}}`, `{"a":"` + strings.Repeat("text ", 200_000) + `"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := tool.Must(tool.NewRaw("x", "", json.RawMessage(tt.schema), echo))
			allocated, took := cost(func() {
				_, repairs, err := x.Parse(tt.args)
				require.NoError(t, err)
				require.Empty(t, repairs)
			})
			t.Logf("%d bytes: %v, %d MB", len(tt.args), took, allocated>>20)
			require.Less(t, took, aSecond)
		})
	}
}

func TestManyCallsOfOneRawTool(t *testing.T) {
	x := tool.Must(tool.NewRaw("x", "", json.RawMessage(bombs()["anyOf"]), echo))
	var calls sync.WaitGroup
	for i := range 10_000 {
		calls.Go(func() {
			_, _, err := x.Parse(`{"a":[["x"],[]]}`)
			require.NoError(t, err)
			if i%1000 == 0 {
				_, _, err = x.Parse(`{"a":` + strings.Repeat("[", 60) + "1" + strings.Repeat("]", 60) + `}`)
				require.ErrorContains(t, err, "too long to check")
			}
		})
	}
	calls.Wait()
}

// Sequential calls need only one copy of the schema. A second copy would cost each of
// the first calls a compilation.
func TestCallsInARowUseOneCopyOfTheSchema(t *testing.T) {
	x := tool.Must(tool.NewRaw("x", "", json.RawMessage(`{"properties":{`+many(`"p%":{"type":"string","minLength":1}`, 1_900)+`}}`), echo))
	for range 2 * runtime.GOMAXPROCS(0) {
		allocated, _ := costOnce(func() {
			_, _, err := x.Parse(`{"p00000":"a"}`)
			require.NoError(t, err)
		})
		require.Less(t, allocated, uint64(100<<10))
	}
}
