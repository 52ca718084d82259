package openai_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/openai"
	"github.com/seed-916e8f6a/toolloop/llm/wrap"
)

// refusing is a provider that refuses a request whose body refuse matches.
type refusing struct {
	refuse func(body string) (status int, text string)
	bodies []string
}

func (r *refusing) RoundTrip(req *http.Request) (*http.Response, error) {
	w := &wire{body: ok}
	data, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	r.bodies = append(r.bodies, string(data))
	req.Body = io.NopCloser(bytes.NewReader(data))
	if status, text := r.refuse(string(data)); text != "" {
		w.status, w.body = status, `{"error":{"message":`+quoted(text)+`}}`
	}
	return w.RoundTrip(req)
}

func (r *refusing) model() llm.Model {
	return openai.Config{
		BaseURL: "http://provider.example/v1", HTTPClient: &http.Client{Transport: r}, Retry: wrap.Retry{Attempts: 1},
	}.Model("m")
}

// TestValuesAreNotForgotten: a refused value is left out once, and the member is
// sent again with another.
func TestValuesAreNotForgotten(t *testing.T) {
	t.Parallel()
	r := &refusing{refuse: func(body string) (int, string) {
		if strings.Contains(body, `"minimal"`) {
			return 400, "Unsupported value: 'reasoning_effort' does not support 'minimal' with this model. Supported values are: 'low', 'medium', and 'high'."
		}
		return 0, ""
	}}
	m := r.model()
	for _, effort := range []string{"minimal", "high"} {
		req := hello()
		req.ReasoningEffort = effort
		_, err := m.Generate(t.Context(), req, nil)
		require.NoError(t, err)
	}
	require.Len(t, r.bodies, 3)
	require.NotContains(t, r.bodies[1], "reasoning_effort")
	require.Contains(t, r.bodies[2], `"reasoning_effort":"high"`)
}

// TestStrictIsNotForgotten: a schema that is no strict one costs only its own
// request the mark.
func TestStrictIsNotForgotten(t *testing.T) {
	t.Parallel()
	r := &refusing{refuse: func(body string) (int, string) {
		if strings.Contains(body, `"bad"`) && strings.Contains(body, `"strict":true`) {
			return 400, "Invalid schema for response_format 'bad': In context=(), 'additionalProperties' is required to be supplied and to be false."
		}
		return 0, ""
	}}
	m := r.model()
	for _, name := range []string{"bad", "good"} {
		req := hello()
		req.Output = &llm.OutputFormat{Name: name, Schema: []byte(`{"type":"object"}`), Strict: new(true)}
		_, err := m.Generate(t.Context(), req, nil)
		require.NoError(t, err)
	}
	require.Len(t, r.bodies, 3)
	require.Contains(t, r.bodies[2], `"strict":true`)
}

// TestCallExtra: what one provider put into a call is not sent to those that
// refuse it, known or not.
func TestCallExtra(t *testing.T) {
	t.Parallel()
	require.True(t, openai.ProfileFor("https://api.openai.com/v1", "gpt-4o").NoCallExtra)
	require.False(t, openai.ProfileFor("https://generativelanguage.googleapis.com/v1beta/openai", "gemini-2.5-pro").NoCallExtra)
	r := &refusing{refuse: func(body string) (int, string) {
		if strings.Contains(body, "extra_content") {
			return 422, `[{"type":"extra_forbidden","loc":["body","messages",1,"assistant","tool_calls",0,"extra_content"],"msg":"Extra inputs are not permitted"}]`
		}
		return 0, ""
	}}
	call := llm.ToolCall{ID: "c", Name: "f", Arguments: "{}", Extra: []llm.Member{{Name: "extra_content", Value: `{"google":{}}`}}}
	m := r.model()
	for range 2 {
		_, err := m.Generate(t.Context(), &llm.Request{Messages: []llm.Message{llm.User("a"), llm.Assistant("", call), result("c", "r")}}, nil)
		require.NoError(t, err)
	}
	require.Len(t, r.bodies, 3, "learned once")
}

