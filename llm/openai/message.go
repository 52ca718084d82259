package openai

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// messageRules are the fields of a profile and a Config that affect the bytes
// of a message. They are comparable.
type messageRules struct {
	echo      string // the names, each after a NUL
	echoEmpty bool
	empty     EmptyContent
	ids       CallIDs
	images    ToolImages
	maxResult int64

	toolName, bridge, noDeveloper, keepSystem, noCallExtra bool

	// Of the Responses API alone:
	responses                bool
	origin                   string // the host of the endpoint; see outputMember
	textResults, noReasoning bool
}

func (p *Profile) messageRules(maxResult int64) messageRules {
	r := messageRules{
		echoEmpty: p.EchoEmpty, empty: p.EmptyContent, ids: p.CallIDs, images: p.ToolImages, maxResult: maxResult,
		toolName: p.ToolName, bridge: p.Bridge, noDeveloper: p.NoDeveloper, keepSystem: p.KeepSystem, noCallExtra: p.NoCallExtra,
	}
	for _, name := range p.Echo {
		r.echo += "\x00" + name
	}
	return r
}

// names returns the names of Profile.Echo.
func (r messageRules) names() []string {
	if r.echo == "" {
		return nil
	}
	return strings.Split(r.echo[1:], "\x00")
}

// An encoder writes messages in the form of Chat Completions, in order, and
// repairs what no provider takes. A copy either replaces the encoder or is
// dropped; a dropped copy has changed nothing but the memory behind the ends of
// shared slices.
type encoder struct {
	rules   *messageRules
	last    llm.Role      // role of the last message written; "" at the front
	lead    []llm.Message // the system messages at the front, not yet written
	waiting []llm.Message // later system messages, which wait for the user
	open    *openCalls    // the calls of the last message with calls
	images  llm.Parts     // pictures of the results of this turn
	called  bool          // the conversation has a call
	notes   []string      // what was mended
}

// append appends the n-th message to b, after a comma if b is not empty. It
// leaves out an assistant message without text and calls, because no provider
// takes such a message.
func (e *encoder) append(b []byte, m llm.Message, n int) ([]byte, error) {
	switch m.Role {
	case llm.RoleSystem, llm.RoleDeveloper:
		if err := m.Validate(); err != nil {
			return b, err
		}
		return e.systemMessage(b, m)
	case llm.RoleUser:
		if err := m.Validate(); err != nil {
			return b, err
		}
		return e.userMessage(b, m)
	case llm.RoleAssistant:
		return e.assistant(b, m, n)
	case llm.RoleTool:
		return e.results(b, m)
	}
	return b, fmt.Errorf("unknown role %q", string(m.Role))
}

// end returns the text after the last message. The text is not part of the
// history, because the next message may change it.
func (e encoder) end() ([]byte, []string, error) {
	if e.settled() {
		return nil, nil, nil
	}
	e.notes = nil
	b, err := e.endTurn(nil)
	if err == nil {
		b, err = e.flushSystem(b)
	}
	return b, e.notes, err
}

// bridgeText is the assistant message between a tool result and a user message.
const bridgeText = "I have read the results."

// appendMessage writes a message.
func (e *encoder) appendMessage(b []byte, role llm.Role, f fields) []byte {
	if e.rules.bridge && role == llm.RoleUser && e.last == llm.RoleTool {
		b = e.appendMessage(b, llm.RoleAssistant, fields{{"role", []byte(`"assistant"`)}, {"content", rawjson.AppendString(nil, bridgeText)}})
	}
	return e.appendRaw(b, role, f.object())
}

// appendRaw appends a message or an item.
func (e *encoder) appendRaw(b []byte, role llm.Role, raw []byte) []byte {
	if e.last != "" {
		b = append(b, ',')
	}
	e.last = role
	return append(b, raw...)
}

