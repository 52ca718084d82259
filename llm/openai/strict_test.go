package openai_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// TestStrictTools: which form of a tool's schema is sent, and what of it.
func TestStrictTools(t *testing.T) {
	t.Parallel()
	const (
		plain  = `{"type":"object","properties":{"a":{"type":"string","format":"date"},"b":{"$ref":"#/$defs/b"}},"required":["a"],"$defs":{"b":{"type":"integer"}}}`
		strict = `{"type":"object","properties":{"a":{"type":"string","format":"date"},"b":{"anyOf":[{"$ref":"#/$defs/b"},{"type":"null"}]}},"required":["a","b"],"additionalProperties":false,"$defs":{"b":{"type":"integer"}}}`
		marked = `,"strict":true`
	)
	both := llm.ToolDef{Name: "f", Schema: json.RawMessage(plain), Strict: json.RawMessage(strict)}
	without := llm.ToolDef{Name: "f", Schema: json.RawMessage(plain)}
	for _, tt := range []struct {
		name    string
		profile openai.Profile
		tool    llm.ToolDef
		want    string
	}{
		{"by default", openai.Profile{}, both, plain},
		{"never", openai.Profile{Strict: openai.StrictNever}, both, plain},
		{"tools", openai.Profile{Strict: openai.StrictTools}, both, strict + marked},
		{"tools without a strict form", openai.Profile{Strict: openai.StrictTools}, without, plain},
		{"no ids", openai.Profile{Strict: openai.StrictTools, Schema: openai.SchemaNoIDs}, both, strict + marked},
		{"no bounds", openai.Profile{Strict: openai.StrictTools, Schema: openai.SchemaUnbounded}, both, strings.Replace(strict, `,"format":"date"`, ``, 1) + marked},
		{"Gemini knows no closed objects", openai.Profile{Strict: openai.StrictTools, Schema: openai.SchemaGemini}, both,
			`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer"}},"required":["a"]}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			req := hello()
			req.Tools = []llm.ToolDef{tt.tool}
			body := sent(t, req, func(c *openai.Config) { c.Profile = &tt.profile })
			_, body, _ = strings.Cut(body, `"parameters":`)
			require.Equal(t, tt.want, strings.TrimSuffix(body, "}}]}"))
		})
	}
}