// TestUselessLessons: what did not help is not kept, and other trouble teaches
// nothing.
func TestUselessLessons(t *testing.T) {
	t.Parallel()
	call := llm.Assistant("", llm.ToolCall{ID: "c", Name: "f", Arguments: "{}"})
	for _, tt := range []struct {
		name     string
		status   int
		text     string
		messages []llm.Message
		requests int // of two Generates
	}{
		{"the same refusal again", 400, "messages: text content blocks must be non-empty", []llm.Message{llm.User("a"), call, result("c", "r"), llm.User("b")}, 4},
		{"a key without a role", 401, "your developer account has no role for this", []llm.Message{{Role: llm.RoleDeveloper, Parts: llm.Parts{llm.Text{Text: "a"}}}, llm.User("a")}, 2},
		{"a person, not a member", 400, "This user is not allowed to sample from this model", []llm.Message{llm.User("a")}, 2},
		{"a cap that is too high", 400, "max_completion_tokens: 200000 is not allowed for this model: at most 8192", []llm.Message{llm.User("a")}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := &refusing{refuse: func(string) (int, string) { return tt.status, tt.text }}
			m := r.model()
			for range 2 {
				_, err := m.Generate(t.Context(), &llm.Request{Messages: tt.messages, Settings: llm.Settings{User: "u", MaxOutputTokens: 200000}}, nil)
				require.Error(t, err)
			}
			require.Len(t, r.bodies, tt.requests)
			require.Equal(t, r.bodies[0], r.bodies[tt.requests/2], "the second begins as the first did")
		})
	}
}

// TestNoOverflow: a cap that is too high is no conversation that is too long.
func TestNoOverflow(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less than the `context_window` for this model",
		"'max_tokens' or 'max_completion_tokens' is too large: 40000. This model's maximum context length is 32768 tokens and your request has 12 input tokens",
		"Unknown parameter: 'context_window'.",
		"options.context_length must be an integer",
	} {
		r := &refusing{refuse: func(string) (int, string) { return 400, text }}
		_, err := r.model().Generate(t.Context(), hello(), nil)
		requireKind(t, llm.KindInvalidRequest, err)
	}
}

// TestObjectThenFragments: a placeholder is no arguments, and what contradicts
// itself is told to the model.
func TestObjectThenFragments(t *testing.T) {
	t.Parallel()
	object := func(args string) string {
		return calls(`{"index":0,"id":"a","function":{"name":"f","arguments":` + args + `}}`)
	}
	more := func(args string) string { return calls(`{"index":0,"function":{"arguments":` + quoted(args) + `}}`) }
	for _, tt := range []struct{ name, body, want string }{
		{"placeholder", events(object(`{}`), more(`{"path"`), more(`:"/tmp/x"}`), finishStop), `{"path":"/tmp/x"}`},
		{"only a placeholder", events(object(`{}`), finishStop), `{}`},
		{"the same again", events(object(`{"a":1}`), more(`{"a":1}`), finishStop), `{"a":1}`},
		{"another", events(object(`{"a":1}`), more(`{"b":2}`), finishStop), `{"a":1}{"b":2}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := eventsOf()
			w.body = tt.body
			resp, _, err := ask(t, w, true)
			require.NoError(t, err)
			require.Equal(t, tt.want, resp.Message.Calls()[0].Arguments)
		})
	}
}

// TestFinishInEveryEvent: some gateways say "stop" in each event. The answer goes
// on as long as there is more, and is whole only at a clean end.
func TestFinishInEveryEvent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var pieces []pace
		for range 30 {
			pieces = append(pieces, pace{time.Second, events(`{"choices":[{"index":0,"delta":{"content":"w "},"finish_reason":"stop"}]}`)})
		}
		whole := &bodyTransport{body: pacedBody(append(pieces, pace{time.Second, events("[DONE]")})...)}
		resp, err := whole.config().Model("m").Generate(t.Context(), askStream(), nil)
		require.NoError(t, err)
		require.Equal(t, strings.Repeat("w ", 30), resp.Message.Text())

		silent := &bodyTransport{body: pacedBody(append(pieces, pace{forever, "x"})...)}
		_, err = silent.config().Model("m").Generate(t.Context(), askStream(), nil)
		requireKind(t, llm.KindTruncated, err)
	})
}

func quoted(s string) string {
	data, _ := json.Marshal(s) // a string always marshals
	return string(data)
}
