package openai

import (
	"github.com/seed-916e8f6a/toolloop/llm"
)

// systemMessage encodes a system or developer message. Without KeepSystem, messages
// at the front wait for the instructions of the request, and later messages
// wait for the next user message.
func (e *encoder) systemMessage(b []byte, m llm.Message) ([]byte, error) {
	f, err := e.rules.textMessage(m)
	switch {
	case err != nil:
		return b, err
	case e.rules.keepSystem:
		if b, err = e.endTurn(b); err != nil {
			return b, err
		}
		return e.appendMessage(b, m.Role, f), nil
	case e.last == "":
		e.lead = append(e.lead, m)
	default:
		e.waiting = append(e.waiting, m)
	}
	return b, nil
}

// userMessage encodes a user message.
func (e *encoder) userMessage(b []byte, m llm.Message) ([]byte, error) {
	b, err := e.endTurn(b)
	if err != nil {
		return b, err
	}
	m.Parts = joined(append(e.waiting[:len(e.waiting):len(e.waiting)], m))
	f, err := e.rules.textMessage(m)
	if err != nil {
		return b, err
	}
	e.waiting = nil
	return e.appendMessage(b, llm.RoleUser, f), nil
}

// flushSystem writes the messages that waited for the user as a separate message.
func (e *encoder) flushSystem(b []byte) ([]byte, error) {
	if len(e.waiting) == 0 {
		return b, nil
	}
	m := llm.Message{Role: llm.RoleUser, Parts: joined(e.waiting)}
	e.waiting = nil
	return e.userMessage(b, m)
}

// systemMessage returns the system message at the front: the instructions of the
// request and the system messages at the front of the history. Without both,
// systemMessage returns nil.
func (r messageRules) systemMessage(instructions string, lead []llm.Message) (fields, error) {
	if instructions != "" {
		lead = append([]llm.Message{llm.System(instructions)}, lead...)
	}
	if len(lead) == 0 {
		return nil, nil
	}
	all := llm.Message{Role: lead[0].Role, Parts: joined(lead)}
	for _, m := range lead {
		all.Extra = append(all.Extra, m.Extra...)
	}
	return r.textMessage(all)
}

// joined returns the parts of all messages. Plain texts become one text with
// blank lines between.
func joined(messages []llm.Message) llm.Parts {
	if len(messages) == 1 {
		return messages[0].Parts
	}
	var parts llm.Parts
	var text string
	allPlain := true
	for i, m := range messages {
		words, plain := plainText(m.Parts)
		allPlain = allPlain && plain
		parts = append(parts, m.Parts...)
		if i > 0 {
			text += "\n\n"
		}
		text += words
	}
	if allPlain {
		return llm.Parts{llm.Text{Text: text}}
	}
	return parts
}

// textMessage encodes a system, developer or user message. Members of Extra come
// from the caller and are sent.
func (r messageRules) textMessage(m llm.Message) (fields, error) {
	if r.responses {
		return r.itemSpeech(m)
	}
	content, err := contentOf(m.Parts)
	if err != nil {
		return nil, err
	}
	if content == nil {
		content = []byte(`""`)
	}
	role := m.Role
	if role == llm.RoleDeveloper && r.noDeveloper {
		role = llm.RoleSystem
	}
	var f fields
	f.text("role", string(role))
	f.raw("content", content)
	return f, extend(&f, m.Extra)
}
