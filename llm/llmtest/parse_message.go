package llmtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

func parseMessages(value string) ([]llm.Message, error) {
	var raws []json.RawMessage
	if err := json.Unmarshal([]byte(value), &raws); err != nil {
		return nil, err
	}
	messages := make([]llm.Message, len(raws))
	names := map[string]string{} // of tools, by the id of their latest call
	for i, raw := range raws {
		m, err := parseMessage(raw, names)
		if err != nil {
			return nil, atIndex(i, err)
		}
		for _, c := range m.Calls() {
			names[c.ID] = c.Name
		}
		messages[i] = m
	}
	return messages, nil
}

// A draft is a message while its members are read: they come in any order.
type draft struct {
	role      string
	name      string
	callID    string
	reasoning llm.Parts
	content   llm.Parts
	rest      llm.Parts // refusal and audio
	calls     llm.Parts
	extra     []llm.Member
}

func parseMessage(raw []byte, names map[string]string) (llm.Message, error) {
	members, err := llm.ParseMembers(raw)
	if err != nil {
		return llm.Message{}, err
	}
	var d draft
	for _, m := range members {
		if err := d.member(m); err != nil {
			return llm.Message{}, at(m.Name, err)
		}
	}
	return d.message(names)
}

func (d *draft) member(m llm.Member) (err error) {
	switch m.Name {
	case "role":
		return json.Unmarshal([]byte(m.Value), &d.role)
	case "tool_call_id":
		return json.Unmarshal([]byte(m.Value), &d.callID)
	case "content":
		d.content, err = parseContent(m.Value)
		return err
	}
	if m.Value == "null" && isPart(m.Name) {
		return nil
	}
	switch m.Name {
	case "tool_calls":
		d.calls, err = parseCalls(m.Value)
	case "refusal":
		err = appendString(&d.rest, m, func(s string) llm.Part { return llm.Refusal{Text: s} })
	case "reasoning_content", "reasoning", "reasoning_text":
		if !strings.HasPrefix(m.Value, `"`) { // a provider's own object
			d.extra = append(d.extra, m)
			return nil
		}
		err = appendString(&d.reasoning, m, func(s string) llm.Part { return llm.Reasoning{Text: s, Field: m.Name} })
	case "audio":
		var audio struct{ ID string }
		err = json.Unmarshal([]byte(m.Value), &audio)
		d.rest = append(d.rest, llm.Audio{ID: audio.ID})
	case "name":
		err = json.Unmarshal([]byte(m.Value), &d.name)
		d.extra = append(d.extra, m)
	default:
		d.extra = append(d.extra, m)
	}
	return err
}

// isPart tells the members that become parts.
func isPart(name string) bool {
	switch name {
	case "tool_calls", "refusal", "reasoning_content", "reasoning", "reasoning_text", "audio":
		return true
	}
	return false
}

func appendString(parts *llm.Parts, m llm.Member, part func(string) llm.Part) error {
	var s string
	if err := json.Unmarshal([]byte(m.Value), &s); err != nil {
		return err
	}
	*parts = append(*parts, part(s))
	return nil
}

// message puts the members together.
func (d *draft) message(names map[string]string) (llm.Message, error) {
	m := llm.Message{Role: llm.Role(d.role), Extra: d.extra}
	switch m.Role {
	case llm.RoleSystem, llm.RoleDeveloper, llm.RoleUser, llm.RoleAssistant:
	case llm.RoleTool:
		return d.result(names)
	case "":
		return m, at("role", errors.New("is missing"))
	default:
		return m, at("role", fmt.Errorf("unknown role %q", d.role))
	}
	for _, parts := range []llm.Parts{d.reasoning, d.content, d.rest, d.calls} {
		m.Parts = append(m.Parts, parts...)
	}
	if m.Role != llm.RoleAssistant && len(m.Parts) > len(d.content) {
		return m, fmt.Errorf("a message of the %s has members that only the assistant's have", m.Role)
	}
	return m, nil
}

// result returns the message of a tool.
func (d *draft) result(names map[string]string) (llm.Message, error) {
	if d.callID == "" {
		return llm.Message{}, at("tool_call_id", errors.New("is missing"))
	}
	r := llm.ToolResult{CallID: d.callID, Name: names[d.callID], Parts: d.content}
	m := llm.Message{Role: llm.RoleTool}
	for _, e := range d.extra {
		if e.Name == "name" {
			r.Name = d.name
			continue
		}
		m.Extra = append(m.Extra, e)
	}
	m.Parts = llm.Parts{r}
	return m, nil
}

func parseCalls(value string) (llm.Parts, error) {
	var raws []json.RawMessage
	if err := json.Unmarshal([]byte(value), &raws); err != nil {
		return nil, err
	}
	var calls llm.Parts
	for i, raw := range raws {
		c, err := parseCall(raw)
		if err != nil {
			return nil, atIndex(i, err)
		}
		calls = append(calls, c)
	}
	return calls, nil
}

func parseCall(raw []byte) (llm.ToolCall, error) {
	members, err := llm.ParseMembers(raw)
	if err != nil {
		return llm.ToolCall{}, err
	}
	var c llm.ToolCall
	for _, m := range members {
		switch m.Name {
		case "index":
		case "id":
			err = json.Unmarshal([]byte(m.Value), &c.ID)
		case "type":
			err = wantFunction(m.Value)
		case "function":
			err = parseFunction(m.Value, &c)
		default:
			c.Extra = append(c.Extra, m)
		}
		if err != nil {
			return c, at(m.Name, err)
		}
	}
	if c.Name == "" {
		return c, at("function", errors.New("has no name"))
	}
	return c, nil
}

func wantFunction(value string) error {
	if value != `"function"` {
		return fmt.Errorf("got %s, want \"function\"", value)
	}
	return nil
}

// parseFunction reads name and arguments. Arguments that are no string, which
// providers refuse, are kept as the JSON that they are.
func parseFunction(value string, c *llm.ToolCall) error {
	var f struct {
		Name      string
		Arguments json.RawMessage
	}
	if err := json.Unmarshal([]byte(value), &f); err != nil {
		return err
	}
	c.Name = f.Name
	if json.Unmarshal(f.Arguments, &c.Arguments) != nil {
		c.Arguments = string(f.Arguments)
	}
	return nil
}
