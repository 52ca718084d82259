package openai

import (
	"reflect"
	"slices"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// seenMessages remembers a conversation, so that a later request with another
// conversation, or with an edited one, is noticed. The lists of all messages stand in one
// list, because a copy for each message and each result would cost several allocations
// for each call of a tool.
type seenMessages struct {
	messages []seenMessage
	parts    llm.Parts // of all messages; the parts of a tool result follow it

	list *llm.Message // the first message of the list that was last compared
}

type seenMessage struct {
	role  llm.Role
	extra *[]llm.Member // nil: none
	parts int           // how many parts the message has, without the parts of results
	from  int           // in the list of all parts
}

func (s *seenMessages) len() int { return len(s.messages) }

// add remembers m. If the caller replaces a part, the comparison notices the change.
func (s *seenMessages) add(m llm.Message) {
	if s.messages == nil { // room for a short run at once
		s.messages, s.parts = make([]seenMessage, 0, 4), make(llm.Parts, 0, 4)
	}
	seen := seenMessage{role: m.Role, parts: len(m.Parts), from: len(s.parts)}
	if len(m.Extra) > 0 {
		seen.extra = new(slices.Clone(m.Extra))
	}
	s.messages = append(s.messages, seen)
	for _, p := range m.Parts {
		s.parts = append(s.parts, p)
		if r, ok := p.(llm.ToolResult); ok {
			s.parts = append(s.parts, r.Parts...)
		}
	}
}

// checkedAlways is the number of last messages that each request compares.
const checkedAlways = 8

// begin reports whether the messages begin with the remembered messages. A list that is
// vouched for is compared once, and then only at its end. Any other list is compared whole
// by each request, which is cheap for a short list, because equal strings share their bytes.
func (s *seenMessages) begin(messages []llm.Message, vouched bool) bool {
	if len(s.messages) > len(messages) {
		return false
	}
	from := 0
	if vouched && s.list == &messages[0] {
		from = max(0, len(s.messages)-checkedAlways)
	}
	for i := from; i < len(s.messages); i++ {
		if !s.same(&s.messages[i], &messages[i]) {
			return false
		}
	}
	s.list = &messages[0]
	return true
}

func (s *seenMessages) same(a *seenMessage, b *llm.Message) bool {
	if a.role != b.Role || a.parts != len(b.Parts) || (a.extra != nil) != (len(b.Extra) > 0) || a.extra != nil && !slices.Equal(*a.extra, b.Extra) {
		return false
	}
	at := a.from
	for _, p := range b.Parts {
		seen := s.parts[at]
		at++
		r, ok := seen.(llm.ToolResult)
		if !ok {
			if !samePart(seen, p) {
				return false
			}
			continue
		}
		now, ok := p.(llm.ToolResult)
		if !ok || !sameResult(&r, s.parts[at:at+len(r.Parts)], &now) {
			return false
		}
		at += len(r.Parts)
	}
	return true
}

// sameResult compares two results. parts are the parts of a when a was remembered.
func sameResult(a *llm.ToolResult, parts llm.Parts, b *llm.ToolResult) bool {
	return a.CallID == b.CallID && a.Name == b.Name && a.IsError == b.IsError &&
		slices.Equal(a.Extra, b.Extra) && slices.EqualFunc(parts, b.Parts, samePart)
}

// samePart compares the most common parts without reflection.
func samePart(a, b llm.Part) bool {
	switch a := a.(type) {
	case llm.Text:
		b, ok := b.(llm.Text)
		return ok && a.Text == b.Text && slices.Equal(a.Extra, b.Extra)
	case llm.ToolCall:
		b, ok := b.(llm.ToolCall)
		return ok && a.ID == b.ID && a.Name == b.Name && a.Arguments == b.Arguments && slices.Equal(a.Extra, b.Extra)
	}
	return reflect.DeepEqual(a, b)
}
