package loop

import (
	"slices"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/rawjson"
	"github.com/seed-916e8f6a/toolloop/llm"
)

// add adds messages of the program to the history. In these messages, arguments may be any
// JSON: the Responses API accepts such arguments, and the client of Chat Completions sends
// {} instead.
func (s *State) add(messages []llm.Message) {
	if s.Messages == nil { // a question, a call, its result and the answer
		s.Messages = make([]llm.Message, 0, max(4, len(messages)))
	}
	for _, m := range messages {
		s.Messages = append(s.Messages, withArguments(m, func(text string) bool { return rawjson.Valid(text) }))
	}
}

// keepText adds a message to the history if the message has content that can be
// sent again.
func (s *State) keepText(m llm.Message) {
	if _, content := contents(m); content {
		s.Messages = append(s.Messages, m)
	}
}

// Snapshot returns a copy of the state for reading. Later events do not change the copy,
// with one exception: a start can repair arguments in its Messages.
func (s *State) Snapshot() (c State) { // one name, so that the stack holds one copy
	c = *s
	c.outer = nil
	c.Calls = slices.Clone(s.Calls)
	for i := range c.Calls {
		if n := c.Calls[i].Nested; n != nil {
			c.Calls[i].Nested = n.copied()
		}
	}
	c.Messages = s.Messages[:len(s.Messages):len(s.Messages)] // an append to the copy must not reach s
	return c
}

// copied is Snapshot on the heap. Its frame stays out of the stack of runs without helpers.
//
//go:noinline
func (s *State) copied() *State { return new(s.Snapshot()) }

// History returns the history in the form that providers accept, at any time between two
// events. placeholder makes the results of open calls. The caller owns the slice.
func (s *State) History(placeholder func(Call) llm.ToolResult) []llm.Message {
	h := slices.Clone(s.Messages)
	for i := range s.Calls {
		c := s.Calls[i]
		if c.Status != Finished {
			c.result = resultPart(&c, placeholder(c))
		}
		h = append(h, llm.Message{Role: llm.RoleTool, Parts: llm.Parts{c.result}})
	}
	h = append(append(h, s.said...), s.later...)
	return h
}

// withArguments returns m with {} in place of bad arguments. Providers would refuse every
// later request with bad arguments.
func withArguments(m llm.Message, good func(string) bool) llm.Message {
	valid := func(p llm.Part) bool {
		c, ok := p.(llm.ToolCall)
		return !ok || good(c.Arguments)
	}
	if !slices.ContainsFunc(m.Parts, func(p llm.Part) bool { return !valid(p) }) {
		return m
	}
	m.Parts = slices.Clone(m.Parts)
	for i, p := range m.Parts {
		if c, ok := p.(llm.ToolCall); ok && !valid(p) {
			c.Arguments = "{}"
			m.Parts[i] = c
		}
	}
	return m
}

func isObject(text string) bool {
	return strings.HasPrefix(strings.TrimLeft(text, " \t\r\n"), "{") && rawjson.Valid(text)
}
