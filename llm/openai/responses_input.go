package openai

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// This file writes a conversation as the input of the Responses API: a list of
// items. The rules are those that every known server accepts: each item has a
// type, content is a list of parts, messages and calls have no id, reasoning goes
// back before the item that it led to, and the results follow all calls of their
// turn, in the order of the calls.

// itemSpeech encodes a system, developer or user message.
func (r messageRules) itemSpeech(m llm.Message) (fields, error) {
	role := m.Role
	if role == llm.RoleDeveloper && r.noDeveloper {
		role = llm.RoleSystem
	}
	content := make([][]byte, 0, len(m.Parts))
	for i, p := range m.Parts {
		part, err := inputPart(p)
		if err != nil {
			return nil, fmt.Errorf("part %d: %w", i, err)
		}
		content = append(content, part)
	}
	if len(content) == 0 {
		content = [][]byte{textItem("input_text", "")}
	}
	var f fields
	f.text("type", "message")
	f.text("role", string(role))
	f.raw("content", array(content))
	return f, extend(&f, m.Extra)
}

func textItem(typ, text string) []byte {
	return fields{{"type", rawjson.AppendString(nil, typ)}, {"text", rawjson.AppendString(nil, text)}}.object()
}

// inputPart is a part of a message or of a result.
func inputPart(p llm.Part) ([]byte, error) {
	var f fields
	var extra []llm.Member
	switch p := p.(type) {
	case llm.Text:
		f, extra = fields{{"type", []byte(`"input_text"`)}, {"text", rawjson.AppendString(nil, p.Text)}}, p.Extra
	case llm.Image:
		image, err := imageURL(p)
		if err != nil {
			return nil, err
		}
		f, extra = fields{{"type", []byte(`"input_image"`)}, {"image_url", rawjson.Member(image, "url")}}, p.Extra
		f.rawIf("detail", rawjson.Member(image, "detail"))
	case llm.File:
		f, extra = fields{{"type", []byte(`"input_file"`)}}, p.Extra
		for name, v := range rawjson.Members(file(p)) {
			f.raw(name, v)
		}
	case llm.Audio:
		audio := fields{{"data", rawjson.AppendString(nil, base64.StdEncoding.EncodeToString(p.Data))}, {"format", rawjson.AppendString(nil, p.Format)}}
		f, extra = fields{{"type", []byte(`"input_audio"`)}, {"input_audio", audio.object()}}, p.Extra
	case llm.RawPart:
		if !rawjson.Valid(p.JSON) {
			return nil, errors.New("a raw part is not JSON")
		}
		return []byte(p.JSON), nil
	default:
		return nil, fmt.Errorf("a %T does not stand in such a message", p)
	}
	if err := extend(&f, extra); err != nil {
		return nil, err
	}
	return f.object(), nil
}

// itemAssistant writes the items of a message of the model. A message without text,
// calls and items of hosted tools is left out together with the reasoning.
func (e *encoder) itemAssistant(b []byte, m llm.Message, n int) ([]byte, error) {
	items := outputOf(m, e.rules.origin)
	if items == nil {
		items = e.plainOutput(m)
	}
	items = e.sendable(items)
	if !slices.ContainsFunc(items, func(it outputItem) bool { return it.typ != "reasoning" }) {
		return b, nil
	}
	b, err := e.endTurn(b)
	if err != nil {
		return b, err
	}
	calls := m.Calls()
	e.open, e.called = newOpenCalls(len(calls)), e.called || len(calls) > 0
	var reasoning [][]byte // waits for the item that it led to
	called := 0
	for _, it := range items {
		var raw []byte
		switch it.typ {
		case "reasoning":
			if raw := e.reasoningItem(it.raw); raw != nil {
				reasoning = append(reasoning, raw)
			}
			continue
		case "message":
			raw = assistantItem(it)
		case "function_call":
			raw = e.callItem(it, n, called)
			called++
		default:
			raw = it.raw
		}
		for _, before := range append(reasoning, raw) {
			b = e.appendRaw(b, llm.RoleAssistant, before)
		}
		reasoning = nil
	}
	return b, nil
}

// plainOutput returns the items of a message without an outputMember: the text,
// then the calls. Audio goes as the transcript. A note reports a part without a form.
func (e *encoder) plainOutput(m llm.Message) (items []outputItem) {
	spoken, calls := llm.Parts(nil), llm.Parts(nil)
	for _, p := range m.Parts {
		switch p := p.(type) {
		case llm.Text, llm.Refusal:
			spoken = append(spoken, p)
		case llm.ToolCall:
			calls = append(calls, p)
		case llm.Reasoning: // only its own endpoint takes reasoning back, from the outputMember
		case llm.Audio:
			if p.Transcript == "" {
				e.notes = append(e.notes, "audio of the model without a transcript was left out: the Responses API takes none back")
				continue
			}
			spoken = append(spoken, llm.Text{Text: p.Transcript})
		default:
			e.notes = append(e.notes, fmt.Sprintf("a %T of the model was left out: the Responses API has no form for it", p))
		}
	}
	if len(spoken) > 0 {
		items = append(items, outputItem{typ: "message", parts: spoken})
	}
	for _, c := range calls {
		items = append(items, outputItem{typ: "function_call", parts: llm.Parts{c}})
	}
	return items
}

