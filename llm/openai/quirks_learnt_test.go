package openai_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
)

// sequence answers with one body after the other, the last for ever, and keeps
// what was sent.
type sequence struct {
	replies []reply

	mu   sync.Mutex
	sent []map[string]any
}

func (s *sequence) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var body map[string]any
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return nil, err
	}
	s.sent = append(s.sent, body)
	one := s.replies[min(len(s.sent), len(s.replies))-1]
	return &http.Response{
		StatusCode: one.status, Request: r, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader(one.body)),
	}, nil
}

func (s *sequence) config() openai.Config {
	return openai.Config{BaseURL: "http://provider.test/v1", HTTPClient: &http.Client{Transport: s}, Retry: atOnce(1)}
}

const noTemperature = `{"error":{"message":"Unsupported value: 'temperature' does not support 0.0 with this model. Only the default (1) value is supported.","type":"invalid_request_error","param":"temperature","code":"unsupported_value"}}`

// TestQuirkQ108Remembered: what one request has taught holds for the next ones
// to the same model, and for that model alone.
func TestQuirkQ108Remembered(t *testing.T) {
	t.Parallel()
	s := &sequence{replies: []reply{{status: 400, body: []byte(noTemperature)}, {status: 200, body: []byte(ok)}}}
	m := s.config().Model("m")
	ask := func(model string) (notices int) {
		req := hello()
		req.Model, req.Temperature = model, new(float64)
		_, err := m.Generate(t.Context(), req, func(d llm.Delta) {
			if _, ok := d.(llm.Notice); ok {
				notices++
			}
		})
		require.NoError(t, err)
		return notices
	}
	require.Equal(t, 1, ask(""))
	require.Equal(t, 0, ask(""))
	require.Len(t, s.sent, 3)
	require.Contains(t, s.sent[0], "temperature")
	require.NotContains(t, s.sent[1], "temperature")
	require.NotContains(t, s.sent[2], "temperature")
	ask("another")
	require.Contains(t, s.sent[3], "temperature")
}

func TestQuirkQ111LongResult(t *testing.T) {
	t.Parallel()
	s := &sequence{replies: []reply{{status: 200, body: []byte(ok)}}}
	req := &llm.Request{Messages: []llm.Message{
		llm.User("hi"),
		llm.Assistant("", llm.ToolCall{ID: "c", Name: "f", Arguments: "{}"}),
		{Role: llm.RoleTool, Parts: llm.Parts{llm.ToolResult{CallID: "c", Name: "f", Parts: llm.Parts{llm.Text{Text: "begin " + strings.Repeat("é", 6<<20) + " end"}}}}},
	}}
	r := generateOnce(t.Context(), s.config(), req)
	require.NoError(t, r.err)
	content := s.sent[0]["messages"].([]any)[2].(map[string]any)["content"].(string)
	require.Less(t, len(content), 10485760, "OpenAI takes no more in one message")
	require.LessOrEqual(t, len(content), 1<<20)
	require.True(t, strings.HasPrefix(content, "begin é"))
	require.NotContains(t, content, "\uFFFD", "cut in the middle of a character")
	require.NotRegexp(t, `é$`, content, "nothing says that it was cut")
	require.Equal(t, 1, r.notices)
}

// TestQuirkQ113Strict and Q114: the strict form of a tool is refused, and the
// plain one is sent.
func TestQuirkQ113Strict(t *testing.T) {
	t.Parallel()
	strictIsRefused(t, `{"error":{"message":"Invalid schema for function 'f': In context=('properties', 'fields'), 'additionalProperties' is required to be supplied and to be false.","type":"invalid_request_error","param":"tools[0].function.parameters","code":"invalid_function_parameters"}}`)
}

func TestQuirkQ114Strict(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","tools",0,"function","strict"],"msg":"Extra inputs are not permitted","input":true}]},"type":"invalid_request_message_error","param":null,"code":null}`,
		`{"error":{"message":"property 'tools.0.function.strict' is unsupported","type":"invalid_request_error"}}`,
		`{"error":{"message":"tools.0.custom.input_schema: For 'integer' type, properties maximum, minimum are not supported","type":"invalid_request_error"}}`,
	} {
		strictIsRefused(t, body)
	}
}

func strictIsRefused(t *testing.T, body string) {
	t.Helper()
	s := &sequence{replies: []reply{{status: 400, body: []byte(body)}, {status: 200, body: []byte(ok)}}}
	c := s.config()
	c.Profile = &openai.Profile{Strict: openai.StrictTools}
	req := hello()
	req.Tools = []llm.ToolDef{{
		Name:   "f",
		Schema: json.RawMessage(`{"type":"object","properties":{"fields":{"type":"object"}}}`),
		Strict: json.RawMessage(`{"type":"object","properties":{"fields":{"type":["object","null"]}},"required":["fields"],"additionalProperties":false}`),
	}}
	r := generateOnce(t.Context(), c, req)
	require.NoError(t, r.err)
	require.Equal(t, 1, r.notices)
	require.Len(t, s.sent, 2)
	function := func(i int) map[string]any {
		return s.sent[i]["tools"].([]any)[0].(map[string]any)["function"].(map[string]any)
	}
	require.Equal(t, true, function(0)["strict"])
	require.NotContains(t, function(1), "strict")
	require.NotContains(t, function(1)["parameters"], "additionalProperties")
}
