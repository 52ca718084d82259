package llmtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
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

// A draft collects the members of a message, which come in any order.
type draft struct {
	role      string
	name      string
	callID    *string
	reasoning llm.Parts
	content   llm.Parts
	rest      llm.Parts // refusal and audio
	calls     llm.Parts
	extra     []llm.Member
}

func parseMessage(raw []byte, names map[string]string) (llm.Message, error) {
	members, err := membersOf(raw)
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
		var hosted []string
		if d.calls, hosted, err = parseCalls(m.Value); hosted != nil {
			d.extra = append(d.extra, llm.Member{Name: toolCalls, Value: "[" + strings.Join(hosted, ",") + "]"})
		}
	case "refusal":
		err = appendString(&d.rest, m, func(s string) llm.Part { return llm.Refusal{Text: s} })
	case "reasoning_content", "reasoning", "reasoning_text":
		if !strings.HasPrefix(m.Value, `"`) { // an object of a provider
			d.extra = append(d.extra, m)
			return nil
		}
		err = appendString(&d.reasoning, m, func(s string) llm.Part { return llm.Reasoning{Text: s, Field: m.Name} })
	case "audio":
		var audio llm.Audio
		audio, err = parseAudioReference(m.Value)
		d.rest = append(d.rest, audio)
	case "name":
		err = json.Unmarshal([]byte(m.Value), &d.name)
		d.extra = append(d.extra, m)
	default:
		d.extra = append(d.extra, m)
	}
	return err
}

// isPart reports whether a member becomes a part.
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

// message assembles the message from its members.
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
	if d.callID != nil {
		return m, at("tool_call_id", fmt.Errorf("is not allowed in a message of the %s", m.Role))
	}
	for _, parts := range []llm.Parts{d.reasoning, d.content, d.rest, d.calls} {
		m.Parts = append(m.Parts, parts...)
	}
	return m, d.checkAssistantOnly(m.Role)
}

// checkAssistantOnly refuses reasoning, refusals, audio and calls of any role except
// the assistant.
func (d *draft) checkAssistantOnly(role llm.Role) error {
	if role != llm.RoleAssistant && len(d.reasoning)+len(d.rest)+len(d.calls) > 0 {
		return fmt.Errorf("a message of the %s has members that are reserved for the assistant", role)
	}
	return nil
}

// result assembles the message of a tool.
func (d *draft) result(names map[string]string) (llm.Message, error) {
	if d.callID == nil || *d.callID == "" {
		return llm.Message{}, at("tool_call_id", errors.New("is missing"))
	}
	r := llm.ToolResult{CallID: *d.callID, Name: names[*d.callID], Parts: d.content}
	for _, e := range d.extra {
		if e.Name != "name" {
			r.Extra = append(r.Extra, e)
		} else if d.name != "" {
			r.Name = d.name
		}
	}
	return llm.Message{Role: llm.RoleTool, Parts: llm.Parts{r}}, d.checkAssistantOnly(llm.RoleTool)
}

// parseAudioReference reads the reference of a message to earlier audio of the model.
func parseAudioReference(value string) (llm.Audio, error) {
	members, err := membersOf([]byte(value))
	if err != nil {
		return llm.Audio{}, err
	}
	var audio llm.Audio
	for _, m := range members {
		if m.Name != "id" {
			audio.Extra = append(audio.Extra, m)
		} else if err := json.Unmarshal([]byte(m.Value), &audio.ID); err != nil {
			return audio, at("id", err)
		}
	}
	return audio, nil
}

// parseCalls reads the calls of functions. Calls that the provider has run stay JSON.
func parseCalls(value string) (calls llm.Parts, hosted []string, err error) {
	var raws []json.RawMessage
	if err := json.Unmarshal([]byte(value), &raws); err != nil {
		return nil, nil, err
	}
	for i, raw := range raws {
		if checkHosted([]llm.Member{{Name: toolCalls, Value: "[" + string(raw) + "]"}}) == nil {
			hosted = append(hosted, string(raw))
			continue
		}
		c, err := parseCall(raw)
		if err != nil {
			return nil, nil, atIndex(i, err)
		}
		calls = append(calls, c)
	}
	return calls, hosted, nil
}

func parseCall(raw []byte) (llm.ToolCall, error) {
	members, err := membersOf(raw)
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
			if isBuiltin(m) {
				c.Extra = append(c.Extra, m)
			} else {
				err = wantFunction(m.Value)
			}
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
	if value != `"function"` && value != `""` && value != "null" {
		return fmt.Errorf("got %s, want \"function\"", value)
	}
	return nil
}

// parseFunction reads name and arguments. Arguments of a different type than string
// are kept as JSON; providers refuse such requests.
func parseFunction(value string, c *llm.ToolCall) error {
	members, err := membersOf([]byte(value))
	if err != nil {
		return err
	}
	var others rawjson.Object
	for _, m := range members {
		switch m.Name {
		case "name":
			if err := json.Unmarshal([]byte(m.Value), &c.Name); err != nil {
				return at(m.Name, err)
			}
		case "arguments":
			if json.Unmarshal([]byte(m.Value), &c.Arguments) != nil {
				c.Arguments = m.Value
			}
		default:
			others = append(others, m)
		}
	}
	if others != nil {
		c.Extra = append(c.Extra, llm.Member{Name: "function", Value: others.String()})
	}
	return nil
}