// extend adds unmodelled members; existing members stay.
func extend(f *fields, extra []llm.Member) error {
	for _, m := range extra {
		if !rawjson.Valid(m.Value) {
			return fmt.Errorf("the member %q is not JSON", m.Name)
		}
		if !f.has(m.Name) {
			f.raw(m.Name, []byte(m.Value))
		}
	}
	return nil
}

// assistant encodes a message of the model. A refusal becomes the text, because
// many providers refuse the member "refusal".
func (e *encoder) assistant(b []byte, m llm.Message, n int) ([]byte, error) {
	if e.rules.responses {
		return e.itemAssistant(b, m, n)
	}
	content, err := contentOf(answerParts(m))
	if err != nil {
		return b, err
	}
	audio, called := audioRef(m), m.Calls()
	if content == nil && audio == nil && len(called) == 0 {
		return b, nil
	}
	if b, err = e.endTurn(b); err == nil {
		b, err = e.flushSystem(b)
	}
	if err != nil {
		return b, err
	}
	var f fields
	f.text("role", "assistant")
	if content == nil {
		content = e.emptyContent()
	}
	f.rawIf("content", content)
	if len(called) > 0 {
		calls, err := e.calls(called, n)
		if err != nil {
			return b, err
		}
		f.raw("tool_calls", e.hosted(calls, m))
	}
	f.rawIf("audio", audio)
	e.addEchoed(&f, m)
	return e.appendMessage(b, llm.RoleAssistant, f), nil
}

func (e *encoder) emptyContent() []byte {
	switch e.rules.empty {
	case ContentEmpty:
		return []byte(`""`)
	case ContentOmitted:
		return nil
	}
	return []byte(`null`)
}

// answerParts returns the parts for the content: one text if possible, because
// few providers take a list from the model.
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

// audioRef refers to earlier audio of the model.
func audioRef(m llm.Message) []byte {
	for _, p := range m.Parts {
		if a, ok := p.(llm.Audio); ok && a.ID != "" {
			return fields{{"id", rawjson.AppendString(nil, a.ID)}}.object()
		}
	}
	return nil
}

// addEchoed adds the members that the provider wants back.
func (e *encoder) addEchoed(f *fields, m llm.Message) {
	names := e.rules.names()
	for _, name := range names {
		switch thought := thoughtIn(m, name); {
		case f.has(name):
		case thought != "":
			f.text(name, thought)
		case name == "refusal":
			f.textIf(name, m.Refusal())
		}
	}
	for _, x := range m.Extra {
		if slices.Contains(names, x.Name) && !f.has(x.Name) && rawjson.Valid(x.Value) {
			f.raw(x.Name, []byte(x.Value))
		}
	}
	if e.rules.echoEmpty && len(names) > 0 && f.has("tool_calls") && !f.has(names[0]) {
		f.text(names[0], "")
	}
}

// hosted adds the calls that the provider ran, if the provider wants them back.
func (e *encoder) hosted(calls []byte, m llm.Message) []byte {
	i := slices.IndexFunc(m.Extra, func(x llm.Member) bool { return x.Name == "tool_calls" })
	if i < 0 || !slices.Contains(e.rules.names(), "tool_calls") || !rawjson.Valid(m.Extra[i].Value) {
		return calls
	}
	list := slices.Collect(rawjson.Elements(calls))
	return array(slices.AppendSeq(list, rawjson.Elements([]byte(m.Extra[i].Value))))
}

// thoughtIn returns the reasoning from the member with the given name. Open reasoning
// of the Responses API has the Field "content" and is what the other members hold on
// Chat Completions.
func thoughtIn(m llm.Message, name string) string {
	var b, open strings.Builder
	for _, p := range m.Parts {
		switch r, ok := p.(llm.Reasoning); {
		case !ok:
		case r.Field == name:
			b.WriteString(r.Text)
		case r.Field == "content" && len(r.Extra) == 0:
			open.WriteString(r.Text)
		}
	}
	if b.Len() == 0 && (name == "reasoning_content" || name == "reasoning") {
		return open.String()
	}
	return b.String()
}
