package tool_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

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

func TestAHostileSchemaIsGivenUp(t *testing.T) {
	nested := func(depth int) string { return strings.Repeat("[", depth) + "1" + strings.Repeat("]", depth) }
	tests := []struct{ schema, args string }{
		{"anyOf", `{"a":` + nested(18) + `}`},
		{"anyOf", `{"a":` + nested(60) + `}`},
		{"draft-07", `{"a":` + nested(60) + `}`},
		{"not", `{"a":` + nested(60) + `}`},
		{"allOf", `{"a":"s"}`},
		{"allOf", `{"a":` + nested(60) + `}`},
		{"optional", `{"n":null}`},
	}
	for _, tt := range tests {
		t.Run(tt.schema, func(t *testing.T) {
			x := tool.Must(tool.NewRaw("x", "", json.RawMessage(bombs()[tt.schema]), echo))
			var err error
			allocated, took := cost(func() { _, _, err = x.Parse(tt.args) })
			requireFailure(t, err, tool.InvalidArguments, "The arguments are too complex to check against the schema of x: send simpler ones.\n"+
				"Send the call again with corrected arguments.")
			require.Less(t, took, 10*time.Second, "it takes a tenth of a second, the race detector ten times that")
			require.Less(t, allocated, uint64(64<<20))
			_, _, err = x.Parse(`{}`)
			require.NoError(t, err, "the tool is as good as before")
		})
	}
}

func TestLargeArgumentsAreNotTooComplex(t *testing.T) {
	x := tool.Must(tool.NewRaw("x", "", json.RawMessage(`{
		"properties": {"rows": {"type": "array", "items": {"$ref": "#/$defs/row"}}},
		"$defs": {
			"row": {"allOf": [{"$ref": "#/$defs/id"}, {"properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}]},
			"id": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}
		}}`), echo))
	row := `{"id":1,"a":null,"b":"x","c":[true]}`
	_, _, err := x.Parse(`{"rows":[` + strings.Repeat(row+",", 16_000) + row + `]}`)
	require.NoError(t, err)
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
