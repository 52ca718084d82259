package openai

import (
	"github.com/seed-916e8f6a/toolloop/llm"
)

// instruct takes a message of the system or the developer. Unless they are to
// stay where they are, those at the front wait for the instructions of the
// request, and others for the next message of the user.
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

// user takes a message of the user.
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

// release writes what was held for the user as a message of its own.
func (e *encoder) release(b []byte) ([]byte, error) {
	if len(e.held) == 0 {
		return b, nil
	}
	m := llm.Message{Role: llm.RoleUser, Parts: joined(e.held)}
	e.held = nil
	return e.user(b, m)
}

// opening is the system message at the front: the instructions of the request
// and what the history begins with. Nil: there is none.
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

// joined returns the parts of all messages: one text with blank lines between
// them if they are nothing but text.
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

// speech is a message of the system, the developer or the user. What its Extra holds was
// put there by the caller, and is sent.
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
