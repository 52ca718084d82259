package openai

import (
	"github.com/seed-916e8f6a/toolloop/llm"
)

// instruct encodes a system or developer message. Without KeepSystem, messages
// at the front wait for the instructions of the request, and later messages
// wait for the next user message.
func (e *encoder) instruct(b []byte, m llm.Message) ([]byte, error) {
	f, err := e.speech(m)
	switch {
	case err != nil:
		return b, err
	case e.keepSystem:
		if b, err = e.settle(b); err != nil {
			return b, err
		}
		return e.put(b, m.Role, f), nil
	case e.last == "":
		e.lead = append(e.lead, m)
	default:
		e.held = append(e.held, m)
	}
	return b, nil
}

// user encodes a user message.
func (e *encoder) user(b []byte, m llm.Message) ([]byte, error) {
	b, err := e.settle(b)
	if err != nil {
		return b, err
	}
	m.Parts = joined(append(e.held[:len(e.held):len(e.held)], m))
	f, err := e.speech(m)
	if err != nil {
		return b, err
	}
	e.held = nil
	return e.put(b, llm.RoleUser, f), nil
}

// release writes the messages that waited for the user as a separate message.
func (e *encoder) release(b []byte) ([]byte, error) {
	if len(e.held) == 0 {
		return b, nil
	}
	m := llm.Message{Role: llm.RoleUser, Parts: joined(e.held)}
	e.held = nil
	return e.user(b, m)
}

// opening returns the system message at the front: the instructions of the
// request and the system messages at the front of the history. It returns nil
// if there are none.
func (r messageRules) opening(instructions string, lead []llm.Message) (fields, error) {
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
	return r.speech(all)
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

// speech encodes a system, developer or user message. Members of Extra come
// from the caller and are sent.
func (r messageRules) speech(m llm.Message) (fields, error) {
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
