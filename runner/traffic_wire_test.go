package runner_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"reflect"
	"strings"
)

// The members of a request that two conversations are compared by.
type (
	wireCall struct {
		ID       string
		Function struct {
			Name      string
			Arguments json.RawMessage
		}
	}
	wireMessage struct {
		Role       string
		Content    json.RawMessage
		ToolCalls  []wireCall `json:"tool_calls"`
		ToolCallID string     `json:"tool_call_id"`
	}
	// said is a message in the form in which two are compared.
	said struct {
		role, text string
		parts      []any // content that is not text alone
		calls      []saidCall
		callID     string
	}
	saidCall struct {
		id, name  string
		arguments any
	}
)

func messagesOf(body []byte) ([]wireMessage, error) {
	var req struct{ Messages []wireMessage }
	err := json.Unmarshal(body, &req)
	return req.Messages, err
}

// text is the content as a string, with the texts of a list joined.
func (m wireMessage) text() string {
	text, _, _ := m.content()
	return text
}

func (m wireMessage) content() (text string, parts []any, err error) {
	if len(m.Content) == 0 || string(m.Content) == "null" {
		return "", nil, nil
	}
	if m.Content[0] == '"' {
		err = json.Unmarshal(m.Content, &text)
		return text, nil, err
	}
	value, err := exact(m.Content)
	if err != nil {
		return "", nil, err
	}
	list, ok := value.([]any)
	if !ok {
		return "", nil, fmt.Errorf("content %s", m.Content)
	}
	plain := true
	for _, p := range list {
		part, _ := p.(map[string]any)
		if typ, _ := part["type"].(string); strings.Contains(typ, "thinking") || typ == "reasoning" {
			continue
		}
		parts = append(parts, p)
		t, isText := part["text"].(string)
		plain = plain && part["type"] == "text" && isText
		text += t
	}
	if plain {
		return text, nil, nil
	}
	return "", parts, nil
}

// arguments are those of a call in a request: a string, which can be empty; an
// object, as some clients write it; or nothing.
func (c wireCall) arguments() (any, error) {
	text := []byte(c.Function.Arguments)
	if len(text) > 0 && text[0] == '"' {
		var s string
		if err := json.Unmarshal(text, &s); err != nil {
			return nil, err
		}
		text = []byte(s)
	}
	if s := strings.TrimSpace(string(text)); s == "" || s == "null" {
		text = []byte("{}")
	}
	return exact(text)
}

// conversation brings a request's messages into the form in which two are
// compared: assistant messages in a row are one.
func conversation(body []byte) ([]said, error) {
	messages, err := messagesOf(body)
	if err != nil {
		return nil, err
	}
	var all []said
	for i, m := range messages {
		s := said{role: m.Role, callID: m.ToolCallID}
		if s.text, s.parts, err = m.content(); err != nil {
			return nil, fmt.Errorf("message %d: %w", i, err)
		}
		for _, c := range m.ToolCalls {
			args, err := c.arguments()
			if err != nil {
				return nil, fmt.Errorf("message %d: arguments %s: %w", i, c.Function.Arguments, err)
			}
			s.calls = append(s.calls, saidCall{c.ID, c.Function.Name, args})
		}
		if n := len(all); n > 0 && s.role == "assistant" && all[n-1].role == "assistant" {
			last := &all[n-1]
			last.text += s.text
			last.parts = append(last.parts, s.parts...)
			last.calls = append(last.calls, s.calls...)
			continue
		}
		all = append(all, s)
	}
	for i := range all {
		if all[i].role == "assistant" {
			all[i].text = strings.TrimSpace(all[i].text)
		}
	}
	return all, nil
}

func sameConversation(got, want []said) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d messages, want %d", len(got), len(want))
	}
	for i := range got {
		if !reflect.DeepEqual(got[i], want[i]) {
			return fmt.Errorf("message %d is %+v, want %+v", i, got[i], want[i])
		}
	}
	return nil
}

// exact decodes JSON with numbers by their value.
func exact(data []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text after the JSON value")
	}
	return withRationals(v), nil
}

func withRationals(v any) any {
	switch v := v.(type) {
	case json.Number:
		if r, ok := new(big.Rat).SetString(v.String()); ok {
			return r.String()
		}
	case []any:
		for i := range v {
			v[i] = withRationals(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = withRationals(v[k])
		}
	}
	return v
}

// mergeHead makes one of the system messages at the head, with one space in place
// of all white space: a client may know that its server wants one.
func mergeHead(all []said) []said {
	n := 0
	for n < len(all) && (all[n].role == "system" || all[n].role == "developer") && all[n].parts == nil {
		n++
	}
	if n == 0 {
		return all
	}
	head := said{role: "system"}
	for _, m := range all[:n] {
		head.text += " " + m.text
	}
	head.text = strings.Join(strings.Fields(head.text), " ")
	return append([]said{head}, all[n:]...)
}
