package llmtest

import (
	"fmt"
	"strings"

	"github.com/seed-916e8f6a/toolloop/internal/clip"
	"github.com/seed-916e8f6a/toolloop/llm"
)

const (
	maxLine     = 200 // characters of a message in a transcript
	maxMessages = 12  // messages of a transcript, the last ones
)

// String describes the step in a line.
func (s Step) String() string {
	text := s.content()
	if s.late > 0 {
		text += ", " + Late(s.late).String()
	}
	if s.contentType != nil {
		text += ", " + ContentType(*s.contentType).String()
	}
	if s.fault.kind != noFault {
		text += ", " + s.fault.String()
	}
	if s.match != nil {
		text += ", on a condition"
	}
	return text
}

func (s Step) content() string {
	switch {
	case s.validate() != nil:
		return "misuse: " + s.validate().Error()
	case s.raw != nil && s.fault.kind == noFault:
		return clipLine(fmt.Sprintf("raw bytes: %v", s.raw))
	case s.err != nil:
		return clipLine(fmt.Sprintf("fails: %v", s.err))
	case s.reply != nil:
		return "reply of a function"
	case len(s.parts) == 0:
		return "empty answer"
	}
	return describe(s.parts)
}

// transcript returns a request as text for people: a line for the model and its
// tools, and a line for each message.
func transcript(req *llm.Request) string {
	var b strings.Builder
	line := func(format string, args ...any) { b.WriteString("\n  " + clipLine(fmt.Sprintf(format, args...))) }
	line("%s", headline(req))
	if req.Instructions != "" {
		line("instructions: %q", req.Instructions)
	}
	messages := req.Messages
	if n := len(messages) - maxMessages; n > 0 {
		line("… %s before", clip.Count(n, "message"))
		messages = messages[n:]
	}
	for _, m := range messages {
		line("%s: %s", m.Role, describe(m.Parts))
	}
	return strings.TrimPrefix(b.String(), "\n")
}

func headline(req *llm.Request) string {
	words := []string{"model " + req.Model}
	if req.Model == "" {
		words = []string{"no model named"}
	}
	if req.Stream {
		words = append(words, "stream")
	}
	var names []string
	for _, t := range req.Tools {
		names = append(names, t.Name)
	}
	if names != nil {
		words = append(words, "tools "+strings.Join(names, " "))
	}
	return strings.Join(words, ", ")
}

func describe(parts llm.Parts) string {
	if len(parts) == 0 {
		return "(empty)"
	}
	var out []string
	for _, p := range parts {
		out = append(out, describePart(p))
	}
	return clipLine(strings.Join(out, ", "))
}

func describePart(p llm.Part) string {
	switch p := p.(type) {
	case llm.Text:
		return fmt.Sprintf("%q", p.Text)
	case llm.Reasoning:
		return fmt.Sprintf("reasoning %q", p.Text)
	case llm.Refusal:
		return fmt.Sprintf("refusal %q", p.Text)
	case llm.ToolCall:
		return strings.TrimSpace(fmt.Sprintf("calls %s(%s) %s", p.Name, p.Arguments, p.ID))
	case llm.ToolResult:
		return strings.TrimSpace(fmt.Sprintf("%s %s", p.Name, p.CallID)) + ": " + describe(p.Parts)
	case llm.Image:
		return "an image"
	case llm.Audio:
		return "audio"
	case llm.File:
		return strings.TrimSpace("a file " + p.Name)
	case llm.RawPart:
		return p.JSON
	}
	return fmt.Sprintf("%T", p)
}

// clipLine bounds a line.
func clipLine(s string) string { return clip.Runes(s, maxLine) }
