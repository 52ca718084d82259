package mcp_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/tool/mcp"
)

// FuzzMembers: the members of an object are those that encoding/json finds; what is no
// JSON breaks nothing.
func FuzzMembers(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` { } `, `{"a":1}`, `{"a":1,"a":"2"}`, "{\r\n\t\"a\" : [ 1 , {\"b\":\"]}\"} ] ,\"c\":-1.5e3,\"d\":null , \"\\u0065\":true}\n",
		`{"\"\\":"\\\"","é":"\ud800"}`, "{\"a\xff\":\"b\xff\"}", `[1]`, `"a"`, `7`, ``, `{"a"`, `{"a":`, `{"a":[`, `{"a":"`, `{"a":"\`, `{,:]}`, `{"a":1}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := mcp.MembersOf(json.RawMessage(text))
		var want map[string]json.RawMessage
		if json.Unmarshal([]byte(text), &want) != nil || want == nil {
			return
		}
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}
