package llmtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// encryptedContent is the value of "include" for encrypted reasoning, which a client
// can send back.
const encryptedContent = "reasoning.encrypted_content"

// responsesMember reads the members of the Responses API with a parser.
func (q *wireRequest) responsesMember(m llm.Member) (fits bool, err error) {
	r := q.request
	fits = true
	switch m.Name {
	case "input":
		r.Messages, err = parseInput(m.Value)
	case "tools":
		fits, err = q.tools.parse(m.Value, r, true, parseFlatTool)
	case "tool_choice":
		r.ToolChoice, fits = parseFlatChoice(m.Value)
	case "text":
		fits, err = q.text(m.Value)
	case "reasoning":
		fits, err = decodeMembers([]byte(m.Value), map[string]any{"effort": &r.ReasoningEffort, "summary": &r.ReasoningSummary})
	case "store": // clients send false by themselves
		if fits = m.Value == "false" || m.Value == "true"; m.Value == "true" {
			r.Store = new(true)
		}
	case "include":
		fits, err = q.include(m.Value)
	case "previous_response_id", "conversation":
		return true, errors.New("nothing is stored here: send the whole input")
	default:
		fits = false
	}
	return fits, err
}

// responsesSettings is [settings] for the Responses API.
func responsesSettings(r *llm.Request) map[string]any {
	return map[string]any{
		"input": nil, "tools": nil, "tool_choice": nil, "text": nil, "reasoning": nil, "store": nil, "include": nil,
		"previous_response_id": nil, "conversation": nil,
		"model":               &r.Model,
		"instructions":        &r.Instructions,
		"stream":              &r.Stream,
		"parallel_tool_calls": &r.ParallelToolCalls,
		"temperature":         &r.Temperature,
		"top_p":               &r.TopP,
		"max_output_tokens":   &r.MaxOutputTokens,
		"top_logprobs":        &r.TopLogProbs,
		"service_tier":        &r.ServiceTier,
		"prompt_cache_key":    &r.PromptCacheKey,
		"safety_identifier":   &r.SafetyIdentifier,
		"user":                &r.User,
		"metadata":            &r.Metadata,
	}
}

// text reads the form and the verbosity of the answer.
func (q *wireRequest) text(value string) (fits bool, err error) {
	var format json.RawMessage
	whole, err := decodeMembers([]byte(value), map[string]any{"format": &format, "verbosity": &q.request.Verbosity})
	if err != nil || format == nil {
		return whole, err
	}
	out := new(llm.OutputFormat)
	fits, err = decodeMembers(format, map[string]any{
		"type": &out.Type, "name": &out.Name, "description": &out.Description, "schema": &out.Schema, "strict": &out.Strict,
	})
	if err != nil {
		return false, at("format", err)
	}
	if fits = fits && slices.Contains([]string{"text", "json_object", "json_schema"}, out.Type); fits {
		q.request.Output = out
	}
	return whole && fits, nil
}

func (q *wireRequest) include(value string) (fits bool, err error) {
	var names []string
	if err := json.Unmarshal([]byte(value), &names); err != nil {
		return true, err
	}
	fits = true
	for _, name := range names {
		switch name {
		case encryptedContent:
			q.encrypted = true
		case "message.output_text.logprobs":
			q.request.LogProbs = true
		default:
			fits = false
		}
	}
	return fits, nil
}

// parseFlatTool reads a function in the form of the Responses API, and returns nil
// for a tool of a different type.
func parseFlatTool(raw []byte) (def *llm.ToolDef, fits bool, err error) {
	var kind string
	var strict *bool
	def = new(llm.ToolDef)
	fits, err = decodeMembers(raw, map[string]any{
		"type": &kind, "name": &def.Name, "description": &def.Description, "parameters": &def.Schema, "strict": &strict,
	})
	switch {
	case kind != "function":
		return nil, false, nil
	case err != nil:
		return nil, false, err
	case def.Name == "":
		return nil, false, at("name", errors.New("is missing"))
	case strict == nil || *strict: // a function is strict unless the request says otherwise
		def.Strict = def.Schema
	}
	return def, fits, nil
}

func parseFlatChoice(value string) (choice llm.ToolChoice, fits bool) {
	if word, fits, isWord := parseChoiceWord(value); isWord {
		return word, fits
	}
	var kind, name string
	whole, err := decodeMembers([]byte(value), map[string]any{"type": &kind, "name": &name})
	if err == nil && kind == "allowed_tools" {
		return parseAmong([]byte(value), parseFlatChoice)
	}
	fits = err == nil && whole && kind == "function" && name != ""
	return choiceIf(llm.ToolNamed(name), fits), fits
}

