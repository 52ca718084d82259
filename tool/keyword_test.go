package tool_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool"
)

// What "enum", "const" and "uniqueItems" take to be equal.
func TestEqualValues(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b  string
		equal bool
	}{
		{`0.10`, `1e-1`, true}, {`1.50`, `15e-1`, true}, {`1e300`, `10e299`, true}, {`-0`, `0`, true}, {`0.0e5`, `0`, true}, {`123456789012345678901234567890`, `12345678901234567890123456789e1`, true},
		{`0.1`, `0.01`, false}, {`1`, `-1`, false}, {`1e300`, `1e299`, false}, {`9007199254740993`, `9007199254740992`, false},
		{`1`, `"1"`, false}, {`1`, `true`, false}, {`0`, `false`, false}, {`null`, `"null"`, false}, {`null`, `false`, false},
		{`"a\u0041"`, `"aA"`, true}, {`"a"`, `"b"`, false}, {`"a,b"`, `["a","b"]`, false},
		{`[]`, `{}`, false}, {`[1,[2]]`, `[1.0,[2]]`, true}, {`["a","b"]`, `["a\",\"b"]`, false}, {`[["a"],"b"]`, `[["a","b"]]`, false}, {`[1,2]`, `[2,1]`, false},
		{`{"a":1,"b":[2]}`, `{"b":[2.0],"a":1}`, true}, {`{"a":1}`, `{"a":1,"b":null}`, false}, {`{"a":{"b":1}}`, `{"a":{},"b":1}`, false},
	} {
		for _, schema := range []string{`{"enum":["x",` + tt.a + `]}`, `{"const":` + tt.a + `}`} {
			x := tool.Must(tool.NewRaw("x", "", json.RawMessage(`{"properties":{"a":`+schema+`}}`), echo))
			_, _, err := x.Parse(`{"a":` + tt.b + `}`)
			require.Equal(t, tt.equal, err == nil, "%s is %s: %v", tt.a, tt.b, err)
		}
		x := tool.Must(tool.NewRaw("x", "", json.RawMessage(`{"properties":{"a":{"uniqueItems":true}}}`), echo))
		_, _, err := x.Parse(`{"a":[` + tt.a + `,"x",` + tt.b + `]}`)
		require.Equal(t, tt.equal, err != nil, "%s and %s are unique: %v", tt.a, tt.b, err)
		if tt.equal {
			requireProblems(t, err, "x", "/a: items 0 and 2 are equal; items must be unique")
		}
	}
}