// sendable drops items that must not go back: a message without content, an item of a
// hosted tool at a server that refuses such items, and an item that waits for an output
// of the caller. Only functions have outputs here, and OpenAI refuses each other call
// without an output.
func (e *encoder) sendable(items []outputItem) []outputItem {
	answered := map[string]bool{}
	for _, it := range items {
		if strings.HasSuffix(it.typ, "_output") {
			answered[rawjson.Text(rawjson.Member(it.raw, "call_id"))] = true
		}
	}
	var out []outputItem
	for _, it := range items {
		switch it.typ {
		case "reasoning", "function_call":
		case "message":
			if len(it.parts) == 0 {
				continue
			}
		default:
			if e.rules.noReasoning { // a server that refuses reasoning knows no other item of its own, either
				continue
			}
			if id := rawjson.Text(rawjson.Member(it.raw, "call_id")); id != "" && !strings.HasSuffix(it.typ, "_output") && !answered[id] {
				e.notes = append(e.notes, fmt.Sprintf("the %s %q was left out: it has no output", it.typ, id))
				continue
			}
		}
		out = append(out, it)
	}
	return out
}

// reasoningItem returns the form in which a reasoning item goes back, or nil. An item
// goes back byte for byte, without the parts that a known server refuses: null members
// (xAI), an empty id (OpenAI), an id without encrypted content, since nothing is
// stored, or no summary.
func (e *encoder) reasoningItem(raw []byte) []byte {
	encrypted := !rawjson.IsEmpty(rawjson.Member(raw, "encrypted_content"))
	open := !rawjson.IsEmpty(rawjson.Member(raw, "content"))
	if e.rules.noReasoning || !encrypted && !open {
		return nil
	}
	var f fields
	for name, v := range rawjson.Members(raw) {
		if !rawjson.IsNull(v) && (name != "id" || encrypted && len(v) > len(`""`)) {
			f.raw(name, v)
		}
	}
	if !f.has("summary") {
		f.raw("summary", []byte(`[]`))
	}
	if item := f.object(); !bytes.Equal(item, raw) && len(f) != memberCount(raw) {
		return item
	}
	return raw
}

func memberCount(object []byte) (n int) {
	for range rawjson.Members(object) {
		n++
	}
	return n
}

// assistantItem encodes a message of the model without an id, because an id
// must be stored at the provider.
func assistantItem(it outputItem) []byte {
	content := make([][]byte, 0, len(it.parts))
	for _, p := range it.parts {
		switch p := p.(type) {
		case llm.Text:
			content = append(content, textItem("output_text", p.Text))
		case llm.Refusal:
			content = append(content, fields{{"type", []byte(`"refusal"`)}, {"refusal", rawjson.AppendString(nil, p.Text)}}.object())
		}
	}
	f := fields{{"type", []byte(`"message"`)}, {"role", []byte(`"assistant"`)}, {"content", array(content)}}
	return keep(f, it.raw).object()
}

// keep adds the members beside the content of the parts.
func keep(f fields, outline []byte) fields {
	for name, v := range beside(outline) {
		if name != "digest" && name != "parts" {
			f.raw(name, v)
		}
	}
	return f
}

// callItem is the i-th call of the n-th message, without its id.
func (e *encoder) callItem(it outputItem, n, i int) []byte {
	call := it.parts[0].(llm.ToolCall)
	o := openCall{id: call.ID, wire: e.wireID(call.ID, n, i), name: wireName(call.Name)}
	e.open.add(o)
	f := fields{
		{"type", []byte(`"function_call"`)},
		{"call_id", rawjson.AppendString(nil, o.wire)},
		{"name", rawjson.AppendString(nil, o.name)},
		{"arguments", rawjson.AppendString(nil, jsonOr(call.Arguments))},
	}
	return keep(f, it.raw).object()
}

// jsonOr returns the arguments as the model wrote them, or {} where they are not
// JSON. Unlike Chat Completions, the API takes any JSON in a history.
func jsonOr(arguments string) string {
	if rawjson.Valid(arguments) {
		return arguments
	}
	return "{}"
}

// resultItem is the result of a call.
func resultItem(o openCall, output []byte) fields {
	return fields{{"type", []byte(`"function_call_output"`)}, {"call_id", rawjson.AppendString(nil, o.wire)}, {"output", output}}
}

// itemOutput returns the content of a result: a text, or a list of parts for
// pictures or files.
func (e *encoder) itemOutput(r llm.ToolResult) []byte {
	if e.rules.textResults || !slices.ContainsFunc(r.Parts, shows) {
		return rawjson.AppendString(nil, e.resultText(r))
	}
	list := make([][]byte, 0, len(r.Parts))
	for _, p := range r.Parts {
		if _, text := p.(llm.Text); !text && !shows(p) {
			p = llm.Text{Text: partNote(p)}
		}
		if t, ok := p.(llm.Text); ok {
			p = llm.Text{Text: e.cut(t.Text, r.CallID), Extra: t.Extra}
		}
		part, err := inputPart(p)
		if err != nil { // a member that is not JSON: the text goes without
			part = textItem("input_text", e.cut(llm.ToolResult{Parts: llm.Parts{p}}.Text(), r.CallID))
		}
		list = append(list, part)
	}
	return array(list)
}

// shows reports whether the output of a call can hold the part, beside text.
func shows(p llm.Part) bool {
	switch p := p.(type) {
	case llm.Image:
		_, err := imageURL(p)
		return err == nil
	case llm.File:
		return p.ID != "" || len(p.Data) > 0
	}
	return false
}
