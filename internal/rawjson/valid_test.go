package rawjson_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/internal/mutant"
	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
)

var validSeeds = []string{
	``, ` `, `{}`, `[]`, ` [ ] `, `{"a":1}`, `{"a" : [1, -2.5e+3, 0, -0, 1E5, true, false, null, "x\u00e9\n\"\\"]}`,
	`[1,]`, `{"a":1,}`, `{,}`, `[,]`, `{"a"}`, `{1:2}`, `01`, `-`, `1.`, `.5`, `1e`, `1e+`, `+1`, `tru`, `nul`, `truex`, `true false`,
	`"`, `"\x"`, `"\u12"`, `"\u12G4"`, "\"\x01\"", "\"\xff\xfe\"", `"é"`, `}`, `]`, `{]`, `[}`, `{"a":{"b":[{"c":[[]]}]}}`, "\ufeff{}", `{"a":1}{"b":2}`,
	"[\v1]", "\"\x7f\"", `[1 2]`, `{"a":1 "b":2}`, `{"a"::1}`, `"\`, `["a"`,
}

// FuzzValid holds that Valid decides as encoding/json does.
func FuzzValid(f *testing.F) {
	var corpus [][]byte
	for _, text := range validSeeds {
		corpus = append(corpus, []byte(text))
	}
	paths, err := filepath.Glob("../../testdata/wire/quirks/*.txt")
	require.NoError(f, err)
	require.NotEmpty(f, paths)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(f, err)
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimPrefix(strings.TrimSpace(line), "data: "); strings.HasPrefix(line, "{") && len(line) < 1<<16 {
				corpus = append(corpus, []byte(line))
			}
		}
	}
	for _, text := range append(corpus, mutant.Of(corpus, 20_000)...) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		require.Equal(t, json.Valid(text), rawjson.Valid(text), "%q", text)
		require.Equal(t, json.Valid(text), rawjson.Valid(string(text)), "%q", text)
	})
}

// TestValidDepth holds the limit of encoding/json, and that a deep text costs little.
func TestValidDepth(t *testing.T) {
	t.Parallel()
	for _, n := range []int{31, 32, 33, 9_999, 10_000, 10_001, 100_000} {
		for _, brackets := range [][2]string{{"[", "]"}, {`{"a":`, "}"}, {`[{"a":`, "}]"}} {
			text := strings.Repeat(brackets[0], n) + "1" + strings.Repeat(brackets[1], n)
			require.Equal(t, json.Valid([]byte(text)), rawjson.Valid(text), "%d of %s", n, brackets[0])
		}
	}
}

func BenchmarkValid(b *testing.B) {
	text := []byte(`{"id":"chatcmpl-1","choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"call_0001","type":"function","function":{"name":"get_weather","arguments":"{\"city\":\"Oslo\",\"unit\":\"celsius\"}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":82,"completion_tokens":17,"total_tokens":99}}`)
	b.Run("ours", func(b *testing.B) {
		for b.Loop() {
			rawjson.Valid(text)
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		for b.Loop() {
			json.Valid(text)
		}
	})
}
