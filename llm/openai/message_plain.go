package openai

import (
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// This file writes the usual messages of a run straight into the history: a text of the
// user, a text and calls of the model, results of text. The general encoder makes a list
// of members for each object and a value for each member, which was a sixth of all
// allocations of a run. Everything unusual goes to the general encoder: extra members,
// parts of other types, echoed members, repairs. FuzzPlainMessages proves that both write
// the same bytes and leave the same state.

// plain appends the n-th message to b if the message is usual. Otherwise plain changes
// nothing and returns false.
func (e *encoder) plain(b []byte, m llm.Message, n int) ([]byte, bool) {
	switch {
	case e.rules.responses || len(m.Extra) > 0 && (m.Role != llm.RoleAssistant || e.rules.echo != ""):
		return b, false
	case m.Role == llm.RoleTool:
		return e.plainResults(b, m.Parts)
	case !e.settled():
		return b, false
	case m.Role == llm.RoleUser:
		return e.plainUser(b, m.Parts)
	case m.Role == llm.RoleAssistant:
		return e.plainAssistant(b, m.Parts, n)
	}
	return b, false
}

// settled reports whether nothing waits for the next message of the user or the model.
func (e *encoder) settled() bool { return e.open.settled() && len(e.images)+len(e.waiting) == 0 }

// settled reports whether each call has a result.
func (o *openCalls) settled() bool {
	return o == nil || !slices.ContainsFunc(o.list, func(c openCall) bool { return !c.answered })
}

// comma separates a message from the message before.
func (e *encoder) comma(b []byte) []byte {
	if e.last != "" {
		return append(b, ',')
	}
	return b
}

func (e *encoder) plainUser(b []byte, parts llm.Parts) ([]byte, bool) {
	text, plain := plainText(parts)
	if !plain || e.rules.bridge {
		return b, false
	}
	b = append(e.comma(b), `{"role":"user","content":`...)
	e.last, e.open = llm.RoleUser, nil
	return append(rawjson.AppendString(b, text), '}'), true
}

func (e *encoder) plainAssistant(b []byte, parts llm.Parts, n int) ([]byte, bool) {
	text, calls, plain := e.plainAnswer(b, parts)
	if !plain || text == "" && calls == 0 {
		return b, false
	}
	b = append(e.comma(b), `{"role":"assistant"`...)
	if text != "" {
		b = rawjson.AppendString(append(b, `,"content":`...), text)
	} else if empty := e.emptyContent(); empty != nil {
		b = append(append(b, `,"content":`...), empty...)
	}
	e.last, e.open = llm.RoleAssistant, nil
	if calls > 0 {
		b = e.plainCalls(append(b, `,"tool_calls":[`...), parts, calls, n)
	}
	return append(b, '}'), true
}

// plainAnswer returns the text and the number of calls of a usual message of the model.
func (e *encoder) plainAnswer(b []byte, parts llm.Parts) (text string, calls int, plain bool) {
	texts := 0
	for _, p := range parts {
		switch p := p.(type) {
		case llm.Text:
			text = p.Text
			if texts++; texts > 1 || len(p.Extra) > 0 {
				return "", 0, false
			}
		case llm.ToolCall:
			calls++
			if len(p.Extra) > 0 || !isObject(p.Arguments) {
				return "", 0, false
			}
		case llm.Reasoning:
		default:
			return "", 0, false
		}
	}
	return text, calls, e.rules.echo == ""
}

func (e *encoder) plainCalls(b []byte, parts llm.Parts, calls, n int) []byte {
	e.open, e.called = newOpenCalls(calls), true
	for _, p := range parts {
		call, ok := p.(llm.ToolCall)
		if !ok {
			continue
		}
		o := openCall{id: call.ID, wire: e.wireID(call.ID, n, len(e.open.list)), name: wireName(call.Name)}
		if len(e.open.list) > 0 {
			b = append(b, ',')
		}
		e.open.add(o)
		b = rawjson.AppendString(append(b, `{"id":`...), o.wire)
		b = rawjson.AppendString(append(b, `,"type":"function","function":{"name":`...), o.name)
		b = rawjson.AppendString(append(b, `,"arguments":`...), call.Arguments)
		b = append(b, "}}"...)
	}
	return append(b, ']')
}

func (e *encoder) plainResults(b []byte, parts llm.Parts) ([]byte, bool) {
	if len(parts) == 0 {
		return b, false
	}
	for _, p := range parts {
		if r, ok := p.(llm.ToolResult); !ok || !e.isPlain(r) {
			return b, false
		}
	}
	for _, p := range parts {
		r := p.(llm.ToolResult)
		o, ok := e.open.take(r.CallID)
		if !ok {
			e.noteOrphan(r.CallID)
			continue
		}
		b = rawjson.AppendString(append(e.comma(b), `{"role":"tool","tool_call_id":`...), o.wire)
		if e.rules.toolName {
			b = rawjson.AppendString(append(b, `,"name":`...), o.name)
		}
		text := r.Parts[0].(llm.Text).Text
		b = append(rawjson.AppendString(append(b, `,"content":`...), text), '}')
		e.last = llm.RoleTool
	}
	return b, true
}

// isPlain reports whether a result is one text that is sent as it stands.
func (e *encoder) isPlain(r llm.ToolResult) bool {
	if len(r.Parts) != 1 || len(r.Extra) > 0 {
		return false
	}
	t, ok := r.Parts[0].(llm.Text)
	return ok && int64(len(t.Text)) <= e.rules.maxResult && strings.TrimSpace(t.Text) != ""
}
