package llm_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/mutant"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// FuzzParseMembers: the fast way splits no text that the general way refuses, and finds
// the same members.
func FuzzParseMembers(f *testing.F) {
	var corpus [][]byte
	for _, seed := range []string{
		`{}`, " {\r\n} ", `{"a":1}`, `{"a":1,"a":"2"}`, "{\n\t\"a\" : [ 1 , {\"b\":\"]}\"} ] ,\"c\":-1.5e3 ,\"d\":null , \"\\u0065\":true}\n",
		`{"\"\\":"\\\"","é":"\ud800"}`, "{\"a\xff\":\"b\xff\"}", `{"":{"a":{}},"b":[[],"\\"],"c":false}`, `{"type":"function","function":{"name":"f","parameters":{}}}`,
		`null`, `[1]`, `"a"`, ``, `{"a"`, `{"a":`, `{"a":[`, `{"a":"`, `{"a":"\`, `{,:]}`, `{"a":1}}`, `{"a":1}{`, `{"a":1} x`,
	} {
		corpus = append(corpus, []byte(seed))
	}
	for _, seed := range append(corpus, mutant.Of(corpus, 3000)...) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fast, ok := llm.SplitObject(data)
		if !ok {
			return
		}
		general, err := llm.ParseMembersSlowly(data)
		require.NoError(t, err)
		require.Equal(t, general, fast)
	})
}

// TestSplitObject: the fast way knows the usual objects.
func TestSplitObject(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`{}`, " {\"a\" : [ 1 ],\n\"é\":\"\\u0041\"} "} {
		_, ok := llm.SplitObject([]byte(text))
		require.True(t, ok, text)
	}
}
