package llmtest

import (
	"unicode"
	"unicode/utf8"

	"github.com/seed-916e8f6a/toolloop/llm"
)

// A piece is what one chunk of a stream holds: a fragment of a part, or a part
// that is not cut. The first piece of a call has its ID, Name and Extra, the
// others its arguments.
type piece struct {
	part  llm.Part
	index int // of a call: its position in the answer
}

// delta returns the piece as a caller sees it, or nil if callers do not.
func (p piece) delta() llm.Delta {
	switch part := p.part.(type) {
	case llm.Text:
		return llm.TextDelta{Text: part.Text}
	case llm.Reasoning:
		return llm.ReasoningDelta{Text: part.Text}
	case llm.ToolCall:
		return llm.CallDelta{Index: p.index, ID: part.ID, Name: part.Name, Arguments: part.Arguments}
	}
	return nil
}

// pieces cuts a message, the same way each time.
func pieces(m llm.Message) []piece {
	var out []piece
	calls := 0
	for _, part := range m.Parts {
		for _, cut := range cutPart(part) {
			out = append(out, piece{part: cut, index: calls})
		}
		if _, ok := part.(llm.ToolCall); ok {
			calls++
		}
	}
	return out
}

func cutPart(part llm.Part) []llm.Part {
	switch p := part.(type) {
	case llm.Text:
		if p.Extra == nil {
			return cutText(p.Text, func(s string) llm.Part { return llm.Text{Text: s} })
		}
	case llm.Reasoning:
		if !asPart(p) {
			return cutText(p.Text, func(s string) llm.Part { return llm.Reasoning{Text: s, Field: p.Field} })
		}
	case llm.Refusal:
		return cutText(p.Text, func(s string) llm.Part { return llm.Refusal{Text: s} })
	case llm.ToolCall:
		return cutCall(p)
	}
	return []llm.Part{part}
}

func cutText(s string, part func(string) llm.Part) []llm.Part {
	var out []llm.Part
	for _, w := range words(s) {
		out = append(out, part(w))
	}
	return out
}

func cutCall(c llm.ToolCall) []llm.Part {
	out := []llm.Part{llm.ToolCall{ID: c.ID, Name: c.Name, Extra: c.Extra}}
	for _, f := range fragments(c.Arguments) {
		out = append(out, llm.ToolCall{Arguments: f})
	}
	return out
}

// maxWord bounds a piece of text, in characters: not every script has spaces.
const maxWord = 12

// words cuts s behind its spaces; whatever has two characters is cut at least once.
func words(s string) []string {
	var out []string
	start, n := 0, 0
	space := false
	for i, r := range s {
		if n > 0 && (n == maxWord || space && !unicode.IsSpace(r)) {
			out = append(out, s[start:i])
			start, n = i, 0
		}
		space = unicode.IsSpace(r)
		n++
	}
	if start == 0 {
		return halves(s)
	}
	return append(out, s[start:])
}

// fragments cuts s into two to eight pieces of about the same length.
func fragments(s string) []string {
	size := max(8, (len(s)+7)/8)
	var out []string
	for rest := s; rest != ""; {
		i := boundary(rest, min(size, len(rest)))
		out = append(out, rest[:i])
		rest = rest[i:]
	}
	if len(out) < 2 {
		return halves(s)
	}
	return out
}

// halves cuts s in two, unless it is a single character.
func halves(s string) []string {
	if s == "" {
		return nil
	}
	i := len(s) / 2
	for i > 0 && !utf8.RuneStart(s[i]) {
		i--
	}
	if i == 0 {
		i = boundary(s, 1)
	}
	if i == len(s) {
		return []string{s}
	}
	return []string{s[:i], s[i:]}
}

// boundary returns the first place from i on where s can be cut without
// splitting a character.
func boundary(s string, i int) int {
	for i < len(s) && !utf8.RuneStart(s[i]) {
		i++
	}
	return i
}
