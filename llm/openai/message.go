package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// An encoder writes messages in the form of Chat Completions, one after the
// other. It remembers the calls that wait for their results, since a call
// without an id is given one for the wire.
type encoder struct {
	echo []string
	open []openCall // the calls of the last message that had any, without those answered
}

type openCall struct{ id, wire string }

// append appends the n-th message to b, after a comma if b is not empty. An
// assistant message with neither text nor calls is left out: no provider takes it.
func (e *encoder) append(b []byte, m llm.Message, n int) ([]byte, error) {
	var err error
	var f fields
	switch m.Role {
	case llm.RoleSystem, llm.RoleDeveloper, llm.RoleUser:
		f, err = speech(m)
	case llm.RoleAssistant:
		f, err = e.assistant(m, n)
	case llm.RoleTool:
		return e.results(b, m)
	default:
		err = fmt.Errorf("unknown role %q", string(m.Role))
	}
	if err != nil || f == nil {
		return b, err
	}
	return appendItem(b, f), nil
}

func appendItem(b []byte, f fields) []byte {
	if len(b) > 0 {
		b = append(b, ',')
	}
	return append(f.list(append(b, '{')), '}')
}

// speech is a message of the system, the developer or the user. What its Extra holds was
// put there by the caller, and is sent.
func speech(m llm.Message) (fields, error) {
	content, err := contentOf(m.Parts)
	if err != nil {
		return nil, err
	}
	if content == nil {
		content = []byte(`""`)
	}
	var f fields
	f.text("role", string(m.Role))
	f.raw("content", content)
	return f, extend(&f, m.Extra)
}

// extend adds members that nobody modelled; those that are there already stay.
func extend(f *fields, extra []llm.Member) error {
	for _, m := range extra {
		if !json.Valid([]byte(m.Value)) {
			return fmt.Errorf("the member %q is no JSON", m.Name)
		}
		if !f.has(m.Name) {
			f.raw(m.Name, []byte(m.Value))
		}
	}
	return nil
}

// assistant is a message of the model. A refusal stands in for the text, as the
// member of that name is refused by many providers.
func (e *encoder) assistant(m llm.Message, n int) (fields, error) {
	content, err := contentOf(answerParts(m))
	if err != nil {
		return nil, err
	}
	calls, err := e.calls(m.Calls(), n)
	if err != nil {
		return nil, err
	}
	var f fields
	f.text("role", "assistant")
	audio := audioRef(m)
	switch {
	case content != nil:
		f.raw("content", content)
	case calls != nil || audio != nil:
		f.raw("content", []byte(`null`))
	default:
		return nil, nil
	}
	if calls != nil {
		f.raw("tool_calls", calls)
	}
	if audio != nil {
		f.raw("audio", audio)
	}
	e.echoed(&f, m)
	return f, nil
}

// answerParts are the parts that become the content: one text where that is
// all, since few providers take a list from the model.
func answerParts(m llm.Message) llm.Parts {
	var parts llm.Parts
	text, plain := false, true
	for _, p := range m.Parts {
		switch p := p.(type) {
		case llm.Reasoning, llm.Refusal, llm.ToolCall, llm.Audio:
			continue
		case llm.Text:
			text, plain = true, plain && len(p.Extra) == 0
		default:
			plain = false
		}
		parts = append(parts, p)
	}
	switch refusal := m.Refusal(); {
	case !text && refusal != "":
		return append(parts, llm.Text{Text: refusal})
	case text && plain:
		return llm.Parts{llm.Text{Text: m.Text()}}
	}
	return parts
}

// audioRef refers to what the model said aloud before.
func audioRef(m llm.Message) []byte {
	for _, p := range m.Parts {
		if a, ok := p.(llm.Audio); ok && a.ID != "" {
			return fields{{"id", appendString(nil, a.ID)}}.object()
		}
	}
	return nil
}

// echoed adds the members of the provider's message that it wants back.
func (e *encoder) echoed(f *fields, m llm.Message) {
	for _, name := range e.echo {
		var thought strings.Builder
		for _, p := range m.Parts {
			if r, ok := p.(llm.Reasoning); ok && r.Field == name {
				thought.WriteString(r.Text)
			}
		}
		switch {
		case f.has(name):
		case thought.Len() > 0:
			f.text(name, thought.String())
		case name == "refusal":
			f.textIf(name, m.Refusal())
		}
	}
	for _, x := range m.Extra {
		if slices.Contains(e.echo, x.Name) && !f.has(x.Name) && json.Valid([]byte(x.Value)) {
			f.raw(x.Name, []byte(x.Value))
		}
	}
}

// calls are the tool calls of the n-th message. An id that is missing, or that
// an earlier call of the message has, is replaced on the wire by one that is
// always the same for this place in the conversation.
func (e *encoder) calls(calls []llm.ToolCall, n int) ([]byte, error) {
	if len(calls) == 0 {
		return nil, nil
	}
	e.open = nil
	list := make([][]byte, len(calls))
	for i, call := range calls {
		id := call.ID
		if id == "" || slices.ContainsFunc(e.open, func(o openCall) bool { return o.wire == id }) {
			id = fmt.Sprintf("call_%d_%d", n, i)
		}
		e.open = append(e.open, openCall{call.ID, id})
		f := fields{
			{"id", appendString(nil, id)},
			{"type", []byte(`"function"`)},
			{"function", fields{
				{"name", appendString(nil, call.Name)},
				{"arguments", appendString(nil, objectOr(call.Arguments))},
			}.object()},
		}
		if err := extend(&f, call.Extra); err != nil {
			return nil, fmt.Errorf("call %d: %w", i, err)
		}
		list[i] = f.object()
	}
	return array(list), nil
}

// objectOr returns the arguments as the model wrote them, or {} where they are
// no JSON object: providers refuse a history that holds anything else.
func objectOr(arguments string) string {
	if isObject(arguments) {
		return arguments
	}
	return "{}"
}

// results are the tool messages of m.
func (e *encoder) results(b []byte, m llm.Message) ([]byte, error) {
	some := false
	for _, p := range m.Parts {
		r, ok := p.(llm.ToolResult)
		if !ok {
			return b, fmt.Errorf("a message of role tool holds a %T", p)
		}
		f := fields{
			{"role", []byte(`"tool"`)},
			{"tool_call_id", appendString(nil, e.answered(r.CallID))},
			{"content", appendString(nil, resultText(r))},
		}
		if err := extend(&f, r.Extra); err != nil {
			return b, err
		}
		if err := extend(&f, m.Extra); err != nil {
			return b, err
		}
		b, some = appendItem(b, f), true
	}
	if !some {
		return b, errors.New("a message of role tool holds no result")
	}
	return b, nil
}

// answered returns the id that the call has on the wire: of the first open call
// of that id, or else of the first open call that came without one.
func (e *encoder) answered(id string) string {
	at := slices.IndexFunc(e.open, func(o openCall) bool { return o.id == id })
	if at < 0 {
		at = slices.IndexFunc(e.open, func(o openCall) bool { return o.id == "" })
	}
	if at < 0 {
		return id
	}
	wire := e.open[at].wire
	e.open = slices.Delete(slices.Clone(e.open), at, at+1)
	return wire
}
