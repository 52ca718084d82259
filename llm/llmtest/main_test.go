package llmtest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-916e8f6a/toolloop/llm"
	"github.com/seed-916e8f6a/toolloop/llm/llmtest"
)

// ask is a request with one message of the user.
func ask(text string) *llm.Request {
	return &llm.Request{Model: "m", Messages: []llm.Message{llm.User(text)}}
}

func streamed(req *llm.Request) *llm.Request {
	req.Stream = true
	return req
}

// collect runs a request in process and returns what the sink saw.
func collect(ctx context.Context, m llm.Model, req *llm.Request) (*llm.Response, []llm.Delta, error) {
	var deltas []llm.Delta
	resp, err := m.Generate(ctx, req, func(d llm.Delta) { deltas = append(deltas, d) })
	return resp, deltas, err
}

// post sends a body as any client would and returns the answer.
func post(t *testing.T, url, body string, headers ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp
}

func chat(t *testing.T, s *llmtest.Server, body string, headers ...string) *http.Response {
	t.Helper()
	return post(t, s.BaseURL+"/chat/completions", body, headers...)
}

func readAll(t *testing.T, resp *http.Response) string {
	t.Helper()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return string(b)
}

// events returns the data of the server-sent events in body.
func events(t *testing.T, body io.Reader) []string {
	t.Helper()
	var out []string
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if lines.Text() == "" {
			continue
		}
		require.True(t, ok, "line %q", lines.Text())
		out = append(out, data)
	}
	require.NoError(t, lines.Err())
	return out
}

// completion is a document or a chunk of Chat Completions.
type completion struct {
	ID, Object, Model string
	Choices           []struct {
		Message, Delta json.RawMessage
		FinishReason   *string `json:"finish_reason"`
		Native         string  `json:"native_finish_reason"`
	}
	Usage *struct {
		Prompt     int64 `json:"prompt_tokens"`
		Completion int64 `json:"completion_tokens"`
		Total      int64 `json:"total_tokens"`
	}
}

// message is a message or a delta.
type message struct {
	Role      string     `json:"role"`
	Content   string     `json:"content"`
	Refusal   string     `json:"refusal"`
	Reasoning string     `json:"reasoning_content"`
	Calls     []wireCall `json:"tool_calls"`
}

type wireCall struct {
	Index    int
	ID, Type string
	Function struct{ Name, Arguments string }
}

// document decodes an answer that was not streamed.
func document(t *testing.T, body string) *llm.Response {
	t.Helper()
	var c completion
	require.NoError(t, json.Unmarshal([]byte(body), &c))
	require.Equal(t, "chat.completion", c.Object)
	require.Len(t, c.Choices, 1)
	var m message
	require.NoError(t, json.Unmarshal(c.Choices[0].Message, &m))
	return response(c, m)
}

// stream decodes and joins the chunks of a streamed answer.
func stream(t *testing.T, events []string) *llm.Response {
	t.Helper()
	require.NotEmpty(t, events)
	require.Equal(t, "[DONE]", events[len(events)-1])
	var all completion
	var sum message
	for i, e := range events[:len(events)-1] {
		var c completion
		require.NoError(t, json.Unmarshal([]byte(e), &c))
		require.Equal(t, "chat.completion.chunk", c.Object)
		if i > 0 {
			require.Equal(t, all.ID, c.ID)
			c.Choices = append(all.Choices[:0:0], c.Choices...)
		}
		if len(c.Choices) == 0 {
			all.Usage = c.Usage
			continue
		}
		var d message
		require.NoError(t, json.Unmarshal(c.Choices[0].Delta, &d))
		sum.add(t, d)
		if i == 0 {
			require.Equal(t, "assistant", d.Role)
		}
		all = c
	}
	require.NotNil(t, all.Choices, "a finish chunk")
	return response(all, sum)
}

func (m *message) add(t *testing.T, d message) {
	m.Content += d.Content
	m.Refusal += d.Refusal
	m.Reasoning += d.Reasoning
	for _, c := range d.Calls {
		if c.Index == len(m.Calls) {
			m.Calls = append(m.Calls, c)
			continue
		}
		require.Equal(t, len(m.Calls)-1, c.Index)
		m.Calls[c.Index].Function.Arguments += c.Function.Arguments
	}
}

// response says in llm's words what a client made of the wire.
func response(c completion, m message) *llm.Response {
	r := &llm.Response{ID: c.ID, Model: c.Model, Message: llm.Message{Role: llm.RoleAssistant}}
	if m.Reasoning != "" {
		r.Message.Parts = append(r.Message.Parts, llm.Reasoning{Text: m.Reasoning, Field: "reasoning_content"})
	}
	if m.Content != "" {
		r.Message.Parts = append(r.Message.Parts, llm.Text{Text: m.Content})
	}
	if m.Refusal != "" {
		r.Message.Parts = append(r.Message.Parts, llm.Refusal{Text: m.Refusal})
	}
	for _, call := range m.Calls {
		r.Message.Parts = append(r.Message.Parts, llm.ToolCall{ID: call.ID, Name: call.Function.Name, Arguments: call.Function.Arguments})
	}
	if f := c.Choices[0].FinishReason; f != nil {
		r.Finish = llm.FinishOf(*f, c.Choices[0].Native)
	} else if r.Finish = (llm.Finish{Reason: llm.FinishStop}); len(r.Message.Calls()) > 0 { // as a client infers it
		r.Finish.Reason = llm.FinishToolCalls
	}
	if u := c.Usage; u != nil {
		r.Usage = llm.Usage{InputTokens: u.Prompt, OutputTokens: u.Completion, TotalTokens: u.Total}
	}
	return r
}