// inputReader assembles messages from the items of an input: consecutive reasoning,
// texts and calls of the model form one message.
type inputReader struct {
	messages []llm.Message
	names    map[string]string // of tools, by the id of their latest call
}

func parseInput(value string) ([]llm.Message, error) {
	var text string
	if json.Unmarshal([]byte(value), &text) == nil {
		return []llm.Message{llm.User(text)}, nil
	}
	var raws []json.RawMessage
	if err := json.Unmarshal([]byte(value), &raws); err != nil {
		return nil, err
	}
	in := inputReader{names: map[string]string{}}
	for i, raw := range raws {
		if err := in.item(raw); err != nil {
			return nil, atIndex(i, err)
		}
	}
	return in.messages, nil
}

func (in *inputReader) item(raw []byte) error {
	members, err := membersOf(raw)
	if err != nil {
		return err
	}
	kind, err := stringMember(members, "type")
	if err != nil {
		return err
	}
	role, err := stringMember(members, "role")
	switch {
	case err != nil:
		return err
	case kind == "message" || kind == "" && role != "":
		return in.message(llm.Role(role), members)
	case kind == "function_call":
		return in.call(members)
	case kind == "function_call_output":
		return in.result(members)
	case kind == "reasoning":
		return in.reasoning(members)
	case kind == "item_reference":
		return errors.New("nothing is stored here: send the item itself")
	case kind == "":
		return errors.New("the item has neither a type nor a role")
	}
	in.appendToAssistant(llm.RawPart{JSON: string(raw)})
	return nil
}

// appendToAssistant adds parts to the last message, if the message is the model's, or
// to a new message.
func (in *inputReader) appendToAssistant(parts ...llm.Part) {
	if n := len(in.messages); n == 0 || in.messages[n-1].Role != llm.RoleAssistant {
		in.messages = append(in.messages, llm.Message{Role: llm.RoleAssistant})
	}
	last := &in.messages[len(in.messages)-1]
	last.Parts = append(last.Parts, parts...)
}

func (in *inputReader) message(role llm.Role, members []llm.Member) error {
	switch role {
	case llm.RoleSystem, llm.RoleDeveloper, llm.RoleUser, llm.RoleAssistant:
	default:
		return at("role", providerErrorf("Invalid value: '%s'. Supported values are: 'assistant', 'system', 'developer', and 'user'.", role))
	}
	var content llm.Parts
	var extra []llm.Member
	for _, m := range members {
		switch m.Name {
		case "type", "role", "status":
		case "content":
			var err error
			if content, err = parseItemContent(m.Value, role); err != nil {
				return at(m.Name, err)
			}
		default:
			extra = append(extra, m)
		}
	}
	if role == llm.RoleAssistant {
		in.appendToAssistant(content...)
		last := &in.messages[len(in.messages)-1]
		last.Extra = append(last.Extra, extra...)
		return nil
	}
	in.messages = append(in.messages, llm.Message{Role: role, Parts: content, Extra: extra})
	return nil
}

// parseItemContent reads the content of a message or a result: a string or parts.
func parseItemContent(value string, role llm.Role) (llm.Parts, error) {
	var text string
	if json.Unmarshal([]byte(value), &text) == nil {
		if text == "" {
			return nil, nil
		}
		return llm.Parts{llm.Text{Text: text}}, nil
	}
	var raws []json.RawMessage
	if err := json.Unmarshal([]byte(value), &raws); err != nil {
		return nil, err
	}
	var parts llm.Parts
	for i, raw := range raws {
		p, err := parseItemPart(raw, role)
		if err != nil {
			return nil, atIndex(i, err)
		}
		if t, ok := p.(llm.Text); ok && t.Text == "" && t.Extra == nil && len(raws) == 1 {
			return nil, nil
		}
		parts = append(parts, p)
	}
	return parts, nil
}

func parseItemPart(raw []byte, role llm.Role) (part llm.Part, err error) {
	members, err := membersOf(raw)
	if err != nil {
		return nil, err
	}
	kind, err := stringMember(members, "type")
	if err != nil {
		return nil, err
	}
	if ofModel := kind == "output_text" || kind == "refusal"; kind == "input_text" && role == llm.RoleAssistant || ofModel && role != llm.RoleAssistant {
		return nil, at("type", providerErrorf("Invalid value: '%s'.", kind))
	}
	switch kind {
	case "input_text", "output_text":
		text, err := stringMember(members, "text")
		return llm.Text{Text: text, Extra: withoutEmptyMembers(others(members, "text"))}, err
	case "refusal":
		return parseRefusal(members)
	case "input_image":
		part = parseFlatImage(members)
	case "input_file":
		part = parseFlatFile(members)
	case "input_audio":
		part = parseAudio(members)
	}
	if part == nil {
		return llm.RawPart{JSON: string(raw)}, nil
	}
	return part, nil
}

// withoutEmptyMembers drops empty annotations and logprobs from a text of the model.
func withoutEmptyMembers(members []llm.Member) []llm.Member {
	return slices.DeleteFunc(members, func(m llm.Member) bool {
		return (m.Name == "annotations" || m.Name == "logprobs") && (m.Value == "[]" || m.Value == "null")
	})
}

func parseFlatImage(members []llm.Member) llm.Part {
	var image llm.Image
	for _, m := range members {
		var err error
		switch m.Name {
		case "type":
		case "image_url":
			err = json.Unmarshal([]byte(m.Value), &image.URL)
		case "detail":
			err = json.Unmarshal([]byte(m.Value), &image.Detail)
		default:
			image.Extra = append(image.Extra, m)
		}
		if err != nil {
			return nil
		}
	}
	if data, mediaType, ok := cutDataURL(image.URL); ok {
		image.URL, image.Data, image.MediaType = "", data, mediaType
	}
	if image.URL == "" && image.Data == nil {
		return nil
	}
	return image
}

func parseFlatFile(members []llm.Member) llm.Part {
	var file llm.File
	var text string
	for _, m := range members {
		var err error
		switch m.Name {
		case "type":
		case "file_id":
			err = json.Unmarshal([]byte(m.Value), &file.ID)
		case "filename":
			err = json.Unmarshal([]byte(m.Value), &file.Name)
		case "file_data":
			err = json.Unmarshal([]byte(m.Value), &text)
		default:
			file.Extra = append(file.Extra, m)
		}
		if err != nil {
			return nil
		}
	}
	if text != "" {
		var ok bool
		if file.Data, file.MediaType, ok = cutDataURL(text); !ok {
			return nil
		}
	}
	return file
}

func (in *inputReader) call(members []llm.Member) error {
	var c llm.ToolCall
	for _, m := range members {
		var err error
		switch m.Name {
		case "type", "status":
		case "call_id":
			err = json.Unmarshal([]byte(m.Value), &c.ID)
		case "name":
			err = json.Unmarshal([]byte(m.Value), &c.Name)
		case "arguments":
			err = json.Unmarshal([]byte(m.Value), &c.Arguments)
		default:
			c.Extra = append(c.Extra, m)
		}
		if err != nil {
			return at(m.Name, err)
		}
	}
	if err := checkCallID(c.ID); err != nil {
		return at("call_id", err)
	}
	in.names[c.ID] = c.Name
	in.appendToAssistant(c)
	return nil
}

func checkCallID(id string) error {
	switch {
	case id == "":
		return errors.New("is missing")
	case len(id) > 64:
		return fmt.Errorf("string too long: at most 64 characters, got %d", len(id))
	}
	return nil
}

func (in *inputReader) result(members []llm.Member) error {
	var r llm.ToolResult
	for _, m := range members {
		var err error
		switch m.Name {
		case "type", "status":
		case "call_id":
			err = json.Unmarshal([]byte(m.Value), &r.CallID)
		case "output":
			r.Parts, err = parseItemContent(m.Value, llm.RoleTool)
		default:
			r.Extra = append(r.Extra, m)
		}
		if err != nil {
			return at(m.Name, err)
		}
	}
	if r.CallID == "" {
		return at("call_id", errors.New("is missing"))
	}
	r.Name = in.names[r.CallID]
	in.messages = append(in.messages, llm.Message{Role: llm.RoleTool, Parts: llm.Parts{r}})
	return nil
}

// reasoning reads a reasoning item: the text is the summary, or the open text if
// there is no summary. The remaining members go to Extra.
func (in *inputReader) reasoning(members []llm.Member) error {
	r := llm.Reasoning{Field: "content"}
	texts := map[string]string{}
	found := false
	for _, m := range members {
		switch m.Name {
		case "type":
		case "summary", "content":
			found = found || m.Name == "summary"
			var parts []struct{ Text string }
			if m.Value == "null" || json.Unmarshal([]byte(m.Value), &parts) != nil {
				return at(m.Name, errors.New("want a list of parts"))
			}
			for _, p := range parts {
				texts[m.Name] += p.Text
			}
		default:
			r.Extra = append(r.Extra, m)
		}
	}
	if !found {
		return at("summary", errors.New("missing required field"))
	}
	r.Text = texts["content"]
	if texts["summary"] != "" || r.Text == "" {
		r.Text, r.Field = texts["summary"], "summary"
	}
	in.appendToAssistant(r)
	return nil
}
